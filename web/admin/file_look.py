"""What pages show of the files a profile would make: the sentence, the next times, names, first lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from exporters.errors import BadSettings
from models.base import utc_now
from models.profile import Profile
from models.rules import schedule
from models.rules.event_document import NewEvent
from models.rules.schedule import BadSchedule
from web import installed
from web.file_preview import TIMES, NoFile, RouteFile, first_lines, of_event, route_files, times
from web.file_words import place, sentence, time_words
from web.profiles.head import time_zones
from web.profiles.routes import RouteKey


def look_at_files(
    profile: Profile, sample: NewEvent, *, known: Sequence[RouteKey] | None = None, event: NewEvent | None = None
) -> dict[str, Any]:
    """Give what `preview_files.html` shows. known: the routes that were on before; event: show its lines instead."""
    now, zone = utc_now(), ZoneInfo(profile.time_zone or installed.config().account_time_zone)
    seen: dict[str, Any] = _clock(zone) | {"files": [], "lines": [], "is_sample": False, "fault": None}
    seen["times"] = [time_words(slot) for slot in times(profile, now)]
    try:
        files = route_files(profile, now, known)
        seen |= {"files": files, "sentence": sentence(profile, sum(file.waiting for file in files), zone=zone)}
        if event is not None:
            name, lines = of_event(profile, event, now)
            seen |= {"lines": lines, "lines_of": name}
        elif files:
            seen |= _first_lines(profile, files, sample)
    except (NoFile, BadSettings) as error:
        seen["fault"] = str(error)
    return seen


def half_a_look(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give the next times of a form that cannot be saved yet: while somebody types, the rest may be missing."""
    name = document.get("timeZone")
    zone = ZoneInfo(name if name in time_zones() else installed.config().account_time_zone)
    try:
        settings = document.get("settings") or {}
        slots = schedule.parse(str(settings.get("schedule") or "")).coming(zone, utc_now(), TIMES)
    except BadSchedule as error:
        return _clock(zone) | {"times": [], "times_fault": str(error)}
    return _clock(zone) | {"times": [time_words(slot) for slot in slots]}


def _first_lines(profile: Profile, files: Sequence[RouteFile], sample: NewEvent) -> dict[str, Any]:
    """Take the first route of which something waits, else the first."""
    file = next((one for one in files if one.waiting), files[0])
    route = next(one for one in profile.live_routes if one.id == file.route_id)
    lines, is_sample = first_lines(profile, route, sample)
    return {"lines": lines, "is_sample": is_sample, "lines_of": file.name}


def _clock(zone: ZoneInfo) -> dict[str, Any]:
    return {"place": place(zone), "clock": f"{utc_now().astimezone(zone):%H:%M}"}
