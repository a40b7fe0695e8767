"""Local times as instants: what a clock that jumps does to a time of day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo


def instant(local: datetime, zone: ZoneInfo) -> tuple[datetime, str]:
    """Give the one instant, in UTC, that a naive local time means in a zone, and what is odd about it ("": nothing).

    A time that does not exist (spring) means the first instant after the gap. A time that comes twice (autumn) means
    the first.
    """
    before, after = (_offset(local.replace(tzinfo=zone, fold=fold)) for fold in (0, 1))
    earliest, latest = (local - after).replace(tzinfo=UTC), (local - before).replace(tzinfo=UTC)
    if before == after:
        return latest, ""
    if before > after:
        return latest, f"{local:%H:%M} comes twice that day: the first counts"
    return _first_with(after, earliest, latest, zone), f"{local:%H:%M} does not exist that day"


def _first_with(offset: timedelta, before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Find the clock's jump: the first second with this offset, later than `before` and not later than `after`."""
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if _offset(middle.astimezone(zone)) == offset:
            after = middle
        else:
            before = middle
    return after


def _offset(moment: datetime) -> timedelta:
    return moment.utcoffset() or timedelta()
