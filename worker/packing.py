"""Packing on the fly, and repeatably: the slot's time inside, nothing of the machine, so the same rows give the same bytes."""

from __future__ import annotations

import struct
import zipfile
import zlib
from datetime import datetime
from typing import Protocol

from models.compressed import LEVEL, zstd

GZIP_LEVEL = 1
BIG = 100_000
"""From so many rows on a zip is written in the form for over 2 GiB, which some old programs do not read."""


class Packer(Protocol):
    """Takes the file's bytes in pieces."""

    def feed(self, piece: bytes) -> bytes:
        """Give what is ready; may be empty."""
        ...

    def end(self) -> bytes:
        """Give the rest."""
        ...


def packer(compression: str, *, member: str, at: datetime, rows: int) -> Packer:
    """Choose by the setting. member: the name inside a zip; at: the slot's local time; rows: about how many."""
    if compression == "gzip":
        return _Gzip(at)
    if compression == "zstd":
        return _Zstandard()
    return _Zip(member, at, is_big=rows > BIG) if compression == "zip" else _Plain()


class _Plain:
    def feed(self, piece: bytes) -> bytes:
        return piece

    def end(self) -> bytes:
        return b""


class _Gzip:
    """RFC 1952 by hand: the library's own header would name the time of writing."""

    def __init__(self, at: datetime) -> None:
        fast, unknown_system = 4, 255
        self._begun = struct.pack("<4BLBB", 0x1F, 0x8B, 8, 0, int(at.timestamp()) & 0xFFFFFFFF, fast, unknown_system)
        self._deflate = zlib.compressobj(GZIP_LEVEL, wbits=-zlib.MAX_WBITS)
        self._crc = self._size = 0

    def feed(self, piece: bytes) -> bytes:
        self._crc = zlib.crc32(piece, self._crc)
        self._size += len(piece)
        begun, self._begun = self._begun, b""
        return begun + self._deflate.compress(piece)

    def end(self) -> bytes:
        trailer = struct.pack("<LL", self._crc, self._size & 0xFFFFFFFF)
        return self._begun + self._deflate.flush() + trailer


class _Zstandard:
    def __init__(self) -> None:
        options: dict[int, int] = {
            zstd.CompressionParameter.compression_level: LEVEL,
            zstd.CompressionParameter.checksum_flag: 1,
        }
        self._compress = zstd.ZstdCompressor(options=options)

    def feed(self, piece: bytes) -> bytes:
        return self._compress.compress(piece)

    def end(self) -> bytes:
        return self._compress.flush()


class _Sink:
    """What a zip is written into: a stream that cannot go back."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


class _Zip:
    def __init__(self, member: str, at: datetime, *, is_big: bool) -> None:
        self._sink = _Sink()
        self._archive = zipfile.ZipFile(self._sink, "w")  # type: ignore[call-overload]  # a stream needs no more
        entry = zipfile.ZipInfo(member, at.timetuple()[:6])
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.create_system = 3  # else it would tell which system we run on
        entry.external_attr = 0o644 << 16
        entry._compresslevel = GZIP_LEVEL  # type: ignore[attr-defined]  # noqa: SLF001 -- public from 3.13 on only
        self._file = self._archive.open(entry, "w", force_zip64=is_big)

    def feed(self, piece: bytes) -> bytes:
        self._file.write(piece)
        return self._sink.take()

    def end(self) -> bytes:
        self._file.close()
        self._archive.close()
        return self._sink.take()
