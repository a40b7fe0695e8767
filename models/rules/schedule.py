"""When a file profile makes its files: five ways to say it, and the slots that follow.

A slot is local: a date and a place in the day, or a date and HH:MM. It has one run per route, so a daily profile runs
once per local date, whatever the clock does that day and however often its time is edited.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from models.rules.cron import BadCron, Days
from models.rules.cron import parse as parse_cron
from models.rules.local_time import instant

DEFAULT = "daily 06:00"
MOST_TIMES = 24
HOURS = (1, 2, 3, 4, 6, 8, 12)
WAYS = (
    "Write daily 06:00, weekdays mon,wed,fri 06:00 18:00, every 4 hours, cron 0 6 * * 1-5 (minute, hour, day, month,"
    " weekday), or manual."
)

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_DAY = timedelta(days=1)
_COMING_DAYS = 9 * 366  # 29 February is eight years away when a century has none


class BadSchedule(ValueError):
    """A schedule that cannot be read. Says in a sentence what would do."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One time a schedule comes.

    key: what its runs are known by. at: the instant, in UTC. period: its local date. local: the clock's time at that
    instant. note: what the clock's jump made of it, or "".
    """

    key: str
    at: datetime
    period: date
    local: datetime
    note: str = ""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Days and times of day. words: as people say it. Without times it is by hand."""

    words: str
    days: Days
    times: tuple[time, ...]
    by_place: bool

    @property
    def is_manual(self) -> bool:
        """Say whether only a person makes its files."""
        return not self.times

    def slots(self, zone: ZoneInfo, *, after: datetime, until: datetime, most: int | None = None) -> list[Slot]:
        """Give the slots later than `after` and not later than `until`, ascending; the last `most` of them if told."""
        if self.is_manual or after >= until:
            return []
        # A jump of the clock may push a slot into the next day, or a day's end back over midnight.
        day, first = until.astimezone(zone).date() + _DAY, after.astimezone(zone).date() - _DAY
        found: dict[datetime, Slot] = {}
        is_enough = False
        while day >= first and not is_enough:
            is_enough = most is not None and len(found) >= most  # the day before may still share an instant
            found |= {slot.at: slot for slot in reversed(self._of(day, zone)) if after < slot.at <= until}
            day -= _DAY
        return sorted(found.values(), key=lambda slot: slot.at)[-(most or len(found)) :]

    def coming(self, zone: ZoneInfo, now: datetime, count: int = 5) -> list[Slot]:
        """Give the next slots, ascending; fewer if there are none for years."""
        found: dict[datetime, Slot] = {}
        day, last = now.astimezone(zone).date() - _DAY, now.astimezone(zone).date() + _COMING_DAYS * _DAY
        while day <= last and len(found) <= count and not self.is_manual:
            for slot in self._of(day, zone):
                if slot.at > now:
                    found.setdefault(slot.at, slot)
            day += _DAY
        return sorted(found.values(), key=lambda slot: slot.at)[:count]

    def _of(self, day: date, zone: ZoneInfo) -> list[Slot]:
        """Give the slots of a local date. Two at one instant are one, the first: the callers see to that."""
        if not self.days.come(day):
            return []
        return [self._slot(day, place, at, zone) for place, at in enumerate(self.times, 1)]

    def _slot(self, day: date, place: int, of_day: time, zone: ZoneInfo) -> Slot:
        at, note = instant(datetime.combine(day, of_day), zone)
        key = f"{day} #{place}" if self.by_place else f"{day} {of_day:%H:%M}"
        return Slot(key, at.astimezone(UTC), day, at.astimezone(zone), note)


def parse(text: str) -> Schedule:
    """Read a schedule. Raises BadSchedule."""
    word, _, rest = " ".join(text.lower().split()).partition(" ")
    if word == "manual" and not rest:
        return Schedule("by hand", Days(), (), by_place=True)
    if word == "daily":
        times = _times(rest.split())
        return Schedule(f"daily at {_said(times)}", Days(), times, by_place=True)
    if word == "weekdays":
        return _on_weekdays(rest)
    if word == "every":
        return _every_hours(rest)
    if word == "cron":
        return _cron(rest)
    raise BadSchedule(WAYS)


def _on_weekdays(rest: str) -> Schedule:
    names, _, times_text = rest.partition(" ")
    given = names.split(",")
    if not set(given) <= set(_WEEKDAYS) or len(set(given)) < len(given):
        raise BadSchedule(f"Give weekdays once each, with commas and without blanks: {','.join(_WEEKDAYS)}.")
    times, weekdays = _times(times_text.split()), sorted(_WEEKDAYS.index(name) for name in given)
    words = f"{', '.join(_NAMES[number] for number in weekdays)} at {_said(times)}"
    return Schedule(words, Days(weekdays=frozenset(weekdays)), times, by_place=True)


def _every_hours(rest: str) -> Schedule:
    match = re.fullmatch(r"([0-9]{1,2}) hours?", rest)
    if match is None or int(match[1]) not in HOURS:
        raise BadSchedule(f"Write every N hours, with N one of {', '.join(map(str, HOURS))}.")
    hours = int(match[1])
    words = "every hour" if hours == 1 else f"every {hours} hours"
    return Schedule(words, Days(), tuple(time(hour) for hour in range(0, 24, hours)), by_place=False)


def _cron(rest: str) -> Schedule:
    try:
        days, times = parse_cron(rest)
    except BadCron as error:
        raise BadSchedule(str(error)) from error
    return Schedule(f"by cron {rest}", days, times, by_place=False)


def _times(given: list[str]) -> tuple[time, ...]:
    if not 1 <= len(given) <= MOST_TIMES:
        raise BadSchedule(f"Give 1 to {MOST_TIMES} times of day as HH:MM, such as 06:00.")
    found: set[time] = set()
    for text in given:
        match = _TIME.fullmatch(text)
        if match is None:
            raise BadSchedule(f'"{text}" is no time of day: write HH:MM, such as 06:00.')
        found.add(time(int(match[1]), int(match[2])))
    if len(found) < len(given):
        raise BadSchedule("A time of day is given twice.")
    return tuple(sorted(found))


def _said(times: tuple[time, ...]) -> str:
    *first, last = [f"{of_day:%H:%M}" for of_day in times]
    return f"{', '.join(first)} and {last}" if first else last
