"""Who did what, when: one line for every act of a person or a key, with before and after. Lines are only ever added."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base

_ENCODER = msgspec.json.Encoder(decimal_format="number")


class Act(StrEnum):
    """What was done."""

    SIGNED_IN = "signed in"
    SIGN_IN_REFUSED = "sign-in refused"
    SIGNED_OUT = "signed out"
    CREATED = "created"
    CHANGED = "changed"
    DELETED = "deleted"
    RUN = "run now"
    SENT_AGAIN = "sent again"
    REPLAYED = "replayed"
    CANCELLED = "cancelled"
    PUT_ASIDE = "put aside"
    RELEASED = "released"
    RESUMED = "resumed"
    MADE_AGAIN = "made again"
    GAVE_BACK = "gave rows back"
    DOWNLOADED = "downloaded"
    TESTED = "tested"
    REVOKED = "revoked"
    ROTATED = "sealed anew"
    RESTORED = "restored a backup"


class AuditLine(Base):
    """One act. target is what was acted on ("profile Calls"); before and after are documents without secrets.

    actor: an e-mail address, "key NAME", or "command line". address: where the request came from.
    A trigger of the database refuses every UPDATE and DELETE.
    """

    __tablename__ = "audit_lines"
    __table_args__ = (
        sa.Index("ix_audit_lines_actor", "actor", "id"),
        sa.Index("ix_audit_lines_target", "target", "id"),
    )
    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    actor: Mapped[str]
    address: Mapped[str | None]
    act: Mapped[str]
    target: Mapped[str]
    note: Mapped[str | None]
    before: Mapped[dict[str, Any] | None] = mapped_column(postgresql.JSONB)
    after: Mapped[dict[str, Any] | None] = mapped_column(postgresql.JSONB)


def write(
    session: Session,
    act: Act,
    target: str,
    *,
    actor: str,
    address: str | None = None,
    note: str | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Add a line to the caller's transaction, so that there is no act without its line and no line without its act."""
    values = {"act": act.value, "target": target, "actor": actor, "address": address, "note": note}
    documents = {
        key: sa.cast(sa.literal(_ENCODER.encode(document).decode()), postgresql.JSONB)
        for key, document in (("before", before), ("after", after))
        if document is not None
    }
    session.execute(sa.insert(AuditLine).values(**values, **documents))


def differences(before: Any, after: Any, place: str = "") -> list[tuple[str, Any, Any]]:
    """List the places where two documents differ, in order: (place, old, new). None where there was nothing."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [*before, *(key for key in after if key not in before)]
        return [
            found
            for key in keys
            for found in differences(before.get(key), after.get(key), f"{place}.{key}" if place else str(key))
        ]
    if isinstance(before, list) and isinstance(after, list):
        length = max(len(before), len(after))
        pairs = ((_at(before, index), _at(after, index), f"{place}[{index}]") for index in range(length))
        return [found for old, new, where in pairs for found in differences(old, new, where)]
    return [] if before == after else [(place, before, after)]


def _at(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else None
