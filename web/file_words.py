"""A file profile in one sentence: what it takes, when, and how much waits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from zoneinfo import ZoneInfo

from exporters.registry import file_exporter
from models.ledger import MOST_COUNTED
from models.profile import Profile
from models.rules import schedule
from models.rules.schedule import BadSchedule, Slot
from models.snapshots import RouteFacts

MOST_NAMED = 3


def sentence(profile: Profile, waiting: int | None, *, zone: ZoneInfo) -> str:
    """Say it all, as in: Sends each New Sale of Lander once, daily at 06:00 New York; 1,284 wait."""
    facts = [RouteFacts.of(route) for route in profile.live_routes]
    if not facts:
        return "It has no route: it makes no files."
    does, to = ("Sends", "") if file_exporter(profile.export_type).uploads else ("Writes", ", for download")
    waits = "" if waiting is None else f"; {count(waiting)} {'waits' if waiting == 1 else 'wait'}"
    return f"{does} {_listed(facts)} once, {when(profile, zone)}{to}{waits}."


def when(profile: Profile, zone: ZoneInfo) -> str:
    """Say when it makes its files: "daily at 06:00 New York"."""
    try:
        found = schedule.parse(str(profile.settings.get("schedule", "")))
    except BadSchedule:  # another program wrote it
        return "at times that cannot be read"
    if found.is_manual:
        return found.words
    return f"{'on ' if found.words[0].isupper() else ''}{found.words} {place(zone)}"


def place(zone: ZoneInfo) -> str:
    """Name a zone as people do: New York."""
    return zone.key.rpartition("/")[2].replace("_", " ")


def count(waiting: int) -> str:
    """Write a number of rows; what was not counted to its end says so."""
    return f"{waiting:,} or more" if waiting >= MOST_COUNTED else f"{waiting:,}"


def time_words(slot: Slot) -> tuple[str, str, str]:
    """Write a slot: local, in UTC, and what the clock's jump made of it."""
    return f"{slot.local:%a %Y-%m-%d %H:%M %Z}", f"{slot.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC", slot.note


def _listed(facts: Sequence[RouteFacts]) -> str:
    *before, last = [_route(one) for one in facts[:MOST_NAMED]]
    if more := len(facts) - MOST_NAMED if len(facts) > MOST_NAMED else 0:
        return f"{', '.join([*before, last])} and what {more} more {'routes take' if more > 1 else 'route takes'}"
    return f"{', '.join(before)} and {last}" if before else last


def _route(facts: RouteFacts) -> str:
    kind, campaign, product = facts.words
    of = f" of {campaign}" if facts.campaign else ""
    return f"each {kind}{of}{f' with {product}' if facts.product else ''}"
