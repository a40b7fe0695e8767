"""Export profiles with their field mappings and routes, and the gate that the pump asks before it sends."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.orderinglist import ordering_list
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base
from models.campaign import Campaign, Product


class Profile(Base):
    """An export profile: where to, which fields, which events.

    settings are the exporter's own, as its settings model writes them, secrets sealed. version grows with every
    save, so that a plan compiled from it can be kept. deleted_at: history stays, the name is free again.
    planned_until: file profiles: the slots up to here have their runs, or are not owed.
    """

    __tablename__ = "profiles"
    __table_args__ = (
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 100 AND name !~ '[/[:cntrl:]]'", name="name_is_plain"),
        sa.CheckConstraint("interval_minutes BETWEEN 0 AND 10080", name="interval_in_range"),
        sa.CheckConstraint("delay_minutes BETWEEN 0 AND 10080", name="delay_in_range"),
        sa.Index(
            "uq_profiles_name", sa.text("lower(name)"), unique=True, postgresql_where=sa.text("deleted_at IS NULL")
        ),
    )
    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    name: Mapped[str]
    export_type: Mapped[str]
    enabled: Mapped[bool] = mapped_column(default=True, server_default=sa.true())
    paused: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    interval_minutes: Mapped[int] = mapped_column(sa.Integer, default=15, server_default="15")
    delay_minutes: Mapped[int] = mapped_column(sa.Integer, default=0, server_default="0")
    time_zone: Mapped[str | None]
    skip_completed_partials: Mapped[bool] = mapped_column(default=True, server_default=sa.true())
    pci_reference: Mapped[str | None]
    pci_valid_until: Mapped[date | None] = mapped_column(sa.Date)
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=sa.func.now(), onupdate=sa.func.now())
    deleted_at: Mapped[datetime | None]
    planned_until: Mapped[datetime] = mapped_column(server_default=sa.func.now())

    mappings: Mapped[list[Mapping]] = relationship(
        back_populates="profile",
        order_by="Mapping.position",
        collection_class=ordering_list("position", count_from=1),
        cascade="all, delete-orphan",
    )
    routes: Mapped[list[Route]] = relationship(
        back_populates="profile", order_by="Route.id", cascade="all, delete-orphan"
    )
    gate: Mapped[Gate] = relationship(back_populates="profile", cascade="all, delete-orphan", uselist=False)

    @property
    def live_routes(self) -> list[Route]:
        """The routes that are switched on; one that was removed stays as a row and keeps its ledger."""
        return [route for route in self.routes if route.enabled]

    def __str__(self) -> str:
        return self.name


class Mapping(Base):
    """One field mapping: Export Name <- Field, Static value or Template, with its modifiers.

    A secret static value stands in `sealed`, never in `static`.
    """

    __tablename__ = "mappings"
    __table_args__ = (
        sa.CheckConstraint("num_nonnulls(field, static, template, sealed) = 1", name="one_source"),
        sa.CheckConstraint("char_length(export_name) >= 1", name="export_name_given"),
        sa.CheckConstraint("when_empty IN ('omit', 'empty', 'null')", name="when_empty_known"),
        sa.CheckConstraint("type IN ('text', 'number', 'integer', 'boolean', 'json')", name="type_known"),
        sa.CheckConstraint("sealed IS NULL OR secret", name="sealed_is_secret"),
        sa.UniqueConstraint("profile_id", "position", deferrable=True, initially="DEFERRED"),
    )
    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    profile_id: Mapped[int] = mapped_column(sa.ForeignKey("profiles.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(sa.Integer)
    export_name: Mapped[str]
    field: Mapped[str | None]
    static: Mapped[str | None]
    template: Mapped[str | None]
    sealed: Mapped[str | None]
    secret: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    modifiers: Mapped[list[str]] = mapped_column(default=list, server_default="{}")
    type: Mapped[str | None]
    when_empty: Mapped[str | None]

    profile: Mapped[Profile] = relationship(back_populates="mappings")

    def __str__(self) -> str:
        return self.export_name


class Route(Base):
    """Customer type x campaign (empty: all) x product (empty: all) -> profile.

    A route that is taken out of its profile is switched off and keeps its row: adding it again revives it.
    """

    __tablename__ = "routes"
    __table_args__ = (
        sa.Index(
            "uq_routes_identity",
            "profile_id",
            "customer_type",
            "campaign_id",
            "product_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        sa.Index(
            "ix_routes_match",
            "customer_type",
            sa.text("coalesce(campaign_id, '')"),
            sa.text("coalesce(product_id, '')"),
            postgresql_where=sa.text("enabled"),
        ),
    )
    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    profile_id: Mapped[int] = mapped_column(sa.ForeignKey("profiles.id", ondelete="CASCADE"))
    customer_type: Mapped[str]
    campaign_id: Mapped[str | None] = mapped_column(sa.ForeignKey("campaigns.campaign_id"))
    product_id: Mapped[str | None] = mapped_column(sa.ForeignKey("products.product_id"))
    enabled: Mapped[bool] = mapped_column(default=True, server_default=sa.true())
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())

    profile: Mapped[Profile] = relationship(back_populates="routes")
    campaign: Mapped[Campaign | None] = relationship()
    product: Mapped[Product | None] = relationship()


class GateFault(StrEnum):
    """Why a receiver gets nothing but probes."""

    BREAKER = "breaker"  # too many failures: a probe at opens_at, then slow start
    GONE = "gone"  # it answered 410
    BLOCKED = "blocked"  # the address guard refused to dial
    SETTINGS = "settings"  # stored settings cannot make a request; only a save heals it
    UPLOAD = "upload"  # the file server refused for good: files are made and wait for Resume
    MAKING = "making"  # three files could not be made: the schedule waits, too


class Gate(Base):
    """What the claim asks about a profile: may it send now, and how much.

    A row of its own, because the claim locks it: a lock on the profile would block the intake's foreign keys.
    cap: requests in flight during slow start, empty when over. clean: successes since the cap last moved.
    tokens: what is left of this second's pace. No column here is indexed, so every update stays in its page.
    """

    __tablename__ = "gates"
    __table_args__ = (
        sa.CheckConstraint(
            "fault IN ('breaker', 'gone', 'blocked', 'settings', 'upload', 'making')", name="fault_known"
        ),
        sa.CheckConstraint("(fault IS NULL) = (fault_since IS NULL)", name="fault_has_since"),
    )
    profile_id: Mapped[int] = mapped_column(sa.ForeignKey("profiles.id", ondelete="CASCADE"), primary_key=True)
    opens_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    fault: Mapped[str | None]
    fault_message: Mapped[str | None]
    fault_since: Mapped[datetime | None]
    trips: Mapped[int] = mapped_column(sa.Integer, default=0, server_default="0")
    cap: Mapped[int | None] = mapped_column(sa.Integer)
    clean: Mapped[int] = mapped_column(sa.Integer, default=0, server_default="0")
    connection_failures: Mapped[int] = mapped_column(sa.Integer, default=0, server_default="0")
    window_since: Mapped[datetime | None]
    window_tries: Mapped[int] = mapped_column(sa.Integer, default=0, server_default="0")
    window_failures: Mapped[int] = mapped_column(sa.Integer, default=0, server_default="0")
    tokens: Mapped[float] = mapped_column(sa.Double, default=0.0, server_default="0")
    tokens_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    last_claim: Mapped[datetime] = mapped_column(server_default=sa.func.now())

    profile: Mapped[Profile] = relationship(back_populates="gate")
