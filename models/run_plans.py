"""Runs that are due: the tick writes down what each schedule asks for, a person what he wants now.

Planning is safe to do twice, and by two at once: a slot has one run per route, by its key. planned_until says up to
where a profile's slots have their runs or are not owed.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa
from sqlalchemy.orm import Session, object_session

from models.profile import Profile
from models.rules.schedule import DEFAULT, MOST_TIMES, Slot, parse
from models.run import MANUAL

log = logging.getLogger(__name__)

_parsed = lru_cache(maxsize=1024)(parse)

PLANNING_LOCK = 5_714_016
MOST_CAUGHT_UP = 31
IN_TIME = timedelta(minutes=15)
"""A slot is missed when nobody has planned it for so long: a deploy's pause is no downtime."""

CHECKED = timedelta(hours=24)

MOVE_ON_AFTER = timedelta(hours=1)
"""A yearly schedule must not be read back to last year at every tick."""

CANDIDATES = sa.text(
    f"""/* planning: file profiles that may make files */
    SELECT p.id, coalesce(p.settings ->> 'schedule', '{DEFAULT}') AS schedule, p.settings ->> 'catchUp' AS catch_up, p.time_zone,
        p.planned_until, p.updated_at
    FROM profiles p JOIN gates g ON g.profile_id = p.id
    WHERE p.export_type IN ('csv', 'ftp') AND p.enabled AND NOT p.paused AND p.deleted_at IS NULL
      AND g.fault IS DISTINCT FROM 'making' AND (CAST(:id AS bigint) IS NULL OR p.id = :id)
    ORDER BY p.id"""  # noqa: S608 -- a constant of ours
)

# Whoever saves the profile at this moment wins: the next tick plans by what he saved.
LOCK = sa.text(
    "/* planning: alone with the profile */ SELECT FROM profiles WHERE id = :id FOR NO KEY UPDATE SKIP LOCKED"
)

PLAN = sa.text(
    """/* planning: a run for each route and slot */
    INSERT INTO runs (profile_id, route_id, slot, slot_at, period, takes_before, due_at)
    SELECT r.profile_id, r.id, n.slot, n.slot_at, n.period, n.takes_before, n.slot_at
    FROM jsonb_to_recordset(CAST(:slots AS jsonb)) AS n (slot text, slot_at timestamptz, period date,
        takes_before timestamptz)
    JOIN routes r ON r.profile_id = :profile_id AND r.enabled
    ORDER BY n.slot_at, r.id
    ON CONFLICT (route_id, slot, part) DO NOTHING"""
)

PLANNED = sa.text("/* planning: done up to here */ UPDATE profiles SET planned_until = :until WHERE id = :id")


# Locked by the planning lock: two who press at once get the same runs, and numbers do not clash.
RUN_NOW = sa.text(
    """/* planning: a run by hand for each route that has none waiting */
    INSERT INTO runs (profile_id, route_id, slot, slot_at, period, created_by)
    SELECT r.profile_id, r.id, :slot, now(), (now() AT TIME ZONE :zone)::date, :actor
    FROM routes r
    WHERE r.profile_id = :profile_id AND r.enabled AND NOT EXISTS (SELECT FROM runs w WHERE w.route_id = r.id
        AND w.state = 'planned' AND w.source_id IS NULL AND starts_with(w.slot, 'manual-'))"""
)

WAITING_BY_HAND = sa.text(
    """/* planning: the runs by hand that wait */
    SELECT w.id FROM runs w JOIN routes r ON r.id = w.route_id AND r.enabled
    WHERE w.profile_id = :profile_id AND w.state = 'planned' AND w.source_id IS NULL AND starts_with(w.slot, 'manual-')
    ORDER BY w.route_id, w.id"""
)

LAST_MANUAL = sa.text(
    """/* planning: the last number of a run by hand */
    SELECT coalesce(max(CAST(substring(slot FROM '^manual-([0-9]{1,18})$') AS bigint)), 0) FROM runs
    WHERE profile_id = :profile_id"""
)


HAD = sa.text(
    """/* planning: which of these slots have runs already */
    SELECT DISTINCT slot FROM runs WHERE profile_id = :profile_id AND slot = ANY(:slots)"""
)

WITHOUT_RUN = sa.text(
    """/* planning: routes whose run of a slot is missing */
    SELECT r.id FROM routes r WHERE r.profile_id = :profile_id AND r.enabled AND r.created_at < :slot_at
      AND NOT EXISTS (SELECT FROM runs w WHERE w.route_id = r.id AND w.slot = :slot) ORDER BY r.id"""
)


@dataclass(frozen=True, slots=True)
class _Due:
    """A slot that wants its runs. takes_before: only rows accepted before it; None: all that are ready."""

    slot: Slot
    takes_before: datetime | None = None


def plan_runs(engine: sa.Engine, now: datetime, account_time_zone: str) -> int:
    """Write down the runs that are due. Returns how many are new.

    Each profile is a transaction of its own. One whose schedule cannot be read keeps no other from its files.
    """
    with engine.connect() as connection:
        candidates = connection.execute(CANDIDATES, {"id": None}).all()
    made = 0
    for candidate in candidates:
        try:
            if _slots(candidate, now, account_time_zone) or now - candidate.planned_until > MOVE_ON_AFTER:
                made += _plan_one(engine, candidate.id, now, account_time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:  # a schedule or zone that came by SQL
            log.warning("runs.not_planned", extra={"profile_id": candidate.id, "error": str(error)})
    return made


def run_now(session: Session, profile: Profile, *, actor: str, account_time_zone: str) -> list[int]:
    """Have a file made of all that is ready, for each route. Returns the runs; one that waits already is not doubled."""
    slot = next_manual(session, profile.id)
    values = {"profile_id": profile.id, "zone": profile.time_zone or account_time_zone, "slot": slot, "actor": actor}
    session.execute(RUN_NOW, values)
    return list(session.scalars(WAITING_BY_HAND, {"profile_id": profile.id}))


def next_manual(session: Session, profile_id: int) -> str:
    """Give the next free slot of a run by hand; it is the caller's to the end of the transaction."""
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(PLANNING_LOCK)))
    return f"{MANUAL}-{session.scalars(LAST_MANUAL, {'profile_id': profile_id}).one() + 1}"


def next_runs(profile: Profile, now: datetime, account_time_zone: str, count: int = 5) -> list[Slot]:
    """Give the next times a profile makes its files; none if a person starts them. Raises BadSchedule.

    A time that was moved to later on the same day is left out: that day's slot has had its runs.
    """
    schedule = _parsed(str(profile.settings.get("schedule", DEFAULT)))
    zone = ZoneInfo(profile.time_zone or account_time_zone)
    coming = schedule.coming(zone, now, count + MOST_TIMES)
    session = object_session(profile)
    values = {"profile_id": profile.id, "slots": [slot.key for slot in coming]}
    had = set(session.scalars(HAD, values)) if session is not None else set()
    return [slot for slot in coming if slot.key not in had][:count]


def slots_without_runs(engine: sa.Engine, now: datetime, account_time_zone: str) -> list[str]:
    """Compare the last slot of each schedule in the last day with the runs there are; for the daily check.

    What a save has moved is not asked for, nor what the policy lets go. Each is told as "route 7, 2026-11-23 #1".
    """
    missing: list[str] = []
    with engine.connect() as connection:
        for profile in connection.execute(CANDIDATES, {"id": None}).all():
            slot = _last_owed(profile, now, account_time_zone)
            if slot is not None:
                values = {"profile_id": profile.id, "slot": slot.key, "slot_at": slot.at}
                missing += [f"route {route}, {slot.key}" for route in connection.scalars(WITHOUT_RUN, values)]
    return missing


def _last_owed(profile: sa.Row[Any], now: datetime, account_time_zone: str) -> Slot | None:
    if profile.catch_up == "skip":
        return None
    since = max(now - CHECKED, profile.updated_at)
    try:
        zone = ZoneInfo(profile.time_zone or account_time_zone)
        slots = _parsed(profile.schedule).slots(zone, after=since, until=now - IN_TIME, most=1)
    except (ZoneInfoNotFoundError, ValueError):  # every tick says so
        return None
    return slots[0] if slots else None


def _plan_one(engine: sa.Engine, profile_id: int, now: datetime, account_time_zone: str) -> int:
    with engine.begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(PLANNING_LOCK)))
        if connection.execute(LOCK, {"id": profile_id}).one_or_none() is None:
            return 0
        profile = connection.execute(CANDIDATES, {"id": profile_id}).one_or_none()
        if profile is None:  # paused a moment ago
            return 0
        due = _due(_slots(profile, now, account_time_zone), profile.catch_up or "one", now)
        made = 0
        if due:
            made = connection.execute(PLAN, {"slots": _as_json(due), "profile_id": profile_id}).rowcount
        connection.execute(PLANNED, {"id": profile_id, "until": now})
    if made:
        log.info("runs.planned", extra={"profile_id": profile_id, "runs": made, "slots": len(due)})
    return made


def _slots(profile: sa.Row[Any], now: datetime, account_time_zone: str) -> list[Slot]:
    zone = ZoneInfo(profile.time_zone or account_time_zone)
    return _parsed(profile.schedule).slots(zone, after=profile.planned_until, until=now, most=MOST_CAUGHT_UP)


def _due(slots: Sequence[Slot], catch_up: str, now: datetime) -> list[_Due]:
    """Choose the slots that get runs, by the profile's policy for missed ones. No policy loses rows."""
    if catch_up == "skip":
        slots = [slot for slot in slots if now - slot.at <= IN_TIME]
    if catch_up != "each":
        slots = slots[-1:]
    return [*(_Due(slot, takes_before=slot.at) for slot in slots[:-1]), *(_Due(slot) for slot in slots[-1:])]


def _as_json(due: Sequence[_Due]) -> str:
    return json.dumps(
        [
            {
                "slot": one.slot.key,
                "slot_at": one.slot.at.isoformat(),
                "period": one.slot.period.isoformat(),
                "takes_before": one.takes_before and one.takes_before.isoformat(),
            }
            for one in due
        ]
    )
