"""Find deliveries, newest first, a page at a time: every question is answered out of indexes, however rare the answer.

A list that walks all deliveries until it has found a page of them takes seconds where few or none are of its kind. So a
question is taken apart into streams, each of one profile in one stored state: an index holds it in the order of ids. A
page takes the newest of each stream, and of those the newest of all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from models.delivery import Attempt, Delivery
from models.event import Event
from models.gates import gate_reason
from models.profile import Gate, Profile

FAILING = "failing"
"""Not a state, but asked for like one: tried, and to be tried again."""

LOOKED_THROUGH = 20_000
"""So many refusals of a kind are looked through for one page, when something else is asked as well."""

SLACK = timedelta(minutes=10)


def _stored(state: str) -> sa.ColumnElement[bool]:
    """Write the state out, never as a parameter: Postgres must see which partial index holds it."""
    return Delivery.state == sa.literal_column(f"'{state}'")


_FRESH, _RETRIED = _stored("pending") & ~Delivery.retried, _stored("pending") & Delivery.retried
_ANY, _OPEN, _CLOSED = sa.true(), gate_reason.is_(None), gate_reason.is_not(None)

Stream = tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]
"""Which rows, and of which profiles."""

STREAMS: dict[str, tuple[Stream, ...]] = {
    "pending": ((_FRESH, _OPEN), (_RETRIED, _OPEN)),
    "held": ((_FRESH, _CLOSED), (_RETRIED, _CLOSED), (_stored("held"), _ANY)),
    "leased": ((_stored("leased"), _ANY),),
    "delivered": ((_stored("delivered"), _ANY),),
    "skipped": ((_stored("skipped"), _ANY),),
    "cancelled": ((_stored("cancelled"), _ANY),),
    FAILING: ((_RETRIED, _ANY),),
}
"""The streams behind each state that people are told."""

_ALL: tuple[Stream, ...] = (
    (_FRESH, _ANY),
    (_RETRIED, _ANY),
    *((_stored(state), _ANY) for state in ("leased", "held", "delivered", "skipped", "cancelled")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which deliveries. before: older than this id. profiles: a condition on Profile. status: of a refused try."""

    before: int | None = None
    profiles: sa.ColumnElement[bool] | None = None
    state: str | None = None
    customer_id: str | None = None
    order_key: str | None = None
    event_key: str | None = None
    status: int | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Cut:
    """A span of time, and about which ids it has: ids grow with the time, but for transactions side by side.

    The ids narrow the search, the time cuts. high comes after the last one.
    """

    low: int | None
    high: int | None
    since: datetime | None
    until: datetime | None

    def of(self, ids: Any) -> Iterator[sa.ColumnElement[bool]]:
        """Narrow a column of ids."""
        if self.low is not None:
            yield ids >= self.low
        if self.high is not None:
            yield ids < self.high

    def of_deliveries(self) -> Iterator[sa.ColumnElement[bool]]:
        """Narrow and cut deliveries."""
        yield from self.of(Delivery.id)
        if self.since is not None:
            yield Delivery.created_at >= self.since
        if self.until is not None:
            yield Delivery.created_at < self.until


def newest(session: Session, wanted: Wanted, *, limit: int) -> sa.Subquery:
    """Give the ids of the newest ones as a subquery, in no order: join it, order by id."""
    cut = _cut(session, wanted)
    if _names_events(wanted):
        query = _of_events(wanted, cut)
    elif wanted.status is not None:
        query = _of_refusals(wanted, cut)
    elif wanted.profiles is not None or wanted.state is not None:
        query = _of_streams(wanted, cut, limit)
    else:
        query = sa.select(Delivery.id).where(*cut.of_deliveries())
    return query.order_by(query.selected_columns.id.desc()).limit(limit).subquery("newest")


def looked_until(session: Session, wanted: Wanted) -> int | None:
    """Say at which id a search among refusals has stopped; None when it went through all of them, and for other searches.

    Ask when a page is not full: the next one goes on from there.
    """
    if wanted.status is None or _names_events(wanted):
        return None
    refusals = _refusals(wanted, _cut(session, wanted)).subquery()
    stopped = sa.func.count() == LOOKED_THROUGH
    return session.scalar(sa.select(sa.case((stopped, sa.func.min(refusals.c.delivery_id)))))


def _names_events(wanted: Wanted) -> bool:
    return not (wanted.customer_id is None and wanted.order_key is None and wanted.event_key is None)


def _of_streams(wanted: Wanted, cut: _Cut, limit: int) -> Any:
    """Take the newest of each stream: as many short walks as there are profiles, each over what it is looking for."""
    streams = _ALL if wanted.state is None else STREAMS[wanted.state]
    return sa.union_all(*(_of_stream(stream, wanted, cut, limit) for stream in streams))


def _of_stream(stream: Stream, wanted: Wanted, cut: _Cut, limit: int) -> sa.Select[Any]:
    rows, profiles = stream
    of_one = (
        sa.select(Delivery.id)
        .where(Delivery.profile_id == Profile.id, rows, *cut.of_deliveries())
        .order_by(Delivery.id.desc())
        .limit(limit)
        .correlate(Profile)
        .lateral()
    )
    return (
        sa.select(of_one.c.id)
        .select_from(Profile)
        .outerjoin(Gate, Gate.profile_id == Profile.id)
        .join(of_one, sa.true())
        .where(profiles, *_profiles(wanted))
    )


def _of_events(wanted: Wanted, cut: _Cut) -> sa.Select[Any]:
    """Find the events by their own indexes first: else a rare customer is looked for in all deliveries."""
    events = sa.select(Event.id)
    for column, value in (
        (Event.customer_id, wanted.customer_id),
        (Event.order_key, wanted.order_key),
        (Event.event_key, wanted.event_key),
    ):
        if value is not None:
            events = events.where(column == value)
    asked = events.cte("asked").prefix_with("MATERIALIZED")
    query = (
        _joined()
        .join(asked, asked.c.id == Delivery.event_id)
        .where(*cut.of_deliveries(), *_told(wanted), *_profiles(wanted))
    )
    if wanted.status is not None:
        refused = sa.select(sa.true()).where(Attempt.delivery_id == Delivery.id, *_refused(wanted)).limit(1)
        query = query.where(refused.scalar_subquery())
    return query


def _of_refusals(wanted: Wanted, cut: _Cut) -> sa.Select[Any]:
    """Look through the refusals, newest first, for what else is asked."""
    refusals = _refusals(wanted, cut).subquery()
    return _joined().join(refusals, refusals.c.delivery_id == Delivery.id).where(*cut.of_deliveries(), *_told(wanted))


def _refusals(wanted: Wanted, cut: _Cut) -> sa.Select[Any]:
    query = sa.select(Attempt.delivery_id).distinct().where(*_refused(wanted), *cut.of(Attempt.delivery_id))
    if wanted.profiles is not None:
        query = query.where(Attempt.profile_id.in_(sa.select(Profile.id).where(wanted.profiles)))
    return query.order_by(Attempt.delivery_id.desc()).limit(LOOKED_THROUGH)


def _refused(wanted: Wanted) -> tuple[sa.ColumnElement[bool], ...]:
    """Cut to the tries answered so; the indexes hold refusals only."""
    return Attempt.status >= sa.literal_column("300"), Attempt.status == min(wanted.status or 0, 999)


def _joined() -> sa.Select[Any]:
    return (
        sa.select(Delivery.id)
        .join(Profile, Profile.id == Delivery.profile_id)
        .outerjoin(Gate, Gate.profile_id == Profile.id)
    )


def _told(wanted: Wanted) -> Iterator[sa.ColumnElement[bool]]:
    """Cut to the state that people are told."""
    if wanted.state is not None:
        yield sa.or_(*(sa.and_(rows, profiles) for rows, profiles in STREAMS[wanted.state]))


def _profiles(wanted: Wanted) -> Iterator[sa.ColumnElement[bool]]:
    if wanted.profiles is not None:
        yield wanted.profiles


def _cut(session: Session, wanted: Wanted) -> _Cut:
    since, until, bounds = wanted.since, wanted.until, [wanted.before] if wanted.before is not None else []
    low = None if since is None else id_at(session, _beside(since, -SLACK))
    if until is not None:
        bounds.append(id_at(session, _beside(until, SLACK)))
    return _Cut(low, min(bounds, default=None), since, until)


def _beside(moment: datetime, slack: timedelta) -> datetime:
    try:
        return moment + slack
    except OverflowError:  # somebody asks from the year 1 on, or up to the year 9999
        return moment


def id_at(session: Session, moment: datetime) -> int:
    """Find about the first delivery that was made at this time, by halving: there is no index for it."""
    low, high = 1, (session.scalar(sa.select(sa.func.max(Delivery.id))) or 0) + 1
    while low < high:
        middle = (low + high) // 2
        row = session.execute(
            sa.select(Delivery.id, Delivery.created_at).where(Delivery.id >= middle).order_by(Delivery.id).limit(1)
        ).one_or_none()
        if row is None or row.created_at >= moment:
            high = middle
        else:
            low = row.id + 1
    return low
