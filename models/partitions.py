"""The daily partitions of the attempts: made before they are needed, dropped when they are old enough."""

from __future__ import annotations

import logging
from datetime import date, timedelta

import sqlalchemy as sa
from psycopg.errors import LockNotAvailable

log = logging.getLogger(__name__)

PREFIX = "attempts_"
KEEP_DAYS = 90
LOCK_MILLISECONDS = 100

DAYS = sa.text(
    """SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'attempts'::regclass AND c.relname ~ '^attempts_[0-9]{8}$'"""
)


def make(engine: sa.Engine, today: date) -> None:
    """Make today's and tomorrow's partitions where they are missing."""
    with engine.begin() as connection:
        known = set(connection.scalars(DAYS))
        for day in (today, today + timedelta(days=1)):
            if _name(day) not in known:
                _make(connection, day)


def drop_old(engine: sa.Engine, today: date, *, keep_days: int = KEEP_DAYS) -> list[str]:
    """Drop the partitions of more than `keep_days` ago: no row is deleted one by one. Returns their names.

    What somebody reads for long is left for the next time: behind a drop that waits, all who record an attempt would wait.
    """
    oldest = _name(today - timedelta(days=keep_days))
    with engine.connect() as connection:
        old = sorted(name for name in connection.scalars(DAYS) if name < oldest)
    return [name for name in old if _drop(engine, name)]


def _drop(engine: sa.Engine, name: str) -> bool:
    try:
        with engine.begin() as connection:
            connection.execute(sa.text(f"SET LOCAL lock_timeout = '{LOCK_MILLISECONDS}ms'"))
            connection.execute(sa.text(f"DROP TABLE IF EXISTS {name}"))
    except sa.exc.OperationalError as error:
        if not isinstance(error.orig, LockNotAvailable):
            raise
        log.info("attempts.read", extra={"partition": name})
        return False
    return True


def _name(day: date) -> str:
    return f"{PREFIX}{day:%Y%m%d}"


def _make(connection: sa.Connection, day: date) -> None:
    """Make one day. Attempts of that day may have gone to the default partition already: they move along."""
    name, end = _name(day), day + timedelta(days=1)
    # Two processes may come at once; the second one finds it made.
    connection.execute(sa.text("SELECT pg_advisory_xact_lock(5714013)"))
    if connection.scalar(sa.text("SELECT to_regclass(:name)"), {"name": name}) is not None:
        return
    # A writer that had found its partition already would hit the wrong one: all wait here, a moment, once a day.
    connection.execute(sa.text("LOCK TABLE ONLY attempts IN SHARE ROW EXCLUSIVE MODE"))
    connection.execute(sa.text(f"CREATE TABLE {name} (LIKE attempts INCLUDING ALL)"))
    moved = "WHERE started_at >= :since AND started_at < :until"
    values = {"since": f"{day}T00:00Z", "until": f"{end}T00:00Z"}
    if connection.scalar(sa.text(f"SELECT EXISTS (SELECT FROM attempts_default {moved})"), values):  # noqa: S608
        connection.execute(
            sa.text(
                f"WITH gone AS (DELETE FROM attempts_default {moved} RETURNING *)"  # noqa: S608
                f" INSERT INTO {name} SELECT * FROM gone"
            ),
            values,
        )
    connection.execute(
        sa.text(
            f"ALTER TABLE attempts ATTACH PARTITION {name}"
            f" FOR VALUES FROM ('{values['since']}') TO ('{values['until']}')"
        )
    )
