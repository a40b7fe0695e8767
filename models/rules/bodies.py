"""The body of an intake request: what is one event, an array of them, or one a line."""

from __future__ import annotations

import zlib
from typing import Any

from models.rules.event_document import EventFault, NotJson, decode

MOST_BODY_BYTES = 32 * 1024 * 1024
MOST_MEMBERS = 1_000
_SPACE = " \t\r\n"  # what JSON calls white space


class UnreadableBody(Exception):
    """Nothing in the body can be taken; the text is one sentence."""


def unpack(raw: bytes) -> bytes:
    """Unpack a gzip body, of several members, too. Raises UnreadableBody, also when it grows beyond 32 MiB."""
    body = bytearray()
    for _ in range(MOST_MEMBERS):
        inflate = zlib.decompressobj(wbits=31)
        try:
            body += inflate.decompress(raw, MOST_BODY_BYTES - len(body) + 1)
        except zlib.error as error:
            raise UnreadableBody("the body is not gzip, or not all of it") from error
        if len(body) > MOST_BODY_BYTES:
            raise UnreadableBody("the body is larger than 32 MiB unpacked")
        if not inflate.eof:
            raise UnreadableBody("the gzip body breaks off")
        raw = inflate.unused_data
        if not raw:
            return bytes(body)
    raise UnreadableBody(f"the gzip body has more than {MOST_MEMBERS} members")


def read_body(raw: bytes, *, lines: bool) -> list[Any]:
    """Decode a body into event documents; `lines` means NDJSON.

    A line that is no JSON becomes an EventFault at its place. Raises UnreadableBody when the whole is empty, not
    UTF-8, no JSON, or neither an object nor an array.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableBody(f"the body is not UTF-8: byte {error.start} cannot be read") from error
    if not text.strip(_SPACE):
        raise UnreadableBody("the body is empty")
    if lines:
        return [_line(line) for line in text.split("\n") if line.strip(_SPACE)]
    try:
        document = decode(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableBody(f"the body is not JSON: {_why(error)}") from error
    if isinstance(document, list):
        return document
    is_object = isinstance(document, dict) or (isinstance(document, NotJson) and text.lstrip(_SPACE).startswith("{"))
    if not is_object:
        raise UnreadableBody("the body must be an event or an array of events")
    return [document]


def _line(line: str) -> Any:
    try:
        return decode(line)
    except (ValueError, RecursionError) as error:
        return EventFault("", f"the line is not JSON: {_why(error)}")


def _why(error: Exception) -> str:
    """Tell where JSON broke without repeating any of its content."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    message, position = getattr(error, "msg", "a number is too long"), getattr(error, "pos", None)
    return f"{message} at character {position}" if position is not None else message
