"""Parameters in a URL or a form body: `name=value&name=value`, percent-encoded as R15 of docs/rules.md says."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from exporters.base import Column, Value, WhenEmpty
from exporters.values import is_empty, plain_text

_STAYS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_CODES = {code: f"%{code:02X}" for code in range(128) if chr(code) not in _STAYS}


def encode(text: str) -> str:
    """Percent-encode all but A-Z a-z 0-9 - . _ ~ as UTF-8. Raises UnicodeEncodeError for half a character."""
    if text.isascii():
        return text if text.isalnum() else text.translate(_CODES)
    return quote(text, safe="")


class Query:
    """Writes the parameters of one profile; names are encoded once."""

    def __init__(self, columns: Sequence[tuple[int, Column]]) -> None:
        """columns: with each its index in a parcel's values."""
        self._parts = tuple(
            (index, f"{encode(column.name)}=", column.when_empty is WhenEmpty.OMIT) for index, column in columns
        )

    def write(self, values: Sequence[Value]) -> str:
        """Return the parameters in mapping order, without a leading `?`. null is written as empty."""
        written = []
        for index, name, is_omitted in self._parts:
            value = values[index]
            if is_empty(value):
                if not is_omitted:
                    written.append(name)
            else:
                written.append(name + encode(plain_text(value)))
        return "&".join(written)


def joined(url: str, parameters: str) -> str:
    """Add parameters to a URL whose own query stays byte for byte (R16)."""
    if not parameters:
        return url
    return url + separator(url) + parameters


def separator(url: str) -> str:
    """Return what stands between a URL and our parameters: `?`, `&`, or nothing after a final one of them."""
    if "?" not in url:
        return "?"
    return "" if url[-1] in "?&" else "&"
