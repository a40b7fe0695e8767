"""Events: one thing that happened to one order, with the order's snapshot at that moment. Immutable."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class Event(Base):
    """One event.

    Another program may insert rows itself: event_key, customer_type (a slug), order_snapshot and, if it has them,
    occurred_at and test_card. While routed_at is empty the tick takes the row up like any other event.

    history_only: stored by an import that asked for no exports. refusal: why a row that came by SQL is never exported.
    """

    __tablename__ = "events"
    __table_args__ = (
        sa.CheckConstraint("char_length(event_key) BETWEEN 1 AND 200", name="event_key_length"),
        sa.CheckConstraint("jsonb_typeof(order_snapshot) = 'object'", name="snapshot_is_object"),
        sa.CheckConstraint(
            "routed_at IS NULL OR refusal IS NOT NULL OR customer_id IS NOT NULL", name="routed_has_customer"
        ),
        sa.Index("ix_events_unrouted", "id", postgresql_where=sa.text("routed_at IS NULL")),
        sa.Index("ix_events_customer_id", "customer_id", "id"),
        sa.Index("ix_events_order_key", "order_key", "id"),
        sa.Index("ix_events_occurred_at", "occurred_at", "id"),
    )
    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    event_key: Mapped[str] = mapped_column(unique=True)
    customer_type: Mapped[str]
    occurred_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    accepted_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    routed_at: Mapped[datetime | None]
    order_key: Mapped[str | None] = mapped_column(sa.ForeignKey("orders.order_key"))
    customer_id: Mapped[str | None] = mapped_column(sa.ForeignKey("customers.customer_id"))
    campaign_id: Mapped[str | None] = mapped_column(sa.ForeignKey("campaigns.campaign_id"))
    product_ids: Mapped[list[str]] = mapped_column(server_default="{}")
    test_card: Mapped[bool] = mapped_column(server_default=sa.false())
    history_only: Mapped[bool] = mapped_column(server_default=sa.false())
    refusal: Mapped[str | None]
    order_snapshot: Mapped[dict[str, Any]]
