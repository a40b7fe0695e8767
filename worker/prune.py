"""Retention: old partitions of attempts are dropped, old finished deliveries and events deleted bit by bit.

What only says who was here is forgotten after a day.

Never pruned: open deliveries and their events.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import sqlalchemy as sa

from models import partitions

log = logging.getLogger(__name__)

KEEP_FINISHED = timedelta(days=400)
MOST = 5_000
EVERY = timedelta(hours=1)

# Batch by batch in the order of ids, which is that of age: no index is kept for this alone. What must stay is stepped
# over, or a heap of open rows at the start would keep all behind it for ever.
PRUNE_DELIVERIES = sa.text(
    f"""/* prune: finished deliveries */
    WITH batch AS (SELECT id, created_at, finished_at FROM deliveries WHERE id > :after ORDER BY id LIMIT {MOST}),
        gone AS (DELETE FROM deliveries WHERE id IN (SELECT id FROM batch WHERE finished_at < :before) RETURNING id)
    SELECT max(id) AS last, coalesce(max(created_at) >= :before, true) AS is_end, (SELECT count(*) FROM gone) AS gone
    FROM batch"""  # noqa: S608 -- a constant of ours
)

PRUNE_EVENTS = sa.text(
    f"""/* prune: events that no delivery needs */
    WITH batch AS (SELECT id, accepted_at, routed_at FROM events WHERE id > :after ORDER BY id LIMIT {MOST}),
        gone AS (DELETE FROM events WHERE id IN (SELECT id FROM batch WHERE accepted_at < :before
            AND routed_at IS NOT NULL AND NOT EXISTS (SELECT FROM deliveries d WHERE d.event_id = batch.id))
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
    for name in partitions.drop_old(engine, now.date()):
        log.info("attempts.dropped", extra={"partition": name})
    for name, statement in (("deliveries", PRUNE_DELIVERIES), ("events", PRUNE_EVENTS)):
        deleted = _prune(engine, statement, before=now - KEEP_FINISHED)
        if deleted:
            log.info("rows.pruned", extra={"table": name, "rows": deleted})


def _prune(engine: sa.Engine, statement: sa.TextClause, *, before: datetime) -> int:
    """Step through a table from its oldest row to the first batch that reaches into the time that is kept."""
    after, deleted, is_end = 0, 0, False
    while not is_end:
        with engine.begin() as connection:
            row = connection.execute(statement, {"after": after, "before": before}).one()
        after, is_end = row.last or 0, row.is_end
        deleted += row.gone
    return deleted
