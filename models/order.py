"""Orders: what Waybill must know of an order beyond the snapshots its events carry."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class Order(Base):
    """One order. The key is the text of clientOrderId, else of orderId.

    completed_at: accepted an event that completes the order; a Partial not yet sent is skipped then.
    test_card: paid with a test card once, so nothing of it is ever exported.
    """

    __tablename__ = "orders"
    __table_args__ = (sa.Index("ix_orders_customer_id", "customer_id", sa.text("last_event_at DESC")),)
    order_key: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[str | None]
    customer_id: Mapped[str] = mapped_column(sa.ForeignKey("customers.customer_id"))
    campaign_id: Mapped[str | None] = mapped_column(sa.ForeignKey("campaigns.campaign_id"))
    order_status: Mapped[str | None]
    order_total: Mapped[str | None]
    currency_code: Mapped[str | None]
    test_card: Mapped[bool] = mapped_column(server_default=sa.false())
    completed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    last_event_at: Mapped[datetime]
