"""What the pump has found out and Postgres does not know yet. Nothing of it is lost while the process lives.

A commit that was cut off may have taken place or not, so that batch is kept apart and looked up before it is written
again.
"""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic

import sqlalchemy as sa

from worker import record
from worker.gatekeeper import Ended
from worker.lease import Landed, Lease
from worker.outage import DATABASE_ERRORS, REFUSALS, in_short, is_outage
from worker.verdict import Effect

log = logging.getLogger(__name__)

AT_ONCE = 128
WITHIN = 0.02
AGAIN_SECONDS = 0.5


@dataclass(slots=True)
class Results:
    """Results on their way into Postgres, in batches; and leases that were never begun, to be given back."""

    engine: sa.Engine
    zone: str = "UTC"  # the account's: what a day is
    _ended: list[Ended] = field(default_factory=list)
    _since: float = 0.0
    _batches: deque[list[Ended]] = field(default_factory=deque)
    _is_doubtful: bool = False  # the first batch may have been recorded: its commit was cut off
    _unbegun: list[Lease] = field(default_factory=list)
    _again_at: float = 0.0

    def add(self, landed: Landed, effect: Effect) -> None:
        """Keep one ended try for the next batch."""
        if not self._ended:
            self._since = monotonic()
        self._ended.append((landed, effect))

    def give_back(self, leases: Sequence[Lease]) -> None:
        """Return leases that were never begun with the next batch: their rows are due as before."""
        self._unbegun += leases

    @property
    def is_empty(self) -> bool:
        """Whether Postgres knows all."""
        return not (self._ended or self._batches or self._unbegun)

    def is_time(self) -> bool:
        """Whether there is enough for a batch, or something has waited long enough."""
        if self.is_empty or monotonic() < self._again_at:
            return False
        is_waiting = self._batches or self._unbegun or len(self._ended) >= AT_ONCE
        return bool(is_waiting) or monotonic() - self._since >= WITHIN

    def write(self) -> bool:
        """Record all there is. Returns False when Postgres is away: all is kept, and after a rest it is time again."""
        if self._ended:
            self._batches.append(self._ended)
            self._ended = []
        try:
            while self._batches:
                self._write_first()
            if self._unbegun:
                record.give_back(self.engine, self._unbegun)
                self._unbegun = []
        except DATABASE_ERRORS as error:
            if not is_outage(error):
                raise
            log.warning("record.again", extra={"error": in_short(error)})
            self._again_at = monotonic() + AGAIN_SECONDS
            return False
        return True

    def _write_first(self) -> None:
        batch, late = self._batches[0], frozenset[int]()
        if not (self._is_doubtful and record.was_recorded(self.engine, batch)):
            self._is_doubtful = True
            try:
                late = record.record(self.engine, batch, luck=random.random(), zone=self.zone)
            except REFUSALS as error:
                self._is_doubtful = False
                self._part(error)
                return
        self._is_doubtful = False
        self._batches.popleft()
        _log_attempts(batch, late)

    def _part(self, refusal: Exception) -> None:
        """Postgres will never take one of the first batch: the others must not suffer, and its result counts, too."""
        batch = self._batches.popleft()
        if len(batch) > 1:
            self._batches.extendleft([one] for one in reversed(batch))
            return
        landed, effect = batch[0]
        log.error("attempt.refused", extra={"delivery_id": landed.lease.delivery_id, "error": in_short(refusal)})
        if landed.reply is not None or landed.request is not None:
            self._batches.appendleft([(record.without_details(landed, refusal), effect)])
        # A try that is refused even without its details is dropped: its lease ends, and the reaper tells of it.


def _log_attempts(ended: Sequence[Ended], late: frozenset[int]) -> None:
    """One line for each try that is not simply delivered: those would cost more than the sending."""
    if not log.isEnabledFor(logging.INFO):
        return
    for one, _ in ended:
        if one.outcome == "delivered" and one.lease.delivery_id not in late:
            continue
        log.info(
            "delivery.attempted",
            extra={
                "delivery_id": one.lease.delivery_id,
                "profile_id": one.lease.plan.profile_id,
                "attempt": one.lease.tries,
                "outcome": one.outcome,
                "status": one.reply.status if one.reply else None,
                "late": one.lease.delivery_id in late,
            },
        )
