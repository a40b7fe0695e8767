"""What the end of a try means for its upload: the exporter's word, turned into the next state. Pure but for luck.

temporary         back-off with full jitter, from a minute to an hour; there is no last try
temporary, slow   hourly, and an alert at once: a full disk, a missing folder, a missing right
login refused     three tries, ten minutes apart, then a person: more would lock the account
all else          waits for a person at once
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta

from exporters.base import Receipt
from exporters.errors import LoginRefused, NeedsPerson, TryAgain

log = logging.getLogger(__name__)

FIRST = timedelta(minutes=1)
LONGEST = timedelta(hours=1)
LOGIN_WAIT = timedelta(minutes=10)
LOGIN_TRIES = 3
ALERT_AFTER = 3
"""Failures from which on people are told. A slow failure counts as that many at once."""

_ENOUGH = 10  # doublings: beyond the longest wait


@dataclass(frozen=True, slots=True)
class Ended:
    """What a try came to. wait is set for `pending` only; closes_gate: the whole profile waits for a person."""

    state: str
    outcome: str
    message: str
    failures: int = 0
    login_failures: int = 0
    wait: timedelta | None = None
    closes_gate: bool = False

    @property
    def alerts(self) -> bool:
        """Whether people are to be told now: once at the third failure, and whenever one of them is needed."""
        return self.closes_gate or (self.state == "pending" and self.failures == ALERT_AFTER)


def delivered(receipt: Receipt) -> Ended:
    """Read a receipt."""
    return Ended("delivered", "delivered", receipt.message)


def failed(error: Exception, *, failures: int, login_failures: int, luck: float) -> Ended:
    """Read what an exporter raised; failures counts those before. Its bugs are failed tries like any other."""
    failures += 1
    if isinstance(error, LoginRefused):
        logins = login_failures + 1
        if logins >= LOGIN_TRIES:
            return Ended("held", "failed", str(error), failures, logins, closes_gate=True)
        return Ended("pending", "failed", str(error), failures, logins, wait=LOGIN_WAIT)
    if isinstance(error, NeedsPerson):
        return Ended("held", "failed", str(error), failures, login_failures, closes_gate=True)
    if isinstance(error, TryAgain):
        if error.slow:
            return Ended("pending", "failed", str(error), max(failures, ALERT_AFTER), login_failures, wait=LONGEST)
        return Ended("pending", "failed", str(error), failures, login_failures, wait=back_off(failures, luck))
    return Ended("pending", "failed", "internal error", failures, login_failures, wait=back_off(failures, luck))


def cut_off() -> Ended:
    """End a try that our own end has cut: it failed for nobody's fault, and is due at once."""
    return Ended("pending", "unknown", "cut off at shutdown, outcome unknown", wait=timedelta(0))


def back_off(failures: int, luck: float) -> timedelta:
    """Say how long to wait: luck is in [0, 1), failures counts from 1. 1-2 min, 1-4 min ... 1-60 min."""
    return max(FIRST, luck * min(LONGEST, FIRST * (1 << min(failures, _ENOUGH))))
