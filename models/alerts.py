"""Alerts: a profile whose exports have waited, or whose receiver has failed, for 1, 6 and 24 hours.

One row for each such profile, kept until it is over, so that every step is told once, by whichever worker sees it
first, also after a restart of all of them. A profile that is paused, switched off or deleted has no alert: somebody
wanted it so.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base

STEPS = (24, 6, 1)
"""Hours, the worst first."""

EVERY = timedelta(seconds=30)


class Alert(Base):
    """One profile in trouble.

    since: when what waits longest became due, or its receiver began to fail. hours: the step that was told last; it
    only rises until the alert is cleared.
    """

    __tablename__ = "alerts"
    __table_args__ = (sa.CheckConstraint("hours IN (1, 6, 24)", name="hours_known"),)
    profile_id: Mapped[int] = mapped_column(sa.ForeignKey("profiles.id", ondelete="CASCADE"), primary_key=True)
    since: Mapped[datetime]
    hours: Mapped[int] = mapped_column(sa.SmallInteger)
    raised_at: Mapped[datetime]


# In the transaction of the look itself: of two at once the second waits here, and then finds it done.
TAKE_TURN = sa.text(
    """/* alerts: twice a minute, by whoever comes first */
    INSERT INTO heartbeats (name, at) VALUES ('alerts', :now)
    ON CONFLICT (name) DO UPDATE SET at = excluded.at WHERE heartbeats.at <= :due RETURNING name"""
)

_ROW = """d.id, d.state, d.retried, d.due_at, d.created_at, d.tries, d.failures, d.losses
    FROM deliveries d WHERE d.profile_id = p.id"""

# Each part is the front of an index, and what is under way at this moment: a probe must not look like an end. Of retried
# rows the one that was made first, not the one that is due next: that may be a young one while another has failed for a
# day. After a replay its wait begins with the first try that failed since.
MOVE = sa.text(
    f"""/* alerts: raise, and clear what is over */
    WITH troubled AS (
        SELECT p.id, g.fault, least(waits.since, u.since, w.since, g.fault_since) AS since
        FROM profiles p JOIN gates g ON g.profile_id = p.id CROSS JOIN LATERAL (
            SELECT min(CASE WHEN NOT d.retried THEN d.due_at
                WHEN d.tries - CASE d.state WHEN 'leased' THEN 1 ELSE 0 END > d.failures + d.losses
                THEN coalesce((SELECT min(a.started_at) FROM attempts a WHERE a.delivery_id = d.id
                    AND a.number > d.tries - d.failures - d.losses - CASE d.state WHEN 'leased' THEN 1 ELSE 0 END), d.due_at)
                ELSE d.created_at + make_interval(mins => p.interval_minutes + p.delay_minutes) END) AS since
            FROM ((SELECT {_ROW} AND d.state = 'pending' AND NOT d.retried ORDER BY d.due_at LIMIT 1)
                UNION ALL (SELECT {_ROW} AND d.state = 'pending' AND d.retried ORDER BY d.id LIMIT 1)
                UNION ALL (SELECT {_ROW} AND d.state = 'leased')) AS d) AS waits
        LEFT JOIN (SELECT profile_id, min(created_at) AS since FROM uploads
            WHERE state IN ('pending', 'leased', 'held') GROUP BY profile_id) AS u ON u.profile_id = p.id
        LEFT JOIN (SELECT profile_id, min(created_at) AS since FROM runs
            WHERE state IN ('planned', 'held') OR (state = 'claimed' AND tries > 1) GROUP BY profile_id) AS w
            ON w.profile_id = p.id
        WHERE p.enabled AND NOT p.paused AND p.deleted_at IS NULL),
    steps AS (
        SELECT id, since, fault, CASE {" ".join(f"WHEN since <= :now - interval '{step} hours' THEN {step}" for step in STEPS)} END AS hours
        FROM troubled WHERE since <= :now - interval '{STEPS[-1]} hours'),
    raised AS (
        INSERT INTO alerts AS a (profile_id, since, hours, raised_at) SELECT id, since, hours, :now FROM steps ORDER BY id
        ON CONFLICT (profile_id) DO UPDATE SET hours = excluded.hours, raised_at = excluded.raised_at
            WHERE a.hours < excluded.hours
        RETURNING a.profile_id, a.hours, a.since),
    cleared AS (
        DELETE FROM alerts a WHERE NOT EXISTS (SELECT FROM steps s WHERE s.id = a.profile_id)
        RETURNING a.profile_id, a.hours, a.since)
    SELECT true AS is_raised, r.profile_id, r.hours, r.since, s.fault AS because
    FROM raised r JOIN steps s ON s.id = r.profile_id
    UNION ALL SELECT false, c.profile_id, c.hours, c.since,
        CASE WHEN p.deleted_at IS NOT NULL THEN 'deleted' WHEN NOT p.enabled THEN 'disabled' WHEN p.paused THEN 'paused'
            ELSE 'healed' END
    FROM cleared c JOIN profiles p ON p.id = c.profile_id
    ORDER BY profile_id"""  # noqa: S608 -- constants of ours
)


def move(engine: sa.Engine, now: datetime) -> list[sa.Row[tuple[bool, int, int, datetime, str | None]]]:
    """Raise and clear alerts, if nobody has in the last half minute: is_raised, profile_id, hours, since, because."""
    with engine.begin() as connection:
        if connection.scalar(TAKE_TURN, {"now": now, "due": now - EVERY}) is None:
            return []
        return list(connection.execute(MOVE, {"now": now}))
