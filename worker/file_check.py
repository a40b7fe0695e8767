"""Once a day the books are compared: ledger rows taken = orders in files, and the last slot of each schedule has its runs.

Neither should ever differ. If one does, somebody must look, so it is one line that alerts.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import sqlalchemy as sa

from models import run_plans

log = logging.getLogger(__name__)

EVERY = timedelta(hours=24)
LOOKS_BACK = timedelta(hours=48)
MOST_TOLD = 20

TAKE_TURN = sa.text(
    """/* file check: once a day, by whoever comes first */
    INSERT INTO heartbeats (name, at) VALUES ('file check', :now)
    ON CONFLICT (name) DO UPDATE SET at = excluded.at WHERE heartbeats.at < :due RETURNING name"""
)

# A file made again has no rows of its own: the ledger keeps the first.
UNEQUAL = sa.text(
    f"""/* file check: files whose orders are not the rows they took */
    SELECT w.id FROM runs w WHERE w.state IN ('written', 'empty') AND w.source_id IS NULL
      AND w.claimed_at >= :since AND w.orders <> (SELECT count(*) FROM file_items f WHERE f.run_id = w.id)
    ORDER BY w.id LIMIT {MOST_TOLD}"""  # noqa: S608 -- a constant of ours
)


def check_daily(engine: sa.Engine, now: datetime, account_time_zone: str) -> None:
    """Compare if nobody has in the last day, and say what does not fit."""
    with engine.begin() as connection:
        if connection.scalar(TAKE_TURN, {"now": now, "due": now - EVERY}) is None:
            return
    check(engine, now, account_time_zone)


def check(engine: sa.Engine, now: datetime, account_time_zone: str) -> bool:
    """Compare now. Returns whether all fits; else one line of the log tells the runs and the slots."""
    with engine.connect() as connection:
        unequal = list(connection.scalars(UNEQUAL, {"since": now - LOOKS_BACK}))
    missing = run_plans.slots_without_runs(engine, now, account_time_zone)
    if unequal or missing:
        told = {"unequal_runs": unequal, "missing_runs": missing[:MOST_TOLD], "missing": len(missing)}
        log.error("files.books_differ", extra=told)
        return False
    log.info("files.books_agree")
    return True
