"""How profiles are doing, as home and the list of profiles show it: by queries that do not grow with the deliveries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import selectinload

from models import tallies
from models.base import db, utc_now
from models.gates import gate_reason
from models.profile import Gate, Profile
from models.run import Run, RunState
from models.waiting import WAITING
from web import installed
from web.admin.chart import DAYS, Chart, chart_of, fortnight
from web.admin.file_states import FileState, file_states
from web.admin.targets import is_clear_text, label_of, target_of


@dataclass(frozen=True, slots=True)
class ProfileState:
    """One profile on a list. closed: why nothing goes out; None while it does. file: of a file profile only.

    waiting has pending, retrying and oldest, of a postback profile only. last: (outcome, when) of its last try.
    """

    profile: Profile
    closed: str | None
    fault: str | None
    fault_message: str | None
    fault_since: datetime | None
    label: str
    target: str
    is_clear_text: bool
    waiting: sa.Row[Any] | None
    file: FileState | None
    delivered: int
    failed: int
    last: tuple[str, datetime] | None
    chart: Chart


def listed() -> sa.Select[Any]:
    """Select the living profiles with what `states_of` wants to know, without an order."""
    return (
        sa.select(Profile, gate_reason.label("closed"), Gate.fault, Gate.fault_message, Gate.fault_since)
        .outerjoin(Gate, Gate.profile_id == Profile.id)
        .where(Profile.deleted_at.is_(None))
        .options(selectinload(Profile.mappings), selectinload(Profile.routes))
    )


def waiting() -> dict[int, sa.Row[Any]]:
    """Count what waits for each profile, by its id."""
    return {row.id: row for row in db.session.execute(WAITING)}


def states_of(rows: Sequence[sa.Row[Any]], waits: Mapping[int, sa.Row[Any]]) -> list[ProfileState]:
    """Give the state of each row of `listed`."""
    midnight = utc_now().astimezone(account_zone()).replace(hour=0, minute=0, second=0, microsecond=0)
    files = file_states([row.Profile for row in rows], midnight)
    days, last = _tries([row.Profile.id for row in rows if row.Profile.id not in files], midnight.date())
    days |= _written(list(files), midnight)
    return [
        ProfileState(
            profile=row.Profile,
            closed=row.closed,
            fault=row.fault,
            fault_message=row.fault_message,
            fault_since=row.fault_since,
            label=label_of(row.Profile.export_type),
            target=target_of(row.Profile),
            is_clear_text=is_clear_text(row.Profile),
            waiting=waits.get(row.Profile.id),
            file=files.get(row.Profile.id),
            delivered=days.get(row.Profile.id, {}).get(midnight.date(), (0, 0))[0],
            failed=days.get(row.Profile.id, {}).get(midnight.date(), (0, 0))[1],
            last=last.get(row.Profile.id),
            chart=chart_of(
                fortnight(days.get(row.Profile.id, {}), midnight.date()),
                "orders in files" if row.Profile.id in files else "delivered",
            ),
        )
        for row in rows
    ]


def account_zone() -> ZoneInfo:
    """Give the zone that decides what a day is."""
    return ZoneInfo(installed.config().account_time_zone)


_Days = dict[int, dict[date, tuple[int, int]]]


def _tries(ids: list[int], today: date) -> tuple[_Days, dict[int, tuple[str, datetime]]]:
    """Give (delivered, failed tries) by profile and day, and what came of each profile's last try."""
    days: _Days = {}
    last: dict[int, tuple[str, datetime]] = {}
    for row in tallies.days(db.session(), ids, since=today - timedelta(days=DAYS - 1)):
        days.setdefault(row.profile_id, {})[row.day] = (int(row.delivered), int(row.failed))
        for outcome, at in (("delivered", row.delivered_at), ("failed", row.failed_at)):
            if at is not None and (row.profile_id not in last or last[row.profile_id][1] < at):
                last[row.profile_id] = (outcome, at)
    return days, last


def _written(ids: list[int], midnight: datetime) -> _Days:
    """Give (orders written, files that could not be made) by file profile and day."""
    if not ids:
        return {}
    day = sa.cast(sa.func.timezone(midnight.tzinfo.key, sa.func.coalesce(Run.written_at, Run.created_at)), sa.Date)  # type: ignore[union-attr]
    held = Run.state == RunState.HELD.value
    days: _Days = {}
    found = sa.select(
        Run.profile_id, day, sa.func.sum(sa.case((held, 0), else_=Run.orders)), sa.func.count().filter(held)
    ).where(
        Run.profile_id.in_(ids),
        Run.created_at >= midnight - timedelta(days=DAYS),
        Run.state.in_([RunState.WRITTEN.value, RunState.HELD.value]),
    )
    for profile_id, on, orders, failed in db.session.execute(found.group_by(Run.profile_id, day)):
        days.setdefault(profile_id, {})[on] = (int(orders or 0), failed)
    return days
