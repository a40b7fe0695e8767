"""How file profiles are doing: when the next files come, how much waits, what became of the last."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from models import ledger
from models.base import db, utc_now
from models.ledger import FILE_KINDS
from models.profile import Profile
from models.run import Run, RunState, Upload, UploadState
from web import installed, runs
from web.admin import shown
from web.file_preview import times
from web.file_words import when


@dataclass(frozen=True, slots=True)
class FileState:
    """One file profile on a list. next: the next files' time; None: by hand, or it makes none. last: its last run.

    troubled: files that could not be made and uploads that failed. done: files at their place since midnight.
    """

    when: str
    next: str | None
    waiting: int
    last: sa.Row[Any] | None
    troubled: int
    done: int


def file_states(profiles: Iterable[Profile], midnight: datetime) -> dict[int, FileState]:
    """Give the state of every file profile among these, by its id."""
    files = [profile for profile in profiles if profile.export_type in FILE_KINDS]
    if not files:
        return {}
    ids = [profile.id for profile in files]
    last = {row.profile_id: row for row in db.session.execute(_last_runs(ids))}
    counted = {row.id: row for row in db.session.execute(_counted(ids, midnight))}
    return {profile.id: _state(profile, last.get(profile.id), counted[profile.id]) for profile in files}


def _state(profile: Profile, last: sa.Row[Any] | None, counted: sa.Row[Any]) -> FileState:
    zone = ZoneInfo(profile.time_zone or installed.config().account_time_zone)
    makes_files = profile.enabled and not profile.paused and profile.live_routes
    coming = times(profile, utc_now())[:1] if makes_files else []
    return FileState(
        when=when(profile, zone),
        next=shown.when(coming[0].at) if coming else None,
        waiting=sum(ledger.waiting(db.session(), profile).values()),
        last=last,
        troubled=counted.held + counted.failing,
        done=counted.done,
    )


def _last_runs(ids: list[int]) -> sa.Select[Any]:
    """Find each profile's last run that has begun; the index gives it without reading the others."""
    ours = sa.select(sa.func.unnest(sa.cast(ids, ARRAY(sa.BigInteger()))).label("id")).subquery()
    begun = (
        sa.select(Run.id)
        .where(Run.profile_id == ours.c.id, Run.state.not_in([RunState.PLANNED.value, RunState.CANCELLED.value]))
        .order_by(Run.id.desc())
        .limit(1)
        .lateral()
    )
    return runs.listed().where(Run.id.in_(sa.select(begun.c.id).select_from(ours.join(begun, sa.true()))))


def _counted(ids: list[int], midnight: datetime) -> sa.Select[Any]:
    held = sa.select(sa.func.count()).where(Run.profile_id == Profile.id, Run.state == RunState.HELD.value)
    failing = sa.select(sa.func.count()).where(
        Upload.profile_id == Profile.id,
        sa.or_(
            Upload.state == UploadState.HELD.value,
            sa.and_(Upload.state == UploadState.PENDING.value, Upload.failures > 0),
        ),
    )
    # A file that nobody uploads is at its place once it is written.
    written = sa.select(sa.func.count()).where(
        Run.profile_id == Profile.id,
        Run.written_at >= midnight,
        Run.state == RunState.WRITTEN.value,
        Profile.export_type == "csv",
    )
    delivered = sa.select(sa.func.count()).where(
        Upload.profile_id == Profile.id,
        Upload.finished_at >= midnight,
        Upload.state == UploadState.DELIVERED.value,
        ~Upload.looks_only,
    )
    return sa.select(
        Profile.id,
        held.scalar_subquery().label("held"),
        failing.scalar_subquery().label("failing"),
        (written.scalar_subquery() + delivered.scalar_subquery()).label("done"),
    ).where(Profile.id.in_(ids))
