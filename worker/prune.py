"""Retention: old partitions of attempts are dropped, old finished rows and events deleted bit by bit.

The bytes of a file go after its profile's retentionDays; that it was made, with its hash, stays. What only says who was
here is forgotten after a day.

Never pruned: open deliveries, ledger rows that wait or whose file has not arrived, their events, bytes still to be sent.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import sqlalchemy as sa

from models import partitions, tallies

log = logging.getLogger(__name__)

KEEP_FINISHED = timedelta(days=400)
MOST = 5_000
EVERY = timedelta(hours=1)

# Settings may have come by SQL: what is no number of days is the documented 30.
_RETENTION = """CASE WHEN pg_input_is_valid(p.settings ->> 'retentionDays', 'int')
    THEN least(greatest(CAST(p.settings ->> 'retentionDays' AS int), 1), 3650) ELSE 30 END"""

# Batch by batch in the order of ids, which is that of age: no index is kept for this alone. What must stay is stepped
# over, or a heap of open rows at the start would keep all behind it for ever.
PRUNE_DELIVERIES = sa.text(
    f"""/* prune: finished deliveries */
    WITH batch AS (SELECT id, created_at, finished_at FROM deliveries WHERE id > :after ORDER BY id LIMIT {MOST}),
        gone AS (DELETE FROM deliveries WHERE id IN (SELECT id FROM batch WHERE finished_at < :before) RETURNING id)
    SELECT max(id) AS last, coalesce(max(created_at) >= :before, true) AS is_end, (SELECT count(*) FROM gone) AS gone
    FROM batch"""  # noqa: S608 -- a constant of ours
)

_OPEN_UPLOAD = "EXISTS (SELECT FROM uploads u WHERE u.run_id = w.id AND u.state IN ('pending', 'leased', 'held'))"

PRUNE_LEDGER = sa.text(
    f"""/* prune: ledger rows that are over */
    WITH batch AS (SELECT id, created_at, run_id, skipped FROM file_items WHERE id > :after ORDER BY id LIMIT {MOST}),
        gone AS (DELETE FROM file_items WHERE id IN (SELECT b.id FROM batch b LEFT JOIN runs w ON w.id = b.run_id
            WHERE b.created_at < :before AND (b.skipped IS NOT NULL OR (w.state IN ('written', 'empty', 'cancelled')
                AND coalesce(w.written_at, w.created_at) < :before AND NOT {_OPEN_UPLOAD})))
            RETURNING id)
    SELECT max(id) AS last, coalesce(max(created_at) >= :before, true) AS is_end, (SELECT count(*) FROM gone) AS gone
    FROM batch"""  # noqa: S608 -- constants of ours
)

# A run at a time: its bytes may be gigabytes. Locked, so that nobody begins to send what goes at this moment.
OLD_BYTES = sa.text(
    f"""/* prune: a file whose bytes are no longer kept */
    SELECT w.id FROM runs w JOIN profiles p ON p.id = w.profile_id
    WHERE w.written_at < :now - make_interval(days => {_RETENTION}) AND w.bytes_gone_at IS NULL AND NOT {_OPEN_UPLOAD}
    ORDER BY w.id LIMIT 1 FOR NO KEY UPDATE OF w SKIP LOCKED"""  # noqa: S608 -- constants of ours
)
BYTES_GO = sa.text("/* prune: say so first */ UPDATE runs SET bytes_gone_at = :now WHERE id = :id")
DELETE_BYTES = sa.text("/* prune: bytes */ DELETE FROM run_chunks WHERE run_id = :id")

PRUNE_EVENTS = sa.text(
    f"""/* prune: events that no delivery needs */
    WITH batch AS (SELECT id, accepted_at, routed_at FROM events WHERE id > :after ORDER BY id LIMIT {MOST}),
        gone AS (DELETE FROM events WHERE id IN (SELECT id FROM batch WHERE accepted_at < :before
            AND routed_at IS NOT NULL AND NOT EXISTS (SELECT FROM deliveries d WHERE d.event_id = batch.id)
            AND NOT EXISTS (SELECT FROM file_items f WHERE f.event_id = batch.id))
            RETURNING id)
    SELECT max(id) AS last, coalesce(max(accepted_at) >= :before, true) AS is_end, (SELECT count(*) FROM gone) AS gone
    FROM batch"""  # noqa: S608 -- a constant of ours
)

# Each start of a worker has a name of its own; a browser's sign-in ends twelve hours after it began.
PRUNE_SIGNS_OF_LIFE = sa.text("/* prune: processes that are gone */ DELETE FROM heartbeats WHERE at < :before")
PRUNE_SIGN_INS = sa.text("/* prune: sign-ins that are over */ DELETE FROM sign_ins WHERE created_at < :before")
KEEP_SIGNS = timedelta(days=1)

TAKE_TURN = sa.text(
    """/* prune: once an hour, by whoever comes first */
    INSERT INTO heartbeats (name, at) VALUES ('prune', :now)
    ON CONFLICT (name) DO UPDATE SET at = excluded.at WHERE heartbeats.at < :due RETURNING name"""
)


def prune_hourly(engine: sa.Engine, now: datetime) -> None:
    """Prune if nobody has in the last hour."""
    with engine.begin() as connection:
        if connection.scalar(TAKE_TURN, {"now": now, "due": now - EVERY}) is None:
            return
        connection.execute(PRUNE_SIGNS_OF_LIFE, {"before": now - KEEP_SIGNS})
        connection.execute(PRUNE_SIGN_INS, {"before": now - KEEP_SIGNS})
        connection.execute(tallies.PRUNE, {"before": (now - KEEP_FINISHED).date()})
    for name in partitions.drop_old(engine, now.date()):
        log.info("attempts.dropped", extra={"partition": name})
    _forget_bytes(engine, now)
    for name, statement in (("deliveries", PRUNE_DELIVERIES), ("file_items", PRUNE_LEDGER), ("events", PRUNE_EVENTS)):
        deleted = _prune(engine, statement, before=now - KEEP_FINISHED)
        if deleted:
            log.info("rows.pruned", extra={"table": name, "rows": deleted})


def _forget_bytes(engine: sa.Engine, now: datetime) -> None:
    runs = 0
    while _forget_one(engine, now):
        runs += 1
    if runs:
        log.info("bytes.pruned", extra={"runs": runs})


def _forget_one(engine: sa.Engine, now: datetime) -> bool:
    with engine.begin() as connection:
        run = connection.scalar(OLD_BYTES, {"now": now})
        if run is None:
            return False
        connection.execute(BYTES_GO, {"now": now, "id": run})
        connection.execute(DELETE_BYTES, {"id": run})
    return True


def _prune(engine: sa.Engine, statement: sa.TextClause, *, before: datetime) -> int:
    """Step through a table from its oldest row to the first batch that reaches into the time that is kept."""
    after, deleted, is_end = 0, 0, False
    while not is_end:
        with engine.begin() as connection:
            row = connection.execute(statement, {"after": after, "before": before}).one()
        after, is_end = row.last or 0, row.is_end
        deleted += row.gone
    return deleted
