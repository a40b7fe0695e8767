"""The 24 hours before a profile or route was switched on, taken in batches and without the routing lock."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from models.job import Job
from models.routing import BACK_FILL

BATCH = 1_000

# Along ix_events_occurred_at: by id alone it would read all the events there ever were.
EVENTS_SINCE = sa.text(
    f"""/* back-fill: the next events */
    SELECT id, occurred_at FROM events WHERE (occurred_at, id) > (:since, :after) AND routed_at IS NOT NULL
    ORDER BY occurred_at, id LIMIT {BATCH}"""  # noqa: S608 -- a constant of ours
)


def run_batch(session: Session, job: Job) -> bool:
    """Route the next BATCH events to the job's profile. Returns whether there may be more.

    Every event accepted before the switch is there already: the switch waited for the intake's transactions. What
    comes later is routed as it comes, and may be passed over here.
    """
    since = datetime.fromisoformat(job.arguments["since"])
    events = session.execute(EVENTS_SINCE, {"since": since, "after": job.after_id}).all()
    if events:
        ids = [event.id for event in events]
        made = session.execute(BACK_FILL, {"event_ids": ids, "profile_id": job.arguments["profile_id"]}).one()
        job.done += made.made
        job.after_id = ids[-1]
        job.arguments = job.arguments | {"since": events[-1].occurred_at.isoformat()}
    return len(events) == BATCH
