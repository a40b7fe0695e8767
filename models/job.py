"""Long work that is kept in Postgres and goes on after any crash: back-fills and replays."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class JobState(StrEnum):
    """How far a job is. A person may pause it and let it go on, or stop it for good."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    DONE = "done"
    FAILED = "failed"


GOING = (JobState.WAITING, JobState.RUNNING)
ENDED = (JobState.STOPPED, JobState.DONE, JobState.FAILED)


class Job(Base):
    """One piece of long work. `arguments` are its filters, `after_id` how far it has come.

    next_at: a job with a pace rests until then.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        sa.CheckConstraint("kind IN ('backfill', 'replay')", name="kind_known"),
        sa.CheckConstraint(
            "state IN ('waiting', 'running', 'paused', 'stopped', 'done', 'failed')", name="state_known"
        ),
        sa.Index("ix_jobs_open", "id", postgresql_where=sa.text("state IN ('waiting', 'running')")),
    )
    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    kind: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="waiting")
    arguments: Mapped[dict[str, Any]]
    after_id: Mapped[int] = mapped_column(server_default="0")
    done: Mapped[int] = mapped_column(server_default="0")
    total: Mapped[int] = mapped_column(server_default="0")
    error: Mapped[str | None]
    next_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    created_by: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    finished_at: Mapped[datetime | None]

    def __str__(self) -> str:
        return f"job {self.id}"
