"""Stored secrets, sealed with Fernet and bound to their place, so that a row copied elsewhere opens nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class CannotOpen(Exception):
    """The key is missing, or the sealed text stands where it was not sealed."""


class Seal:
    """Seals with the first key, opens with all.

    place names what the secret belongs to: profile id, field, and the origin it may be sent to (scheme, host, port,
    user). It is sealed in with the secret and compared on opening.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def close(self, secret: str, *place: str) -> str:
        """Seal a secret for one place."""
        return self._fernet.encrypt(json.dumps([secret, *place]).encode()).decode()

    def open(self, sealed: str, *place: str) -> str:
        """Give the secret back. Raises CannotOpen."""
        try:
            secret, *written = json.loads(self._fernet.decrypt(sealed.encode()))
        except InvalidToken as error:
            raise CannotOpen("no key of ENCRYPTION_KEYS opens this secret") from error
        if written != list(place):
            raise CannotOpen("this secret belongs to another place")
        return str(secret)

    def rotate(self, sealed: str) -> str:
        """Seal again with the first key. Raises CannotOpen."""
        try:
            return self._fernet.rotate(sealed.encode()).decode()
        except InvalidToken as error:
            raise CannotOpen("no key of ENCRYPTION_KEYS opens this secret") from error
