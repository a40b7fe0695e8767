"""Signs of life in Postgres: who asked it last, and when. A release empties the table."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class Heartbeat(Base):
    """One process or task: `tick`, or `deliver:<host>:<pid>`."""

    __tablename__ = "heartbeats"
    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=sa.func.now())


class Installation(Base):
    """The one row that tells this installation's keys from those of every other."""

    __tablename__ = "installation"
    __table_args__ = (sa.CheckConstraint("id = 1", name="only_one"),)
    id: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True)
    key: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())


BEAT = sa.text(
    "INSERT INTO heartbeats (name, at) VALUES (:name, now()) ON CONFLICT (name) DO UPDATE SET at = excluded.at"
)


def beat(engine: sa.Engine, name: str) -> None:
    """Show a sign of life."""
    with engine.begin() as connection:
        connection.execute(BEAT, {"name": name})
