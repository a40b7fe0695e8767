"""Files: the ledger of rows owed to routes, the runs that took them, their bytes, and their uploads."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base
from models.event import Event
from models.profile import Profile, Route

MANUAL = "manual"
"""How the slot of a run by hand begins."""


class RunState(StrEnum):
    """How far a file is. Held and cancelled are reached from any state before the end; only a person leads out."""

    PLANNED = "planned"
    CLAIMED = "claimed"
    WRITTEN = "written"
    EMPTY = "empty"  # no rows, and the profile wants no file then
    HELD = "held"
    CANCELLED = "cancelled"


class UploadState(StrEnum):
    """How far a file's way to its server is. A failed try is pending again, later."""

    PENDING = "pending"
    LEASED = "leased"
    HELD = "held"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


class FileItem(Base):
    """One event owed to one route of a file profile: a row of the ledger. That it stands once is the key's doing.

    ready_at: acceptance plus the profile's delay. run_id: the run that took it. skipped: why no run ever will.
    forced: a person gave it back, a completed order skips it no more.
    """

    __tablename__ = "file_items"
    __table_args__ = (
        sa.UniqueConstraint("event_id", "route_id"),  # in this order, it serves the history
        sa.CheckConstraint("run_id IS NULL OR skipped IS NULL", name="taken_or_skipped"),
        sa.Index(
            "ix_file_items_waiting",
            "route_id",
            "ready_at",
            postgresql_where=sa.text("run_id IS NULL AND skipped IS NULL"),
        ),
        sa.Index("ix_file_items_run_id", "run_id", "event_id", postgresql_where=sa.text("run_id IS NOT NULL")),
    )
    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    route_id: Mapped[int] = mapped_column(sa.ForeignKey("routes.id"))
    event_id: Mapped[int] = mapped_column(sa.ForeignKey("events.id"))
    ready_at: Mapped[datetime]
    run_id: Mapped[int | None]  # no foreign key: a claim of a million rows would be checked row by row
    skipped: Mapped[str | None]
    forced: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())

    route: Mapped[Route] = relationship()
    event: Mapped[Event] = relationship()


class Run(Base):
    """One file of one route for one slot of its schedule.

    slot: date and place in the day, or date and HH:MM, or "manual-..." (models.rules.schedule). period: the slot's
    local date. takes_before: only rows accepted before it are taken (catch-up `each`); None: all that are ready.
    source_id: made again over the rows of that run, which keeps them. snapshot: the profile as it was at the claim,
    without secrets. rows, bytes and sha256 are of the delivered bytes; orders counts ledger rows; replaced the
    characters that did not fit the encoding. stored_packed: its chunks are not compressed again.
    """

    __tablename__ = "runs"
    __table_args__ = (
        sa.UniqueConstraint("route_id", "slot", "part"),
        sa.CheckConstraint(
            "state IN ('planned', 'claimed', 'written', 'empty', 'held', 'cancelled')", name="state_known"
        ),
        sa.CheckConstraint(
            "state <> 'written' OR (file_name IS NOT NULL AND sha256 IS NOT NULL)", name="written_whole"
        ),
        sa.CheckConstraint("(lease_token IS NULL) = (lease_until IS NULL)", name="lease_complete"),
        sa.Index("ix_runs_open", "due_at", "id", postgresql_where=sa.text("state IN ('planned', 'claimed')")),
        sa.Index("ix_runs_profile_id", "profile_id", "id"),
        sa.Index("ix_runs_file_name", "profile_id", "file_name", postgresql_where=sa.text("file_name IS NOT NULL")),
    )
    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    profile_id: Mapped[int] = mapped_column(sa.ForeignKey("profiles.id"))
    route_id: Mapped[int] = mapped_column(sa.ForeignKey("routes.id"))
    slot: Mapped[str]
    part: Mapped[int] = mapped_column(sa.Integer, default=1, server_default="1")
    slot_at: Mapped[datetime]
    period: Mapped[date] = mapped_column(sa.Date)
    takes_before: Mapped[datetime | None]
    source_id: Mapped[int | None] = mapped_column(sa.ForeignKey("runs.id"))
    state: Mapped[str] = mapped_column(server_default="planned")
    error: Mapped[str | None]
    due_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    tries: Mapped[int] = mapped_column(sa.Integer, default=0, server_default="0")
    lease_token: Mapped[int | None]
    lease_until: Mapped[datetime | None]
    leased_by: Mapped[str | None]
    snapshot: Mapped[dict[str, Any] | None] = mapped_column(postgresql.JSONB)
    claimed_at: Mapped[datetime | None]
    written_at: Mapped[datetime | None]
    file_name: Mapped[str | None]
    orders: Mapped[int] = mapped_column(default=0, server_default="0")
    rows: Mapped[int] = mapped_column(default=0, server_default="0")
    bytes: Mapped[int] = mapped_column(default=0, server_default="0")
    sha256: Mapped[str | None]
    replaced: Mapped[int] = mapped_column(default=0, server_default="0")
    stored_packed: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    downloaded_at: Mapped[datetime | None]
    bytes_gone_at: Mapped[datetime | None]
    created_by: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())

    profile: Mapped[Profile] = relationship()
    route: Mapped[Route] = relationship()
    uploads: Mapped[list[Upload]] = relationship(back_populates="run", order_by="Upload.id")

    def __str__(self) -> str:
        return self.file_name or f"run {self.id}"


class RunChunk(Base):
    """One piece of a run's bytes: 1 MiB before its own compression (zstd, unless the file is packed already)."""

    __tablename__ = "run_chunks"
    run_id: Mapped[int] = mapped_column(sa.ForeignKey("runs.id"), primary_key=True)
    n: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    data: Mapped[bytes]


class Upload(Base):
    """One run's way to one place. `looks_only`: an empty run still logs in once, so that a dead password shows.

    destination: protocol, user, host and port; one upload at a time for each. phase: the step that was begun last,
    committed before it: sending, sent, renaming, done. remote_name: folder and final name, once decided.
    sent_bytes: progress of the try under way. renaming_at: when a try first came that far; from then on somebody may
    have the file, whatever a later try comes to.
    """

    __tablename__ = "uploads"
    __table_args__ = (
        sa.CheckConstraint("state IN ('pending', 'leased', 'held', 'delivered', 'cancelled')", name="state_known"),
        sa.CheckConstraint("phase IN ('sending', 'sent', 'renaming', 'done')", name="phase_known"),
        sa.CheckConstraint(
            "(state = 'leased') = (lease_token IS NOT NULL) AND (state = 'leased') = (lease_until IS NOT NULL)",
            name="lease_complete",
        ),
        sa.Index("ix_uploads_due", "due_at", "id", postgresql_where=sa.text("state = 'pending'")),
        sa.Index("uq_uploads_destination", "destination", unique=True, postgresql_where=sa.text("state = 'leased'")),
        sa.Index("ix_uploads_run_id", "run_id"),
        sa.Index("ix_uploads_profile_id", "profile_id", "id"),
    )
    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    run_id: Mapped[int] = mapped_column(sa.ForeignKey("runs.id"))
    profile_id: Mapped[int] = mapped_column(sa.ForeignKey("profiles.id"))
    looks_only: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    state: Mapped[str] = mapped_column(server_default="pending")
    destination: Mapped[str | None]
    phase: Mapped[str | None]
    remote_name: Mapped[str | None]
    renaming_at: Mapped[datetime | None]
    due_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    tries: Mapped[int] = mapped_column(sa.Integer, default=0, server_default="0")
    failures: Mapped[int] = mapped_column(sa.Integer, default=0, server_default="0")
    login_failures: Mapped[int] = mapped_column(sa.Integer, default=0, server_default="0")
    sent_bytes: Mapped[int] = mapped_column(default=0, server_default="0")
    error: Mapped[str | None]
    receipt: Mapped[str | None]
    lease_token: Mapped[int | None]
    lease_until: Mapped[datetime | None]
    leased_by: Mapped[str | None]
    finished_at: Mapped[datetime | None]
    created_by: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())

    run: Mapped[Run] = relationship(back_populates="uploads")
    profile: Mapped[Profile] = relationship()
    attempts: Mapped[list[UploadTry]] = relationship(back_populates="upload", order_by="UploadTry.id")


class UploadTry(Base):
    """One try of an upload, with the server's words."""

    __tablename__ = "upload_tries"
    __table_args__ = (
        sa.CheckConstraint("outcome IN ('delivered', 'failed', 'unknown')", name="outcome_known"),
        sa.Index("ix_upload_tries_upload_id", "upload_id", "id"),
    )
    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    upload_id: Mapped[int] = mapped_column(sa.ForeignKey("uploads.id"))
    number: Mapped[int] = mapped_column(sa.Integer)
    started_at: Mapped[datetime]
    duration_ms: Mapped[int | None] = mapped_column(sa.Integer)
    sent_bytes: Mapped[int] = mapped_column(default=0, server_default="0")
    outcome: Mapped[str]
    message: Mapped[str | None]

    upload: Mapped[Upload] = relationship(back_populates="attempts")
