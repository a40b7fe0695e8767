"""The circuit breaker of a profile: when it opens, how it looks again, how it starts slowly. Pure.

While it is open nothing is attempted but one probe at a time; nothing is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

CONNECTION_FAILURES = 5
WINDOW = timedelta(seconds=60)
WINDOW_LEAST = 10
WINDOW_SHARE = 0.7
FIRST_WAIT = timedelta(seconds=15)
LONGEST_WAIT = timedelta(minutes=2)
SPREAD = 0.2


@dataclass(frozen=True, slots=True)
class Tally:
    """What a batch of tries of one profile came to. Rows at fault by themselves are in no count.

    connection: failures before any answer, in a row since the last success of the batch.
    """

    successes: int = 0
    failures: int = 0
    connection: int = 0


@dataclass(frozen=True, slots=True)
class Breaker:
    """The breaker's part of a gate. cap is empty when slow start is over."""

    is_open: bool = False
    trips: int = 0
    cap: int | None = None
    clean: int = 0
    connection_failures: int = 0
    window_since: datetime | None = None
    window_tries: int = 0
    window_failures: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The breaker after a batch. wait: shut for that long from now; healed: it has just closed."""

    breaker: Breaker
    wait: timedelta | None = None
    healed: bool = False


def after(breaker: Breaker, tally: Tally, *, now: datetime, most: int, luck: float) -> Verdict:
    """Say what a batch does to the breaker. most is the profile's maxInFlight, luck is in [0, 1).

    Opens after 5 connection failures in a row, or when 70 % of 10 or more tries within 60 s failed. It shuts for
    15 s, doubling to 2 minutes, +-20 %. A success of the probe closes it with a cap of 1, which doubles with every
    clean round until it reaches `most`.
    """
    if breaker.is_open:
        if tally.successes and not tally.failures:
            return Verdict(Breaker(cap=1), healed=True)
        return _trip(breaker, luck) if tally.failures else Verdict(breaker)
    counted = _count(breaker, tally, now)
    in_a_row = counted.connection_failures >= CONNECTION_FAILURES
    mostly = counted.window_tries >= WINDOW_LEAST and counted.window_failures >= WINDOW_SHARE * counted.window_tries
    if tally.failures and (in_a_row or mostly):
        return _trip(counted, luck)
    return Verdict(_widen(counted, tally, most))


def _trip(breaker: Breaker, luck: float) -> Verdict:
    wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(breaker.trips, 10)) * (1 - SPREAD + 2 * SPREAD * luck)
    return Verdict(Breaker(is_open=True, trips=breaker.trips + 1), wait=wait)


def _count(breaker: Breaker, tally: Tally, now: datetime) -> Breaker:
    if breaker.window_since is None or now - breaker.window_since > WINDOW:
        breaker = replace(breaker, window_since=now if tally.failures else None, window_tries=0, window_failures=0)
    fresh_start = tally.successes > 0
    return replace(
        breaker,
        connection_failures=tally.connection + (0 if fresh_start else breaker.connection_failures),
        window_tries=breaker.window_tries + tally.successes + tally.failures if breaker.window_since else 0,
        window_failures=breaker.window_failures + tally.failures,
    )


def _widen(breaker: Breaker, tally: Tally, most: int) -> Breaker:
    """Move the slow start on: a clean round doubles the cap, a failure begins the round anew."""
    if breaker.cap is None:
        return breaker
    if tally.failures:
        return replace(breaker, clean=0)
    clean = breaker.clean + tally.successes
    if clean < breaker.cap:
        return replace(breaker, clean=clean)
    doubled = breaker.cap * 2
    return replace(breaker, cap=None if doubled >= most else doubled, clean=0)
