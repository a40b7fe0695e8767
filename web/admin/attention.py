"""What needs a person, worst first: each with the way to mend it. Nothing here is silent until it is over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from flask import url_for

from models.account import Role
from models.alerts import STEPS, Alert
from models.base import db, utc_now
from models.gates import gate_reason
from models.ledger import FILE_KINDS
from models.profile import Gate, Profile, Route
from models.run import Run, RunState, Upload, UploadState
from models.waiting import MOST_COUNTED
from web.admin.shown import amount, span, type_label
from web.guard import may
from web.health import look

LEVELS = dict(zip(STEPS, ("danger", "warning", "info"), strict=True))
"""How loud each step of an alert is."""

PCI_AHEAD = timedelta(days=30)
LATEST = 5_000
_RANK = {"danger": 0, "warning": 1, "info": 2}

HOUSE = {
    "schedule": ("danger", "The schedule is silent. Is the scheduler running?"),
    "workers": ("danger", "No worker has been seen for a minute: nothing is sent. Is the worker running?"),
    "redis": (
        "warning",
        "Redis, the bell, cannot be reached. Nothing is lost: the workers at work go on without it, some seconds later. Workers that start now wait for it.",
    ),
    "redis eviction policy": ("warning", "Redis may throw jobs away: set its maxmemory-policy to noeviction."),
    "files": ("warning", "A file should have been begun more than 15 minutes ago. Is the worker running?"),
    "keys": ("danger", "Some stored secrets cannot be opened: a key is missing in ENCRYPTION_KEYS."),
    "limits": ("warning", "Statements run without a time limit: see PgBouncer in docs/operations.md."),
}

# Only what came last is looked at: events that nobody wants are told by the first thousands of them.
UNROUTED = sa.text(
    f"""/* home: events of the last day that no profile took */
    SELECT e.customer_type, e.campaign_id, c.name, count(*) AS events
    FROM (SELECT id, customer_type, campaign_id, accepted_at, history_only, refusal, routed_at FROM events
        ORDER BY id DESC LIMIT {LATEST}) AS e
    LEFT JOIN campaigns c ON c.campaign_id = e.campaign_id
    WHERE e.accepted_at > now() - interval '24 hours' AND NOT e.history_only AND e.refusal IS NULL
      AND e.routed_at IS NOT NULL
      AND NOT EXISTS (SELECT FROM deliveries d WHERE d.event_id = e.id)
      AND NOT EXISTS (SELECT FROM file_items f WHERE f.event_id = e.id)
    GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2 LIMIT 5"""  # noqa: S608 -- a constant of ours
)


@dataclass(frozen=True, slots=True)
class Concern:
    """One line under "Needs attention". act: a button's label and where it posts to."""

    level: str
    words: str
    name: str | None = None
    href: str | None = None
    more: str | None = None
    since: datetime | None = None
    act: tuple[str, str] | None = None
    profile_id: int | None = None


def concerns(waits: Mapping[int, sa.Row[Any]]) -> list[Concern]:
    """Give everything that needs a person now."""
    found = [*_house(), *_profiles(waits), *_unrouted()]
    return sorted(found, key=lambda one: _RANK[one.level])


def _house() -> Iterator[Concern]:
    refusals, degraded = look()
    for refusal in refusals:
        yield Concern("danger", f"No event can be taken: {refusal}.")
    for name in degraded:
        level, words = HOUSE[name]
        yield Concern(level, words)


def _profiles(waits: Mapping[int, sa.Row[Any]]) -> Iterator[Concern]:
    files = {row.profile_id: row for row in db.session.execute(_failed_files())}
    for row in db.session.execute(_looked_at()):
        found = list(_of_profile(row, waits.get(row.id), files.get(row.id)))
        yield from found or _alerted(row)
        yield from _pci(row)


def _of_profile(row: sa.Row[Any], wait: sa.Row[Any] | None, files: sa.Row[Any] | None) -> Iterator[Concern]:
    if row.fault is not None and row.enabled:
        yield _faulty(row, wait)
    elif not row.has_route and row.enabled:
        href = url_for("profile.edit" if may(Role.EDITOR) else "preview.one", profile_id=row.id)
        yield Concern("info", "has no route: it sends nothing.", row.name, href, profile_id=row.id)
    elif wait is not None and wait.oldest is not None and row.closed is None:
        yield from _old(row, wait)
    if files is not None and row.fault is None:
        yield _troubled(row, files)


def _alerted(row: sa.Row[Any]) -> Iterator[Concern]:
    """Tell of an alert that nothing else explains: a file that nobody makes, a lone delivery that is just being tried."""
    if row.alert is not None and row.closed is None:
        href = url_for("runs.index" if row.export_type in FILE_KINDS else "deliveries.index", profile=row.id)
        words = f"its exports have waited for more than {span(timedelta(hours=row.alert))}."
        yield Concern(LEVELS[row.alert], words, row.name, href, since=row.alert_since, profile_id=row.id)


def _faulty(row: sa.Row[Any], wait: sa.Row[Any] | None) -> Concern:
    is_file = row.export_type in FILE_KINDS
    href = (
        url_for("runs.index", profile=row.id) if is_file else url_for("deliveries.index", profile=row.id, state="held")
    )
    more = [f"It said: {row.fault_message}." if row.fault_message else ""]
    if wait is not None and wait.pending:
        more.append(f"{_many(wait.pending, 'waits', 'wait')}, the oldest for {span(utc_now() - wait.oldest)}.")
    return Concern(
        "danger",
        f"{row.closed}.",
        row.name,
        href,
        " ".join(part for part in more if part),
        row.fault_since,
        ("Resume", url_for("profiles.resume", profile_id=row.id)) if may(Role.OPERATOR) else None,
        row.id,
    )


def _old(row: sa.Row[Any], wait: sa.Row[Any]) -> Iterator[Concern]:
    age = utc_now() - wait.oldest
    level = next((LEVELS[step] for step in STEPS if age >= timedelta(hours=step)), None)
    if level is not None:
        words = f"{_many(wait.pending, 'waits', 'wait')}, the oldest for {span(age)}."
        href = url_for("deliveries.index", profile=row.id, state="pending")
        yield Concern(level, words, row.name, href, profile_id=row.id)


def _troubled(row: sa.Row[Any], files: sa.Row[Any]) -> Concern:
    parts = [
        f"{_many(files.held, 'file', 'files')} could not be made" if files.held else "",
        f"{_many(files.failing, 'upload', 'uploads')} failed" if files.failing else "",
    ]
    words = f"{' and '.join(part for part in parts if part)}."
    level = "danger" if files.held else "warning"
    return Concern(level, words, row.name, url_for("runs.index", profile=row.id), files.error, profile_id=row.id)


def _pci(row: sa.Row[Any]) -> Iterator[Concern]:
    if not row.enabled or row.pci_valid_until is None or row.pci_valid_until > (utc_now() + PCI_AHEAD).date():
        return
    is_over = row.pci_valid_until < utc_now().date()
    words = f"its PCI document {'ended' if is_over else 'ends'} on {row.pci_valid_until}."
    href = url_for("profile.edit" if may(Role.EDITOR) else "preview.one", profile_id=row.id)
    yield Concern("warning" if is_over else "info", words, row.name, href, profile_id=row.id)


def _unrouted() -> Iterator[Concern]:
    rows = db.session.execute(UNROUTED).all()
    if rows:
        kinds = [
            type_label(row.customer_type) + (f' of campaign "{row.name or row.campaign_id}"' if row.campaign_id else "")
            for row in rows
        ]
        words = "Events of the last 24 hours that no profile takes: " + "; ".join(
            f"{kind} ({amount(row.events)})" for kind, row in zip(kinds, rows, strict=True)
        )
        more = f"Add a route where somebody should hear of them. Looked at: the latest {amount(LATEST)} events."
        yield Concern("info", f"{words}.", "Routes", url_for("profiles.index"), more)


def _looked_at() -> sa.Select[Any]:
    has_route = sa.exists().where(Route.profile_id == Profile.id, Route.enabled)
    return (
        sa.select(
            Profile.id,
            Profile.name,
            Profile.export_type,
            Profile.enabled,
            gate_reason.label("closed"),
            Gate.fault,
            Gate.fault_message,
            Gate.fault_since,
            Profile.pci_valid_until,
            has_route.label("has_route"),
            Alert.hours.label("alert"),
            Alert.since.label("alert_since"),
        )
        .outerjoin(Gate, Gate.profile_id == Profile.id)
        .outerjoin(Alert, Alert.profile_id == Profile.id)
        .where(Profile.deleted_at.is_(None))
        .order_by(sa.func.lower(Profile.name))
    )


def _failed_files() -> sa.Select[Any]:
    """Count files that could not be made and uploads that fail, by profile; partial indexes hold what is open."""
    held = sa.select(
        Run.profile_id, sa.literal(1).label("held"), sa.literal(0).label("failing"), Run.error.label("error")
    ).where(Run.state == RunState.HELD.value)
    failing = sa.select(Upload.profile_id, sa.literal(0), sa.literal(1), Upload.error).where(
        sa.or_(
            Upload.state == UploadState.HELD.value,
            sa.and_(Upload.state == UploadState.PENDING.value, Upload.failures > 0),
        )
    )
    both = sa.union_all(held, failing).subquery()
    return sa.select(
        both.c.profile_id,
        sa.func.sum(both.c.held).label("held"),
        sa.func.sum(both.c.failing).label("failing"),
        sa.func.max(both.c.error).label("error"),
    ).group_by(both.c.profile_id)


def _many(count: int, one: str, more: str) -> str:
    if count >= MOST_COUNTED:
        return f"{amount(MOST_COUNTED)} or more {more}"
    return f"{amount(count)} {one if count == 1 else more}"
