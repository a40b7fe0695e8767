"""Send deliveries again: those that the filters match, as a job."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response

from models import replay
from models.account import Scope
from models.base import db
from models.rules.mapping import Fault
from web import audit, installed
from web.api import shapes
from web.api.answers import answer
from web.api.bodies import read_object
from web.api.described import describe
from web.api.door import actor, api, require
from web.api.errors import Refusal
from web.api.queries import STATES
from web.audit import Act
from web.profiles.faults import is_storable, unknown_keys

TEXTS = ("profile", "state", "customerId", "eventId")
TIMES = ("from", "to")


@api.post("/deliveries/replay")
@require(Scope.OPERATE)
@describe(
    "Send deliveries again.",
    body=shapes.Replay,
    answers={202: shapes.Replaying},
    note="perSecond sets a pace. The key of each delivery stays the same, so a receiver can tell a repeat. Orders of a test card never go.",
)
def replay_deliveries() -> Response:
    """Write the replay down as a job, or count what it would do."""
    body = read_object()
    is_dry = body.pop("dryRun", False)
    per_second = body.pop("perSecond", None)
    filters, faults = read_filters(body, ZoneInfo(installed.config().account_time_zone))
    if not isinstance(is_dry, bool | None):
        faults.append(Fault("dryRun", "Give true or false."))
    if not is_pace(per_second):
        faults.append(Fault("perSecond", f"Give a number from 0.1 to {replay.MOST_PER_SECOND}, or null for no limit."))
    if faults:
        raise Refusal(422, "The filters are refused; see the details.", faults)
    matched = replay.count(db.session(), filters)
    if is_dry:
        return answer({"job": None, "matched": matched}, 202)
    job = replay.start(db.session(), filters, actor=actor(), matched=matched, per_second=per_second)
    job_id = job.id
    audit.note(Act.REPLAYED, f"job {job_id}", actor=actor(), text=f"{matched} deliveries", after=body)
    db.session.commit()
    installed.ring()
    return answer({"job": str(job_id), "matched": matched}, 202)


def is_pace(given: object) -> bool:
    """Say whether this can be a replay's pace."""
    if given is None:
        return True
    return isinstance(given, int | float) and not isinstance(given, bool) and 0.1 <= given <= replay.MOST_PER_SECOND


def read_filters(given: Mapping[str, Any], zone: ZoneInfo) -> tuple[replay.Filters, list[Fault]]:
    """Read the filters of a replay. zone: the account's, for times without an offset."""
    faults = list(unknown_keys(given, (*TEXTS, *TIMES)))
    texts = {key: _text(given.get(key), key, faults) for key in TEXTS}
    times = {key: _time(given.get(key), key, zone, faults) for key in TIMES}
    if texts["state"] is not None and texts["state"] not in STATES:
        faults.append(Fault("state", f"Give one of {', '.join(STATES)}."))
    filters = replay.Filters(
        profile=texts["profile"],
        state=texts["state"],
        customer_id=texts["customerId"],
        event_id=texts["eventId"],
        since=times["from"],
        until=times["to"],
    )
    return filters, faults


def _text(given: object, key: str, faults: list[Fault]) -> str | None:
    if given is None:
        return None
    text = str(given) if key == "customerId" and isinstance(given, int) and not isinstance(given, bool) else given
    if not isinstance(text, str) or not is_storable(text):
        faults.append(Fault(key, "Give a text."))
        return None
    return text


def _time(given: object, key: str, zone: ZoneInfo, faults: list[Fault]) -> datetime | None:
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given if isinstance(given, str) else "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        faults.append(Fault(key, "Give a time such as 2026-11-23T10:00:00-05:00."))
        return None
