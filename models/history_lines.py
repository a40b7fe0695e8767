"""One readable line for each thing that happened to a customer. Pure but for its rows."""

from __future__ import annotations

import http
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

VIEW = "View"
"""The last word of a line whose request can be looked at; pages make it the link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What the line of one delivery is made from. tried: its last attempt's words, None when there is none left."""

    subject: str  # Order B94140F702 (New Sale)
    profile: str
    profile_id: int
    state: str
    reason: str | None
    due_at: datetime
    tries: int
    tried: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """What the line of one row of a file is made from.

    state: pending, held, delivered, skipped or cancelled; delivered is written where nothing is uploaded. file: its
    name, None until it is written. place: "row 17", or "order 17" where an order may have several rows.
    trouble: why it is not where it belongs yet.
    """

    subject: str  # Order B94140F702 (Partial)
    profile: str
    profile_id: int
    state: str
    reason: str | None
    file: str | None = None
    place: str | None = None
    trouble: str | None = None


def attempt_words(status: int | None, error: str | None) -> str | None:
    """Say how an attempt ended: "200 OK", "404 Not Found", "timeout after 30 s"."""
    if error:
        return error.rstrip(".")
    if status is None:
        return None
    try:
        return f"{status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def export_text(export: Export, *, now: datetime, zone: ZoneInfo) -> str:
    """Write the line of a delivery, without the word View."""
    target = f'to "{export.profile}" ({export.profile_id})'
    if export.state == "delivered":
        return f"{export.subject} exported {target}: {export.tried or 'delivered'}."
    if export.state == "skipped":
        return f"{export.subject} not exported {target}: skipped: {export.reason}"
    if export.state == "cancelled":
        return f"{export.subject} not exported {target}: {_cancelled(export.reason)}"
    ending = _ending(export, now, zone)
    if export.tried is None:
        return f"{export.subject} not yet exported {target}: {ending}"
    return f"{export.subject} not exported {target}: {export.tried}. Try {export.tries}, {ending}."


def file_text(row: FileRow) -> str:
    """Write the line of a row of a file, without the word View."""
    profile = f'of "{row.profile}" ({row.profile_id})'
    if row.state == "skipped":
        return f"{row.subject} not exported in a file {profile}: skipped: {row.reason}"
    if row.state == "cancelled":
        return f"{row.subject} not exported in a file {profile}: {_cancelled(row.reason)}"
    if row.file is None:
        waits = f"held: {row.reason}" if row.state == "held" else row.reason or "waits for the next run"
        return f"{row.subject} not yet exported in a file {profile}: {waits}"
    there = f"in {row.file}, {row.place}, {profile}"
    if row.state == "delivered":
        return f"{row.subject} exported {there}."
    ending = f"held: {row.reason}" if row.state == "held" else row.reason or "not uploaded yet"
    trouble = f"{row.trouble.rstrip('.')}; " if row.trouble else ""
    return f"{row.subject} not yet exported, written {there}: {trouble}{ending}."


def _cancelled(reason: str | None) -> str:
    if reason is None or reason.startswith("cancelled"):
        return reason or "cancelled"
    return f"cancelled: {reason}"


def _ending(export: Export, now: datetime, zone: ZoneInfo) -> str:
    if export.state == "held":
        return f"held: {export.reason}"
    if export.state == "leased":
        return "being sent"
    return f"next {_clock(export.due_at, now, zone)}"


def _clock(moment: datetime, now: datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    is_near = abs(moment - now) < timedelta(hours=12)
    return f"{local:%H:%M:%S}" if is_near else f"{local:%Y-%m-%d %H:%M:%S}"
