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
