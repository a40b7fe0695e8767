"""Cron lines of five fields, read into days and times of day; what the clock makes of them is not asked here.

Ours, and not a library's: croniter and APScheduler mix reading with time zones and run 02:30 twice in autumn.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, time

LEAST_MINUTES = 5
"""Closer together, one file would not be done before the next one begins."""

_MINUTES_OF_DAY = 24 * 60
_PART = re.compile(r"(?P<all>\*)|(?P<low>[0-9]{1,2}|[a-z]{3})(?:-(?P<high>[0-9]{1,2}|[a-z]{3}))?")
_LONGEST_MONTH = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}


class BadCron(ValueError):
    """A cron line that cannot be read or never comes. Says so in one sentence."""


@dataclass(frozen=True, slots=True)
class Days:
    """On which days. weekdays count from Monday = 0. is_either: the day of the month or the weekday is enough."""

    months: frozenset[int] = frozenset(range(1, 13))
    days: frozenset[int] = frozenset(range(1, 32))
    weekdays: frozenset[int] = frozenset(range(7))
    is_either: bool = False

    def come(self, day: date) -> bool:
        """Say whether this is such a day."""
        if day.month not in self.months:
            return False
        fits = day.day in self.days, day.weekday() in self.weekdays
        return any(fits) if self.is_either else all(fits)


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")),
    _Field("weekday", 0, 7, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)


def parse(text: str) -> tuple[Days, tuple[time, ...]]:
    """Read `minute hour day month weekday`. Raises BadCron. The times are ascending."""
    parts = text.lower().split()
    if len(parts) != len(_FIELDS):
        raise BadCron("A cron line has five fields: minute, hour, day of the month, month, weekday.")
    minutes, hours, days, months, weekdays = (_numbers(part, field) for part, field in zip(parts, _FIELDS, strict=True))
    times = [hour * 60 + minute for hour in sorted(hours) for minute in sorted(minutes)]
    _refuse_haste(times)
    # As every cron does: a field that begins with a star restricts nothing by itself.
    is_either = not parts[2].startswith("*") and not parts[4].startswith("*")
    if not is_either and all(min(days) > _LONGEST_MONTH.get(month, 31) for month in months):
        raise BadCron("No month of this cron line has such a day: it would never run.")
    on = Days(months, days, frozenset((number - 1) % 7 for number in weekdays), is_either)
    return on, tuple(time(*divmod(minute, 60)) for minute in times)


def _refuse_haste(minutes: list[int]) -> None:
    following = [*minutes[1:], minutes[0] + _MINUTES_OF_DAY]
    if any(later - earlier < LEAST_MINUTES for earlier, later in zip(minutes, following, strict=True)):
        raise BadCron(f"Runs must be at least {LEAST_MINUTES} minutes apart, over midnight, too.")


def _numbers(text: str, field: _Field) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        found.update(_stretch(part, field))
    return frozenset(found)


def _stretch(part: str, field: _Field) -> range:
    numbers, slash, step_text = part.partition("/")
    match = _PART.fullmatch(numbers)
    if match is None or (slash and not (step_text.isascii() and step_text.isdigit() and 1 <= int(step_text) <= 59)):
        raise BadCron(f'"{part}" is no {field.name}: give *, a number, a range such as 1-5, or */2 and 1-5/2.')
    if match["all"]:
        low, high = field.low, field.high
    else:
        low = _number(match["low"], field)
        high = _number(match["high"], field) if match["high"] else low
        if slash and not match["high"]:
            raise BadCron(f'"{part}": a step needs a range, such as {low}-{field.high}/{step_text}.')
    if low > high:
        raise BadCron(f'"{part}": a range goes from the lower to the higher {field.name}.')
    return range(low, high + 1, int(step_text or 1))


def _number(text: str, field: _Field) -> int:
    if text in field.words:
        return field.words.index(text) + field.low
    if not text.isdigit() or not field.low <= int(text) <= field.high:
        raise BadCron(f'"{text}" is no {field.name}: {field.low} to {field.high}.')
    return int(text)
