"""Retention: old partitions of attempts are dropped, old finished deliveries and events deleted bit by bit.

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

# The oldest ids first, by the primary key: no index is kept for this alone.
PRUNE_DELIVERIES = sa.text(
    f"""/* prune: finished deliveries */
    DELETE FROM deliveries WHERE id IN (SELECT id FROM (SELECT id, finished_at FROM deliveries ORDER BY id LIMIT {MOST})
        AS oldest WHERE finished_at < :before)"""  # noqa: S608 -- a constant of ours
)

PRUNE_EVENTS = sa.text(
    f"""/* prune: events that no delivery needs */
    DELETE FROM events e WHERE e.id IN (SELECT id FROM events WHERE occurred_at < :before AND accepted_at < :before
        ORDER BY occurred_at, id LIMIT {MOST})
      AND NOT EXISTS (SELECT FROM deliveries d WHERE d.event_id = e.id)"""  # noqa: S608 -- a constant of ours
)

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
    for name in partitions.drop_old(engine, now.date()):
        log.info("attempts.dropped", extra={"partition": name})
    for statement in (PRUNE_DELIVERIES, PRUNE_EVENTS):
        deleted = MOST
        while deleted == MOST:
            with engine.begin() as connection:
                deleted = connection.execute(statement, {"before": now - KEEP_FINISHED}).rowcount
