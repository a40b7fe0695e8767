"""The 24 hours before a profile or route was switched on, taken in batches and without the routing lock."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from models.job import Job
from models.routing import BACK_FILL

BATCH = 1_000

EVENTS_SINCE = sa.text(
    f"""/* back-fill: the next events */
    SELECT id FROM events WHERE occurred_at >= :since AND id > :after AND routed_at IS NOT NULL
    ORDER BY id LIMIT {BATCH}"""  # noqa: S608 -- a constant of ours
)


def run_batch(session: Session, job: Job) -> bool:
    """Route the next BATCH events to the job's profile. Returns whether there may be more.

    Every event accepted before the switch is there already: the switch waited for the intake's transactions.
    """
    since = datetime.fromisoformat(job.arguments["since"])
    ids = session.scalars(EVENTS_SINCE, {"since": since, "after": job.after_id}).all()
    if ids:
        made = session.execute(BACK_FILL, {"event_ids": list(ids), "profile_id": job.arguments["profile_id"]}).one()
        job.done += made.made
        job.after_id = ids[-1]
    return len(ids) == BATCH
