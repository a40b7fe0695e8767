"""Deliveries, one per event and postback profile, and their attempts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base
from models.event import Event
from models.profile import Profile

lease_tokens = sa.Sequence("lease_tokens", metadata=Base.metadata, cache=100)
"""Every claim gets a new number; a result that carries an older one changes nothing."""


class Delivery(Base):
    """One event owed to one postback profile.

    tries counts the attempts begun, ever; failures those that failed since the last replay and sets the back-off.
    losses counts leases that ended without a result. forced: a person replayed it, a completed order skips it no more.
    aside: a person holds it, and only a person lets it go on.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        sa.CheckConstraint(
            "state IN ('pending', 'leased', 'held', 'delivered', 'skipped', 'cancelled')", name="state_known"
        ),
        sa.CheckConstraint(
            "(state = 'leased') = (lease_token IS NOT NULL) AND (state = 'leased') = (lease_until IS NOT NULL)",
            name="lease_complete",
        ),
        sa.CheckConstraint(
            "(state IN ('delivered', 'skipped', 'cancelled')) = (finished_at IS NOT NULL)", name="finished_has_time"
        ),
        sa.CheckConstraint("state NOT IN ('held', 'skipped', 'cancelled') OR reason IS NOT NULL", name="has_reason"),
        sa.Index("uq_deliveries_event_id_profile_id", "event_id", "profile_id", unique=True),
        sa.Index(
            "ix_deliveries_due",
            "profile_id",
            "retried",
            "due_at",
            "id",
            postgresql_where=sa.text("state = 'pending'"),
        ),
        sa.Index("ix_deliveries_leased", "profile_id", postgresql_where=sa.text("state = 'leased'")),
        # The lists of people and programs (models.finding): each state of each profile in the order of ids. A row is
        # written into one of the three when it is made and into one when it is finished, into none while it is leased.
        sa.Index("ix_deliveries_open", "profile_id", "retried", "id", postgresql_where=sa.text("state = 'pending'")),
        sa.Index("ix_deliveries_delivered", "profile_id", "id", postgresql_where=sa.text("state = 'delivered'")),
        sa.Index(
            "ix_deliveries_aside",
            "profile_id",
            "state",
            "id",
            postgresql_where=sa.text("state IN ('held', 'skipped', 'cancelled')"),
        ),
        # Nearly always empty. The claim looks for rows to be sent alone, and must not read a million others for it.
        sa.Index("ix_deliveries_suspect", "profile_id", postgresql_where=sa.text("state = 'pending' AND losses >= 3")),
    )
    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    profile_id: Mapped[int] = mapped_column(sa.ForeignKey("profiles.id"))
    event_id: Mapped[int] = mapped_column(sa.ForeignKey("events.id"))
    state: Mapped[str] = mapped_column(server_default="pending")
    reason: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    due_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(sa.Integer, server_default="0")
    failures: Mapped[int] = mapped_column(sa.Integer, server_default="0")
    losses: Mapped[int] = mapped_column(sa.Integer, server_default="0")
    retried: Mapped[bool] = mapped_column(sa.Boolean, sa.Computed("failures > 0", persisted=True))
    forced: Mapped[bool] = mapped_column(server_default=sa.false())
    aside: Mapped[bool] = mapped_column(server_default=sa.false())
    lease_token: Mapped[int | None]
    lease_until: Mapped[datetime | None]
    leased_at: Mapped[datetime | None]
    leased_by: Mapped[str | None]

    profile: Mapped[Profile] = relationship()
    event: Mapped[Event] = relationship()


class Attempt(Base):
    """One try of a delivery: what was sent, secrets masked, and what came back. A partition per day."""

    __tablename__ = "attempts"
    __table_args__ = (
        sa.CheckConstraint("outcome IN ('delivered', 'failed', 'unknown')", name="outcome_known"),
        sa.Index("ix_attempts_delivery_id", "delivery_id", "started_at"),
        # Failed tries only: they are few, and nobody looks for a 200.
        sa.Index("ix_attempts_status", "status", "delivery_id", postgresql_where=sa.text("status >= 300")),
        sa.Index(
            "ix_attempts_profile_id_status",
            "profile_id",
            "status",
            "delivery_id",
            postgresql_where=sa.text("status >= 300"),
        ),
        {"postgresql_partition_by": "RANGE (started_at)"},
    )
    started_at: Mapped[datetime] = mapped_column(primary_key=True)
    delivery_id: Mapped[int] = mapped_column(primary_key=True)
    lease_token: Mapped[int] = mapped_column(primary_key=True)
    profile_id: Mapped[int | None]
    """Its delivery's, where a search for refusals needs it; no foreign key: an attempt may outlive what it tells of."""

    number: Mapped[int] = mapped_column(sa.Integer)
    duration_ms: Mapped[int | None] = mapped_column(sa.Integer)
    method: Mapped[str | None]
    url: Mapped[str | None]
    request_headers: Mapped[Any] = mapped_column(JSONB, server_default="[]")
    request_body: Mapped[str | None]
    status: Mapped[int | None] = mapped_column(sa.SmallInteger)
    response_headers: Mapped[Any] = mapped_column(JSONB, server_default="[]")
    response_body: Mapped[str | None]
    error: Mapped[str | None]
    outcome: Mapped[str]
    late: Mapped[bool] = mapped_column(server_default=sa.false())
