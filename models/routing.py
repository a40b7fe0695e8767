"""Which profiles an event is owed to: one join of events with routes, for every way an event can come in.

A postback profile is owed it once (a delivery); a file profile once by each route that takes it (models.ledger).

No event may fall between a route that is switched on and events arriving: whoever routes holds the routing lock
shared before it reads the routes, whoever switches holds it alone. The 24 hours before are made up by a back-fill,
without the lock; the unique key of the deliveries and of the ledger absorbs the overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from models.job import Job
from models.ledger import FILE_KINDS, OWED
from models.ledger import retime as retime_ledger
from models.profile import Gate, Profile
from models.rules.calendar import due_sql
from models.rules.customer_types import CustomerType, route_types

ROUTING_LOCK = 5_714_011
BACKFILL_REACH = timedelta(hours=24)

_PAIRS = ", ".join(f"('{kind.value}', '{taken.value}')" for kind in CustomerType for taken in route_types(kind))

# Whatever making a row needs is read once, for deliveries and ledger alike.
_MATCHES = f"""
    SELECT e.id AS event_id, e.accepted_at, e.test_card, r.id AS route_id, p.id AS profile_id, p.export_type,
        p.interval_minutes, p.delay_minutes
    FROM events e
    JOIN (VALUES {_PAIRS}) AS pair (event_type, route_type) ON pair.event_type = e.customer_type
    CROSS JOIN LATERAL (SELECT '' UNION SELECT e.campaign_id WHERE e.campaign_id IS NOT NULL) AS c (campaign)
    CROSS JOIN LATERAL (SELECT '' UNION SELECT unnest(e.product_ids)) AS i (product)
    JOIN routes r ON r.enabled AND r.customer_type = pair.route_type
        AND coalesce(r.campaign_id, '') = c.campaign AND coalesce(r.product_id, '') = i.product
    JOIN profiles p ON p.id = r.profile_id AND p.enabled AND p.deleted_at IS NULL
    WHERE e.id = ANY(:event_ids) AND NOT e.history_only AND e.refusal IS NULL
"""  # noqa: S608 -- built from our own constants only

_DELIVERIES = f"""INSERT INTO deliveries (event_id, profile_id, state, reason, due_at, finished_at)
    SELECT DISTINCT ON (m.event_id, m.profile_id) m.event_id, m.profile_id,
        CASE WHEN m.test_card THEN 'skipped' ELSE 'pending' END,
        CASE WHEN m.test_card THEN 'test card' END,
        {due_sql(accepted="m.accepted_at", profile="m")},
        CASE WHEN m.test_card THEN now() END
    FROM matched AS m WHERE m.export_type = 'postback'
    ORDER BY m.event_id, m.profile_id
    ON CONFLICT (event_id, profile_id) DO NOTHING"""  # noqa: S608 -- built from our own constants only

_FAN_OUT = f"""WITH matched AS MATERIALIZED ({_MATCHES} %(which)s),
    made AS ({_DELIVERIES} RETURNING due_at, state),
    owed AS ({OWED} RETURNING skipped)
    SELECT (SELECT count(*) FROM made) + (SELECT count(*) FROM owed) AS made,
        coalesce((SELECT bool_or(due_at <= now() AND state = 'pending') FROM made), false) AS due"""  # noqa: S608 -- built from our own constants only

FAN_OUT = sa.text("/* fan-out: what these events are owed to */ " + _FAN_OUT % {"which": ""})

BACK_FILL = sa.text(
    "/* back-fill: what one profile is owed of these events */ "
    + _FAN_OUT % {"which": "AND r.profile_id = :profile_id"}
)

RETIME = sa.text(
    f"""/* re-time: new settings hold for what was never tried */
    UPDATE deliveries d SET due_at = {due_sql(accepted="e.accepted_at", profile="p")}
    FROM events e, profiles p
    WHERE d.profile_id = :profile_id AND d.state = 'pending' AND NOT d.retried AND d.tries = 0
      AND e.id = d.event_id AND p.id = d.profile_id"""  # noqa: S608 -- built from our own constants only
)


def lock_routing(connection: sa.Connection | Session, *, exclusive: bool = False) -> None:
    """Hold the routing lock to the end of the transaction: shared to route, exclusive to switch."""
    lock = sa.func.pg_advisory_xact_lock if exclusive else sa.func.pg_advisory_xact_lock_shared
    connection.execute(sa.select(lock(ROUTING_LOCK)))


def fan_out(connection: sa.Connection | Session, event_ids: Sequence[int]) -> tuple[int, bool]:
    """Make the deliveries and ledger rows of these events. Returns how many, and whether a delivery is due at once."""
    made = connection.execute(FAN_OUT, {"event_ids": list(event_ids)}).one()
    return made.made, made.due


def backfill_later(session: Session, profile_id: int, now: datetime) -> Job:
    """Write down that a profile takes the events of the 24 hours before `now`, by occurredAt; the tick does it."""
    arguments: dict[str, Any] = {"profile_id": profile_id, "since": (now - BACKFILL_REACH).isoformat()}
    job = Job(kind="backfill", arguments=arguments)
    session.add(job)
    return job


def retime(session: Session, profile: Profile) -> None:
    """Say anew when things are due, after interval or delay changed: what was never tried, what no file has taken."""
    if profile.export_type in FILE_KINDS:
        retime_ledger(session, profile)
        return
    session.flush()  # the statement reads the new interval and delay from the row
    session.execute(RETIME, {"profile_id": profile.id})


def release_held(session: Session, profile_id: int) -> int:
    """Give every delivery that waits for a person another try, but for those somebody has put aside, and forget the receiver's fault. Returns how many."""
    session.execute(
        sa.update(Gate)
        .where(Gate.profile_id == profile_id)
        .values(
            fault=None,
            fault_message=None,
            fault_since=None,
            trips=0,
            connection_failures=0,
            window_since=None,
            window_tries=0,
            window_failures=0,
            cap=None,
            clean=0,
            opens_at=sa.func.now(),
        )
    )
    return _count(
        session,
        "UPDATE deliveries SET state = 'pending', reason = NULL, due_at = now()"
        " WHERE profile_id = :profile_id AND state = 'held' AND NOT aside",
        profile_id=profile_id,
    )


def run_now(session: Session, profile_id: int) -> int:
    """Make everything that waits for its time due now. Returns how many deliveries are due."""
    _count(
        session,
        "UPDATE deliveries SET due_at = now() WHERE profile_id = :profile_id AND state = 'pending' AND due_at > now()",
        profile_id=profile_id,
    )
    return int(
        session.scalar(
            sa.text("SELECT count(*) FROM deliveries WHERE profile_id = :profile_id AND state = 'pending'"),
            {"profile_id": profile_id},
        )
        or 0
    )


def _count(session: Session, statement: str, **values: object) -> int:
    result = session.connection().execute(sa.text(statement), values)
    return int(result.rowcount)
