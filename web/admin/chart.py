"""A fortnight as bars, drawn as SVG on the server: what was delivered, and on top of it what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

DAYS = 14
WIDTH, HEIGHT = 140, 28
_STEP, _BAR = WIDTH // DAYS, WIDTH // DAYS - 2


@dataclass(frozen=True, slots=True)
class Day:
    """What came of one day; the unit is the caller's."""

    day: date
    made: int
    missed: int


@dataclass(frozen=True, slots=True)
class Chart:
    """Two paths for an SVG of WIDTH x HEIGHT, and the same in words."""

    made: str
    missed: str
    words: str


def fortnight(found: Mapping[date, tuple[int, int]], today: date) -> list[Day]:
    """Give the fourteen days that end today, oldest first."""
    days = (today - timedelta(days=ago) for ago in reversed(range(DAYS)))
    return [Day(day, *found.get(day, (0, 0))) for day in days]


def chart_of(days: Sequence[Day], unit: str) -> Chart:
    """Draw the days; unit names what was made ("delivered")."""
    most = max((day.made + day.missed for day in days), default=0)
    made, missed = [], []
    for place, day in enumerate(days):
        low, high = _height(day.made, most), _height(day.made + day.missed, most)
        made += _bar(place, 0, low)
        missed += _bar(place, low, max(high, low + 1) if day.missed else low)
    total, failed = sum(day.made for day in days), sum(day.missed for day in days)
    best = max(days, key=lambda day: day.made + day.missed).day if most else None
    words = f"{len(days)} days: {total:,} {unit}, {failed:,} failed" + (f"; most on {best}" if best else "")
    return Chart("".join(made), "".join(missed), words)


def _height(count: int, most: int) -> int:
    """Scale a count; the smallest one can still be seen."""
    return max(1, round(count * HEIGHT / most)) if count else 0


def _bar(place: int, low: int, high: int) -> list[str]:
    high = min(high, HEIGHT)
    return [f"M{place * _STEP} {HEIGHT - low}v-{high - low}h{_BAR}v{high - low}z"] if high > low else []
