"""Customers: the CRM's records, upserted from events."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base

customer_numbers = sa.Sequence("customer_numbers", metadata=Base.metadata)
"""Numbers for customers the CRM gave none: `w-12`."""


class Customer(Base):
    """A customer, by the CRM's number, or by one of Waybill's own (`w-12`)."""

    __tablename__ = "customers"
    __table_args__ = (
        sa.Index("ix_customers_email", sa.text("lower(email)"), sa.text("last_seen_at DESC")),
        sa.Index("ix_customers_phone", "phone_digits", sa.text("last_seen_at DESC")),
    )
    customer_id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str | None]
    phone: Mapped[str | None]
    phone_digits: Mapped[str | None]
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    last_seen_at: Mapped[datetime]

    @property
    def full_name(self) -> str:
        """First and last name, as far as known."""
        return " ".join(part for part in (self.first_name, self.last_name) if part)
