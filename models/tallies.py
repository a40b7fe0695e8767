"""What was delivered and what failed, day by day: counted as it is recorded, because no page can count millions.

A day is one of the account's zone. The count is part of the transaction that records the tries, so it is as true as
they are; decision 0015 says why it is not worked out afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base


class DeliveryDay(Base):
    """One profile's day. Spread over a few rows (`share`), so that pumps do not wait for each other's commits."""

    __tablename__ = "delivery_days"
    profile_id: Mapped[int] = mapped_column(sa.ForeignKey("profiles.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(sa.Date, primary_key=True)
    share: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True)
    delivered: Mapped[int] = mapped_column(server_default="0")
    failed: Mapped[int] = mapped_column(server_default="0")
    delivered_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]


COUNT = sa.text(
    """/* tallies: what a batch came to; always in the order of profiles, so that two batches never deadlock */
    INSERT INTO delivery_days AS t (profile_id, day, share, delivered, failed, delivered_at, failed_at)
    SELECT r.profile_id, CAST(now() AT TIME ZONE :zone AS date), pg_backend_pid() % 8, r.delivered, r.failed,
        CASE WHEN r.delivered > 0 THEN now() END, CASE WHEN r.failed > 0 THEN now() END
    FROM unnest(CAST(:profiles AS bigint[]), CAST(:delivered AS int[]), CAST(:failed AS int[]))
        AS r (profile_id, delivered, failed)
    ORDER BY r.profile_id
    ON CONFLICT (profile_id, day, share) DO UPDATE SET
        delivered = t.delivered + excluded.delivered, failed = t.failed + excluded.failed,
        delivered_at = coalesce(excluded.delivered_at, t.delivered_at),
        failed_at = coalesce(excluded.failed_at, t.failed_at)"""
)

PRUNE = sa.text("/* prune: days that nobody looks at */ DELETE FROM delivery_days WHERE day < :before")


def count(connection: sa.Connection, tries: Mapping[int, tuple[int, int]], *, zone: str) -> None:
    """Add (delivered, failed) of each profile to its day, within the caller's transaction."""
    if tries:
        values = {
            "profiles": list(tries),
            "delivered": [delivered for delivered, _ in tries.values()],
            "failed": [failed for _, failed in tries.values()],
        }
        connection.execute(COUNT, {**values, "zone": zone})


def days(session: Session, profile_ids: Sequence[int], *, since: date) -> Sequence[sa.Row[tuple[int, date, int, int]]]:
    """Give profile_id, day, delivered, failed, delivered_at, failed_at for each day from `since` on that has something."""
    sums = [sa.func.sum(DeliveryDay.delivered).label("delivered"), sa.func.sum(DeliveryDay.failed).label("failed")]
    last = [
        sa.func.max(DeliveryDay.delivered_at).label("delivered_at"),
        sa.func.max(DeliveryDay.failed_at).label("failed_at"),
    ]
    return session.execute(
        sa.select(DeliveryDay.profile_id, DeliveryDay.day, *sums, *last)
        .where(
            DeliveryDay.profile_id == sa.any_(sa.cast(list(profile_ids), ARRAY(sa.BigInteger()))),
            DeliveryDay.day >= since,
        )
        .group_by(DeliveryDay.profile_id, DeliveryDay.day)
    ).all()
