"""The bytes of files: pieces in Postgres, written once and read as a stream.

A dyno's disk is gone tomorrow, and the web process never sees the worker's; here the bytes and the run's state are
committed together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import sqlalchemy as sa

from models.compressed import pack, unpack
from models.run import RunState

PIECE = 1 << 20
"""Bytes of the delivered file in each chunk but the last."""

_INSERT = "/* files: one piece of a file */ INSERT INTO run_chunks (run_id, n, data) VALUES (%s, %s, %b)"
_READ = "/* files: read one piece */ SELECT data FROM run_chunks WHERE run_id = %s AND n = %s"
_RUN = sa.text("SELECT state, bytes, stored_packed, bytes_gone_at FROM runs WHERE id = :run_id")


class NoBytes(Exception):
    """There is nothing to read: the run is not written, or its bytes are gone."""


def add(connection: sa.Connection, run_id: int, number: int, piece: bytes, *, is_packed: bool) -> None:
    """Store one piece, numbered from 0. is_packed: the file itself is compressed, so it is stored as it is."""
    driver = cast("Any", connection.connection.driver_connection)
    driver.execute(_INSERT, (run_id, number, piece if is_packed else pack(piece)))


def stream(engine: sa.Engine, run_id: int) -> Iterator[bytes]:
    """Read a file from its start, a piece at a time; between two pieces no connection is held.

    The first piece is asked for at once, so NoBytes comes before anything is sent.
    """
    with engine.connect() as connection:
        run = connection.execute(_RUN, {"run_id": run_id}).one_or_none()
    if run is None or run.state != RunState.WRITTEN:
        raise NoBytes("The file is not written yet.")
    if run.bytes_gone_at is not None:
        raise NoBytes("The bytes of this file were kept for its time and are gone.")
    first = _read(engine, run_id, 0, is_packed=run.stored_packed) if run.bytes else b""
    return _pieces(engine, run_id, first, run.bytes, is_packed=run.stored_packed)


def _pieces(engine: sa.Engine, run_id: int, first: bytes, size: int, *, is_packed: bool) -> Iterator[bytes]:
    piece, read, number = first, 0, 0
    while piece:
        yield piece
        read, number = read + len(piece), number + 1
        piece = _read(engine, run_id, number, is_packed=is_packed) if read < size else b""


def _read(engine: sa.Engine, run_id: int, number: int, *, is_packed: bool) -> bytes:
    with engine.connect() as connection:
        driver = cast("Any", connection.connection.driver_connection)
        row = driver.execute(_READ, (run_id, number), binary=True).fetchone()
    if row is None:
        raise NoBytes("The bytes of this file went while it was read.")
    return bytes(row[0]) if is_packed else unpack(row[0])
