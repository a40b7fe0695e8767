"""Zstandard: of Python itself from 3.14 on, of its backport before."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["LEVEL", "pack", "unpack", "zstd"]

LEVEL = 3


def pack(piece: bytes) -> bytes:
    """Write one frame that stands for itself."""
    return zstd.compress(piece, LEVEL)


def unpack(frame: bytes) -> bytes:
    """Read a frame of `pack`."""
    return zstd.decompress(frame)
