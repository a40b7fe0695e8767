"""What runs over the pipes between us and the process that talks to a file server.

To it: orders (JSON with its length in front); the bytes of a `put` follow bare, as their number is known. From it: frames
of a kind, a length and a content: news (JSON), or bytes that were read.
"""

from __future__ import annotations

import json
import os
import struct
from dataclasses import asdict, dataclass
from typing import Any

NEWS = 0
BYTES = 1

FRAME = struct.Struct(">BI")
_ORDER = struct.Struct(">I")

PIECE = 1 << 20
"""How many bytes pass at once; pipes are made as large, where the kernel lets us."""


class Ended(Exception):
    """The other side is gone."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """How an order failed: libcurl's code and words, the server's last refusal, and how far it had come.

    host_key: the one an SFTP server showed, when it is not pinned. address: the one that may not be dialled. steps: what
    went well before, when the session was being opened: (stage, milliseconds, words).
    """

    stage: str
    code: int
    text: str
    reply: str = ""
    host_key: str | None = None
    address: str | None = None
    issuer: str | None = None
    steps: tuple[tuple[str, int, str], ...] = ()

    @classmethod
    def read(cls, told: dict[str, Any]) -> Trouble:
        """Take it from the news."""
        steps = tuple((str(stage), int(took), str(words)) for stage, took, words in told.pop("steps"))
        return cls(**told, steps=steps)

    def written(self) -> dict[str, Any]:
        """Write it for the news."""
        return asdict(self)


def order(what: dict[str, Any]) -> bytes:
    """Write an order."""
    text = json.dumps(what).encode()
    return _ORDER.pack(len(text)) + text


def read_order(fd: int) -> dict[str, Any]:
    """Wait for the next order. Raises Ended."""
    (length,) = _ORDER.unpack(read_whole(fd, _ORDER.size))
    found: dict[str, Any] = json.loads(read_whole(fd, length))
    return found


def frame(kind: int, content: bytes) -> bytes:
    """Write a frame."""
    return FRAME.pack(kind, len(content)) + content


def read_whole(fd: int, length: int) -> bytes:
    """Read so many bytes. Raises Ended."""
    found = bytearray()
    while len(found) < length:
        more = os.read(fd, length - len(found))
        if not more:
            raise Ended
        found += more
    return bytes(found)


def write_whole(fd: int, content: bytes) -> None:
    """Write all of it. Raises Ended."""
    left = memoryview(content)
    try:
        while left:
            left = left[os.write(fd, left) :]
    except BrokenPipeError as error:
        raise Ended from error
