"""Send again, hold, release or cancel a range of deliveries, as a job that goes on after any crash. Keys stay the same."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from models.by_hand import MAY_BE, Deed, do
from models.delivery import Attempt, Delivery
from models.event import Event
from models.finding import FAILING
from models.gates import shown_state
from models.job import GOING, Job, JobState
from models.profile import Gate, Profile

BATCH = 1_000
BREATH = timedelta(seconds=2)
"""A job with a pace is looked at by the tick so often: a batch is what it owes for this time, and no time before counts."""

MOST_PER_SECOND = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which deliveries: the same words as in the list of deliveries, and a span of the events' acceptance."""

    profile: str | None = None
    state: str | None = None
    customer_id: str | None = None
    event_id: str | None = None
    order_key: str | None = None
    status: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    delivery_id: int | None = None

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """Give the WHERE parts over Delivery, Event, Profile and Gate."""
        found: list[sa.ColumnElement[bool]] = []
        if self.profile is not None:
            found += [sa.func.lower(Profile.name) == self.profile.lower(), Profile.deleted_at.is_(None)]
        if self.state == FAILING:
            found.append(sa.and_(Delivery.state == "pending", Delivery.retried))
        elif self.state is not None:
            found.append(shown_state == self.state)
        if self.customer_id is not None:
            found.append(Event.customer_id == self.customer_id)
        if self.event_id is not None:
            found.append(Event.event_key == self.event_id)
        if self.order_key is not None:
            found.append(Event.order_key == self.order_key)
        if self.status is not None:
            found.append(Delivery.id.in_(_refused_with(self.status)))
        if self.since is not None:
            found.append(Event.accepted_at >= self.since)
        if self.until is not None:
            found.append(Event.accepted_at < self.until)
        if self.delivery_id is not None:
            found.append(Delivery.id == self.delivery_id)
        return found

    def document(self) -> dict[str, Any]:
        """Write the filters down for a job."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in given.items()}

    @classmethod
    def read(cls, document: dict[str, Any]) -> Filters:
        """Read what `document` wrote."""
        times = {name: datetime.fromisoformat(document[name]) for name in ("since", "until") if name in document}
        fields: dict[str, Any] = document | times
        return cls(**fields)


def _refused_with(status: int) -> sa.Select[Any]:
    """Find the tries that were answered so; the index holds refusals only."""
    is_refusal = Attempt.status >= sa.literal_column("300")
    return sa.select(Attempt.delivery_id).where(is_refusal, Attempt.status == min(status, 999))


def _matching(filters: Filters, deed: Deed) -> list[sa.ColumnElement[bool]]:
    return [*filters.conditions(), MAY_BE[deed]]


def count(session: Session, filters: Filters, deed: Deed = Deed.SEND_AGAIN) -> int:
    """Count to how many this would be done; changes nothing."""
    return session.scalar(_joined(sa.select(sa.func.count())).where(*_matching(filters, deed))) or 0


def start(
    session: Session,
    filters: Filters,
    *,
    actor: str,
    matched: int,
    per_second: float | None = None,
    deed: Deed = Deed.SEND_AGAIN,
    reason: str = "",
) -> Job:
    """Write it down as a job; the worker does it in batches. The caller commits and rings.

    per_second: to how many it is done in a second, over the job's whole time; None: to all as fast as it goes.
    """
    last = session.scalar(sa.select(sa.func.coalesce(sa.func.max(Delivery.id), 0)))
    job = Job(
        kind="replay",
        arguments={"filters": filters.document(), "up_to": last, "per_second": per_second}
        | {"deed": deed.value, "reason": reason},
        total=matched,
        created_by=actor,
    )
    session.add(job)
    session.flush()  # the caller tells its id
    return job


def run_batch(session: Session, job: Job) -> bool:
    """Take the next deliveries of a job. Returns whether there may be more.

    With a pace a batch is what is owed since the last one, and the job rests until the next is.
    """
    pace = job.arguments.get("per_second")
    most, rest = _share(None if pace is None else float(pace))  # JSON comes with exact decimals
    filters, deed = Filters.read(job.arguments["filters"]), Deed(job.arguments.get("deed", Deed.SEND_AGAIN))
    ids = session.scalars(
        _joined(sa.select(Delivery.id))
        .where(*_matching(filters, deed), Delivery.id > job.after_id, Delivery.id <= job.arguments["up_to"])
        .order_by(Delivery.id)
        .limit(most)
    ).all()
    if ids:
        job.done += len(do(session, deed, ids, actor=job.created_by or "", reason=job.arguments.get("reason", "")))
        job.after_id = ids[-1]
        job.next_at = sa.func.greatest(Job.next_at, sa.func.now() - BREATH) + rest * len(ids)
    return len(ids) == most


def pause(job: Job) -> None:
    """Let a replay rest. Raises NotPossible."""
    _move(job, JobState.PAUSED, *GOING)


def go_on(job: Job) -> None:
    """Let a paused replay go on where it was. Raises NotPossible."""
    _move(job, JobState.RUNNING, JobState.PAUSED)
    job.next_at = sa.func.now()


def stop(job: Job) -> None:
    """End a replay for good; what it has made due stays due. Raises NotPossible."""
    _move(job, JobState.STOPPED, *GOING, JobState.PAUSED)
    job.finished_at = sa.func.now()


class NotPossible(Exception):
    """The job is not in a state for that; says in which it is."""


def _move(job: Job, state: JobState, *since: JobState) -> None:
    """Change the state of a job whose row the caller has locked."""
    if job.kind != "replay" or job.state not in since:
        raise NotPossible(f"The job is {job.state}.")
    job.state = state.value


def _share(per_second: float | None) -> tuple[int, timedelta]:
    """Say how many make a batch, and how long the job rests for each."""
    if per_second is None:
        return BATCH, timedelta(0)
    return min(BATCH, max(1, math.ceil(per_second * BREATH.total_seconds()))), timedelta(seconds=1 / per_second)


def _joined(select: sa.Select[Any]) -> sa.Select[Any]:
    return (
        select.select_from(Delivery)
        .join(Event, Event.id == Delivery.event_id)
        .join(Profile, Profile.id == Delivery.profile_id)
        .join(Gate, Gate.profile_id == Profile.id)
    )
