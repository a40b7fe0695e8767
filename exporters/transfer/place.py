"""A place on a file server, and how its host keys are written."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

Protocol = Literal["sftp", "ftps", "ftps-implicit", "ftp"]
Passive = Literal["auto", "pasv", "pasv-address"]
TlsMax = Literal["auto", "1.2"]


@dataclass(frozen=True, slots=True)
class HostKey:
    """A trusted key: its fingerprint as "SHA256:...", and its type (such as ssh-ed25519) where that is known."""

    fingerprint: str
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """What is needed to log in to a file server. Prints without its secrets.

    host_keys are for SFTP; with none of them the server is not logged in to. timeout_seconds: no byte moved.
    """

    protocol: Protocol
    host: str
    port: int
    user: str
    password: str | None = field(default=None, repr=False)
    private_key: str | None = field(default=None, repr=False)
    key_passphrase: str | None = field(default=None, repr=False)
    passive: Passive = "auto"
    ca_certificate: str | None = field(default=None, repr=False)
    tls_max: TlsMax = "auto"
    host_keys: tuple[HostKey, ...] = ()
    timeout_seconds: int = 60

    @property
    def secrets(self) -> tuple[str, ...]:
        """The texts that must appear in no record of ours."""
        return tuple(text for text in (self.password, self.private_key, self.key_passphrase) if text)


def parse_host_keys(text: str) -> tuple[HostKey, ...]:
    """Read host keys, one a line: "SHA256:..." as ssh prints it, or a line of known_hosts. Raises ValueError."""
    lines = (line.strip() for line in text.splitlines())
    return tuple(_host_key(line) for line in lines if line and not line.startswith("#"))


def fingerprint(key: bytes) -> str:
    """Return "SHA256:..." of a raw public key, as ssh-keygen prints it."""
    return f"SHA256:{b64encode(sha256(key).digest()).decode().rstrip('=')}"


def _host_key(line: str) -> HostKey:
    if _FINGERPRINT.fullmatch(line):
        return HostKey(line.rstrip("="))
    words = line.split()
    if words[0].startswith("@"):
        raise ValueError(f"A host key line must not begin with {words[0][:30]}: give the server's own key.")
    for place in (0, 1):  # a known_hosts line begins with the host's names, a public key file does not
        if len(words) > place + 1 and (key := _key(words[place], words[place + 1])) is not None:
            return HostKey(fingerprint(key), words[place])
    raise ValueError("A host key is SHA256: and 43 letters and digits, or a line of known_hosts.")


def _key(kind: str, coded: str) -> bytes | None:
    try:
        key = b64decode(coded, validate=True)
    except ValueError:
        return None
    # a public key begins with the length of its type's name, and the name
    return key if kind.isascii() and key.startswith(len(kind).to_bytes(4, "big") + kind.encode()) else None


_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}=?")
