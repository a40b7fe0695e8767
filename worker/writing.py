"""Write a run's file: COPY through one connection, pieces into the database through another, counted in the same pass.

The file is made from the run's rows and its snapshot alone, so a write that dies is begun anew with the same rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from models import chunks, snapshots
from models.event import Event
from models.run import FileItem, Run
from models.snapshots import RunLike
from worker.encoding import Unwritable as Unwritable
from worker.file_plan import FilePlan, copied

_DENSE = 20
"""So many events of the range of a run's, to one of its own, are read in one go rather than looked up one by one."""

# A file may take hours; the lease is what ends a writer that hangs. Never parallel: postbacks want the other cores.
_LIMITS = "SET LOCAL statement_timeout = 0", "SET LOCAL idle_in_transaction_session_timeout = 0"
_READER = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    *_LIMITS,
    "SET LOCAL max_parallel_workers_per_gather = 0",
    "SET LOCAL jit = off",
)
# What a claim has just taken is not in the statistics: Postgres would expect one row and look each event up by itself.
_MERGE = "SET LOCAL enable_nestloop = off", "SET LOCAL enable_hashjoin = off"


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: rows are lines of data, orders rows of the ledger, bytes and sha256 of the delivered file.

    file_name is the name as if it was never used before. stored_packed: the chunks are the file's own packing.
    """

    file_name: str
    rows: int
    orders: int
    bytes: int
    sha256: str
    replaced: int
    chunks: int
    stored_packed: bool


@dataclass(frozen=True, slots=True)
class _Expected:
    orders: int
    rows: int
    first: int
    last: int


def write(
    reader: sa.Connection, writer: sa.Connection, run: RunLike, plan: FilePlan, *, alive: Callable[[], None]
) -> Written:
    """Write the file of a claimed run; the caller commits `writer`, whose transaction is open.

    reader must have nothing to commit. alive is called before each piece is stored and may raise. Raises Unwritable:
    the file cannot be made from these rows with these settings.
    """
    if run.snapshot is None:
        raise Unwritable("The run was never claimed.")
    for statement in _LIMITS:
        writer.execute(sa.text(statement))
    reader.rollback()
    for statement in _READER:
        reader.execute(sa.text(statement))
    try:
        return _write(reader, writer, run, plan, alive)
    finally:
        reader.rollback()


def _write(
    reader: sa.Connection, writer: sa.Connection, run: RunLike, plan: FilePlan, alive: Callable[[], None]
) -> Written:
    taken_by = run.source_id or run.id
    expected = _expect(reader, taken_by, plan)
    parts = sa.select(sa.func.count()).select_from(Run).where(Run.route_id == run.route_id, Run.slot == run.slot)
    is_parted = (reader.scalar(parts) or 1) > 1
    facts = snapshots.name_facts(run.snapshot or {}, run, rows=expected.rows, seq=snapshots.sequence(reader, run))
    if expected.last - expected.first < expected.orders * _DENSE:
        for statement in _MERGE:
            reader.execute(sa.text(statement))
    encoder, digest, size, count = plan.encoder(), hashlib.sha256(), 0, 0
    with copied(reader, plan.copy_sql(taken_by)) as lines:
        for count, piece in enumerate(_even(plan.pieces(encoder, lines, facts, is_parted=is_parted)), start=1):
            alive()
            digest.update(piece)
            size += len(piece)
            chunks.add(writer, run.id, count - 1, piece, is_packed=plan.is_packed)
    if encoder.rows != expected.rows:
        raise Unwritable(f"{expected.rows} rows were taken, but {encoder.rows} came out.")
    return Written(
        file_name=plan.file_name(facts, is_parted=is_parted),
        rows=encoder.rows,
        orders=expected.orders,
        bytes=size,
        sha256=digest.hexdigest(),
        replaced=encoder.replaced,
        chunks=count,
        stored_packed=plan.is_packed,
    )


def _expect(reader: sa.Connection, taken_by: int, plan: FilePlan) -> _Expected:
    """Count what the ledger says that the file must hold."""
    ledger = sa.select(
        sa.func.count(),
        sa.func.coalesce(sa.func.min(FileItem.event_id), 0),
        sa.func.coalesce(sa.func.max(FileItem.event_id), 0),
    ).where(FileItem.run_id == taken_by)
    orders, first, last = reader.execute(ledger).one()
    rows = orders
    if not plan.makes_a_line_each:
        lines = sa.select(sa.func.sum(plan.line_count(Event.__table__.c.order_snapshot)))
        taken = (
            lines.select_from(FileItem).join(Event, Event.id == FileItem.event_id).where(FileItem.run_id == taken_by)
        )
        rows = reader.scalar(taken) or 0
    return _Expected(orders, rows, first, last)


def _even(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Cut pieces of any size into those that are stored."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        while size >= chunks.PIECE:
            whole = b"".join(held)
            yield whole[: chunks.PIECE]
            held, size = [whole[chunks.PIECE :]], size - chunks.PIECE
    if size:
        yield b"".join(held)
