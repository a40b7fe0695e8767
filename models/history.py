"""A customer's history: each event, each delivery with its last result (R32), and each row of a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from models.delivery import Attempt, Delivery
from models.event import Event
from models.gates import shown_reason, shown_state
from models.history_files import FILES, in_files, line, places
from models.history_lines import VIEW, Export, attempt_words, export_text
from models.profile import Gate, Profile
from models.rules import customer_types

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EVENTS, DELIVERIES = 0, 1
"""The kinds of rows, in the order in which those of one moment stand; FILES is the last."""


class Kind(StrEnum):
    """What an entry is about."""

    EVENT = "event"
    EXPORT = "export"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry. result: accepted or refused for an event, the shown state for an export.

    text is the line without its last word; can_view says that there is an attempt or a file to look at.
    """

    at: datetime
    kind: Kind
    customer_type: str
    profile: str | None
    result: str
    text: str
    can_view: bool
    delivery_id: int | None
    run_id: int | None
    event_id: str

    @property
    def message(self) -> str:
        """The whole line."""
        return f"{self.text} {VIEW}" if self.can_view else self.text


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place after an entry: its time in microseconds, its kind and its row."""

    micros: int
    kind: int
    row_id: int

    @classmethod
    def read(cls, text: str) -> Cursor | None:
        """Read what str() wrote; None when it is something else."""
        match = re.fullmatch(r"([0-9]{1,17})-([012])-([0-9]{1,18})", text, re.ASCII)
        return cls(*map(int, match.groups())) if match else None

    def __str__(self) -> str:
        return f"{self.micros}-{self.kind}-{self.row_id}"


def of_customer(
    session: Session, customer_id: str, *, limit: int, after: Cursor | None, now: datetime, zone: ZoneInfo
) -> tuple[list[Entry], Cursor | None]:
    """Give a page of a customer's history, newest first, and where the next one begins (None: there is none).

    zone: the account's, for the times in the lines.
    """
    rows = session.execute(_page(customer_id, after).limit(limit + 1)).all()
    shown = rows[:limit]
    attempts = _last_attempts(session, [row for row in shown if row.kind == DELIVERIES and row.tries])
    found = places(session, [row.row_id for row in shown if row.run_id is not None])
    entries = [
        _in_file(row, found.get(row.row_id)) if row.kind == FILES else _entry(row, attempts.get(row.row_id), now, zone)
        for row in shown
    ]
    return entries, _cursor(shown[-1]) if len(rows) > limit else None


def _page(customer_id: str, after: Cursor | None) -> sa.Select[Any]:
    parts = sa.union_all(_events(customer_id), _exports(customer_id), in_files(customer_id)).subquery("history")
    query = sa.select(parts).order_by(parts.c.at.desc(), parts.c.kind.desc(), parts.c.row_id.desc())
    if after is None:
        return query
    place = sa.tuple_(parts.c.at, parts.c.kind, parts.c.row_id)
    at = EPOCH + timedelta(microseconds=after.micros)
    return query.where(place < sa.tuple_(sa.literal(at), sa.literal(after.kind), sa.literal(after.row_id)))


def _events(customer_id: str) -> sa.Select[Any]:
    nothing = sa.null()
    return sa.select(
        Event.accepted_at.label("at"),
        sa.literal(EVENTS).label("kind"),
        Event.id.label("row_id"),
        Event.event_key,
        Event.customer_type,
        Event.order_key,
        Event.customer_id,
        sa.case((Event.refusal.is_not(None), "refused"), else_="accepted").label("state"),
        Event.refusal.label("reason"),
        sa.cast(nothing, sa.Text).label("profile"),
        sa.cast(nothing, sa.BigInteger).label("profile_id"),
        sa.cast(nothing, sa.DateTime(timezone=True)).label("due_at"),
        sa.cast(nothing, sa.DateTime(timezone=True)).label("created_at"),
        sa.literal(0).label("tries"),
        sa.cast(nothing, sa.BigInteger).label("run_id"),
    ).where(Event.customer_id == customer_id)


def _exports(customer_id: str) -> sa.Select[Any]:
    last_try = (
        sa.select(sa.func.max(Attempt.started_at))
        .where(Attempt.delivery_id == Delivery.id, Attempt.started_at >= Delivery.created_at)
        .scalar_subquery()
    )
    at = sa.case(
        (Delivery.finished_at.is_not(None), Delivery.finished_at),
        (Delivery.tries > 0, sa.func.coalesce(last_try, Delivery.created_at)),
        else_=Delivery.created_at,
    )
    return (
        sa.select(
            at.label("at"),
            sa.literal(DELIVERIES).label("kind"),
            Delivery.id.label("row_id"),
            Event.event_key,
            Event.customer_type,
            Event.order_key,
            Event.customer_id,
            shown_state.label("state"),
            shown_reason.label("reason"),
            Profile.name.label("profile"),
            Profile.id.label("profile_id"),
            Delivery.due_at,
            Delivery.created_at,
            Delivery.tries,
            sa.cast(sa.null(), sa.BigInteger).label("run_id"),
        )
        .join(Event, Event.id == Delivery.event_id)
        .join(Profile, Profile.id == Delivery.profile_id)
        .join(Gate, Gate.profile_id == Profile.id)
        .where(Event.customer_id == customer_id)
    )


def _last_attempts(session: Session, rows: Sequence[sa.Row[Any]]) -> dict[int, Any]:
    """Give each delivery's telling attempt: the one that delivered it, else the last."""
    if not rows:
        return {}
    query = (
        sa.select(Attempt.delivery_id, Attempt.status, Attempt.error)
        .distinct(Attempt.delivery_id)
        .where(
            Attempt.delivery_id.in_([row.row_id for row in rows]),
            Attempt.started_at >= min(row.created_at for row in rows),
        )
        .order_by(Attempt.delivery_id, (Attempt.outcome == "delivered").desc(), Attempt.started_at.desc())
    )
    return {row.delivery_id: row for row in session.execute(query)}


def _entry(row: sa.Row[Any], attempt: Any, now: datetime, zone: ZoneInfo) -> Entry:
    subject = _subject(row)
    is_export = row.kind == DELIVERIES
    tried = attempt_words(attempt.status, attempt.error) if attempt is not None else None
    return Entry(
        at=row.at,
        kind=Kind.EXPORT if is_export else Kind.EVENT,
        customer_type=_label(row.customer_type),
        profile=row.profile,
        result=row.state,
        text=_export_text(row, subject, tried, now, zone) if is_export else _event_text(row, subject),
        can_view=attempt is not None and row.state not in {"skipped", "cancelled"},
        delivery_id=row.row_id if is_export else None,
        run_id=None,
        event_id=row.event_key,
    )


def _in_file(row: sa.Row[Any], found: Any) -> Entry:
    return Entry(
        at=row.at,
        kind=Kind.EXPORT,
        customer_type=_label(row.customer_type),
        profile=row.profile,
        result=row.state,
        text=line(row, _subject(row), found),
        can_view=found is not None and row.state not in {"skipped", "cancelled"},
        delivery_id=None,
        run_id=row.run_id,
        event_id=row.event_key,
    )


def _subject(row: sa.Row[Any]) -> str:
    label = _label(row.customer_type)
    return f"Order {row.order_key} ({label})" if row.order_key else f"Customer {row.customer_id} ({label})"


def _export_text(row: sa.Row[Any], subject: str, tried: str | None, now: datetime, zone: ZoneInfo) -> str:
    export = Export(
        subject=subject,
        profile=row.profile,
        profile_id=row.profile_id,
        state=row.state,
        reason=row.reason,
        due_at=row.due_at,
        tries=row.tries,
        tried=tried,
    )
    return export_text(export, now=now, zone=zone)


def _event_text(row: sa.Row[Any], subject: str) -> str:
    if row.state == "refused":
        return f"{subject} refused: {row.reason}"
    return f"{subject} accepted as event {row.event_key}"


def _cursor(row: sa.Row[Any]) -> Cursor:
    return Cursor((row.at - EPOCH) // timedelta(microseconds=1), row.kind, row.row_id)


def _label(slug: str) -> str:
    try:
        return customer_types.parse(slug).label
    except ValueError:  # another program wrote the row
        return slug
