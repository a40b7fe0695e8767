"""The ledger of files: a row for each event owed to a route of a file profile. That it stands once is its key's doing.

A run takes the rows that no run has taken, however late they were committed: there is no window of time.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from models.profile import Profile, Route
from models.rules.customer_types import CustomerType, parse, route_types

FILE_KINDS = ("csv", "ftp")
"""The export types that make files."""

MOST_COUNTED = 100_000
"""Counting stops there: a page says "100,000 or more"."""

OWED = """INSERT INTO file_items (route_id, event_id, ready_at, skipped)
    SELECT m.route_id, m.event_id, m.accepted_at + make_interval(mins => m.delay_minutes),
        CASE WHEN m.test_card THEN 'test card' END
    FROM matched AS m WHERE m.export_type IN ('csv', 'ftp')
    ORDER BY m.event_id, m.route_id
    ON CONFLICT (event_id, route_id) DO NOTHING"""
"""The ledger's part of the fan-out, over its rows `matched` (models.routing)."""

# What is ready by the old delay and by the new one stays: of a million waiting rows, few are younger than a delay.
RETIME = sa.text(
    """/* ledger: a new delay holds for what waits */
    UPDATE file_items f SET ready_at = e.accepted_at + make_interval(mins => p.delay_minutes)
    FROM events e, routes r, profiles p
    WHERE p.id = :profile_id AND r.profile_id = p.id AND f.route_id = r.id AND e.id = f.event_id
      AND f.run_id IS NULL AND f.skipped IS NULL
      AND greatest(f.ready_at, e.accepted_at + make_interval(mins => p.delay_minutes)) > now()"""
)

WAITING = sa.text(
    f"""/* ledger: how many rows wait, by route */
    SELECT r.id, (SELECT count(*) FROM (SELECT FROM file_items f WHERE f.route_id = r.id AND f.run_id IS NULL
        AND f.skipped IS NULL LIMIT {MOST_COUNTED}) AS counted) AS rows
    FROM routes r WHERE r.profile_id = :profile_id ORDER BY r.id"""  # noqa: S608 -- a constant of ours
)

# By the time of the event, as the back-fill takes them (models.backfill).
LAST_DAY = sa.text(
    f"""/* ledger: what a new route would take of the 24 hours before */
    SELECT count(*) FROM (SELECT FROM events e WHERE e.occurred_at >= :since AND e.routed_at IS NOT NULL
        AND NOT e.history_only AND e.refusal IS NULL AND NOT e.test_card AND e.customer_type = ANY(:customer_types)
        AND (CAST(:campaign AS text) IS NULL OR e.campaign_id = :campaign)
        AND (CAST(:product AS text) IS NULL OR :product = ANY(e.product_ids)) LIMIT {MOST_COUNTED}) AS counted"""  # noqa: S608 -- a constant of ours
)

CLOSE = sa.text(
    """/* ledger: nothing waits for a deleted profile */
    UPDATE file_items f SET skipped = 'profile deleted' FROM routes r
    WHERE r.profile_id = :profile_id AND f.route_id = r.id AND f.run_id IS NULL AND f.skipped IS NULL"""
)


def retime(session: Session, profile: Profile) -> None:
    """Say anew when waiting rows are ready, after the profile's delay changed."""
    session.flush()  # the statement reads the new delay from the row
    session.execute(RETIME, {"profile_id": profile.id})


def waiting(session: Session, profile: Profile) -> dict[int, int]:
    """Count the rows that no run has taken, by the id of their route; at most MOST_COUNTED of each."""
    return {row.id: row.rows for row in session.execute(WAITING, {"profile_id": profile.id})}


def last_day(session: Session, route: Route, *, since: datetime) -> int:
    """Count the events since then that a route would take when it is switched on; at most MOST_COUNTED.

    The route need not be stored.
    """
    values: dict[str, Any] = {
        "since": since,
        "customer_types": _taken_by(parse(route.customer_type)),
        "campaign": route.campaign_id,
        "product": route.product_id,
    }
    return int(session.scalar(LAST_DAY, values) or 0)


def close(session: Session, profile: Profile) -> None:
    """Have nothing wait for a deleted profile any more."""
    session.execute(CLOSE, {"profile_id": profile.id})


def _taken_by(kind: CustomerType) -> list[str]:
    return [event_type.value for event_type in CustomerType if kind in route_types(event_type)]
