"""When a failed delivery is due again. There is no last try."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

LONGEST_RETRY_AFTER = timedelta(hours=24)
_ENOUGH = 20  # doublings: beyond any cap (a day) even from a second, and no overflow from an hour


@dataclass(frozen=True, slots=True)
class Pace:
    """A profile's back-off: retryFirstSeconds and retryCapSeconds."""

    first: timedelta
    cap: timedelta


def due_again(
    *, failures: int, now: datetime, pace: Pace, retry_after: timedelta | None = None, luck: float
) -> datetime:
    """Say when a failed delivery is due again.

    failures counts from 1, luck is in [0, 1). The wait is drawn between a third of `first` and the smaller of
    `cap` and 2 x first x 2^(n-1) (exponential, full jitter): 5-30 s, 5-60 s, 5-120 s ... 5 s-1 h.
    retry_after only lengthens it, up to a day.
    """
    ceiling = min(pace.cap, pace.first * (1 << min(failures, _ENOUGH)))
    wait = max(pace.first / 3, luck * ceiling)
    if retry_after is not None:
        wait = max(wait, min(retry_after, LONGEST_RETRY_AFTER))
    return now + wait
