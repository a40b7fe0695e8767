"""The body of an intake request: what is one event, an array of them, or one a line."""

from __future__ import annotations

import zlib
from typing import Any

from models.rules.event_document import EventFault, NotJson, decode

MOST_BODY_BYTES = 32 * 1024 * 1024


class UnreadableBody(Exception):
    """Nothing in the body can be taken; the text is one sentence."""


def unpack(raw: bytes) -> bytes:
    """Unpack a gzip body. Raises UnreadableBody, also when it grows beyond 32 MiB."""
    inflate = zlib.decompressobj(wbits=31)
    try:
        body = inflate.decompress(raw, MOST_BODY_BYTES)
    except zlib.error as error:
        raise UnreadableBody("the body is not gzip") from error
    if inflate.unconsumed_tail:
        raise UnreadableBody("the body is larger than 32 MiB unpacked")
    if not inflate.eof:
        raise UnreadableBody("the gzip body breaks off")
    return body


def read_body(raw: bytes, *, lines: bool) -> list[Any]:
    """Decode a body into event documents; `lines` means NDJSON.

    A line that is no JSON becomes an EventFault at its place. Raises UnreadableBody when the whole is empty, not
    UTF-8, no JSON, or neither an object nor an array.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableBody(f"the body is not UTF-8: byte {error.start} cannot be read") from error
    if not text.strip():
        raise UnreadableBody("the body is empty")
    if lines:
        return [_line(line) for line in text.split("\n") if line.strip()]
    try:
        document = decode(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableBody(f"the body is not JSON: {_why(error)}") from error
    if isinstance(document, list):
        return document
    if not isinstance(document, dict | NotJson):
        raise UnreadableBody("the body must be an event or an array of events")
    return [document]


def _line(line: str) -> Any:
    try:
        return decode(line.strip())
    except (ValueError, RecursionError) as error:
        return EventFault("", f"the line is not JSON: {_why(error)}")


def _why(error: Exception) -> str:
    """Tell where JSON broke without repeating any of its content."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    message, position = getattr(error, "msg", "a number is too long"), getattr(error, "pos", None)
    return f"{message} at character {position}" if position is not None else message
