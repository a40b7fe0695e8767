"""Campaigns and products: the CRM's records, named by the first event or route that brings their id."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class Campaign(Base):
    """A campaign of the CRM. The id is compared as text."""

    __tablename__ = "campaigns"
    campaign_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())


class Product(Base):
    """A product of the CRM. The id is compared as text."""

    __tablename__ = "products"
    product_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    sku: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
