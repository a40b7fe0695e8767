"""The pump: claim, render, send, record, with hundreds of requests in flight over all profiles at once.

It never works through one profile at a time, so a slow receiver holds up nobody else. Several pumps, on one machine
or many, are kept apart by the claim alone.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic

from sqlalchemy.exc import OperationalError

from exporters.errors import BadSettings, Unsendable
from exporters.transfer import Flights
from models import heartbeat, partitions
from models.base import utc_now
from worker import claim, reaper, record, verdict
from worker.app import Workplace
from worker.lease import Landed, Lease, Sent
from worker.plans import Plans
from worker.queues import bell_rang, wait_for_bell
from worker.verdict import Effect

log = logging.getLogger(__name__)

IN_FLIGHT = 256
BOX_SECONDS = 20.0
HARD_END_SECONDS = 60.0
DRAIN_SECONDS = 20.0
CHORES_SECONDS = 5.0
LOOK_AGAIN_SECONDS = 0.25
LEAST_ROOM = IN_FLIGHT // 2
RECORD_AT = 128
RECORD_WITHIN = 0.02
NOT_BEGUN_SLACK = 5
"""A lease with less left than its time-out and this many seconds is not begun any more."""


@dataclass(slots=True)
class Pump:
    """One pump for one time box. `name` is the same for every pump of one worker process, one after the other."""

    place: Workplace
    name: str
    stopping: Callable[[], bool]
    flights: Flights[Sent]
    plans: Plans
    ended: list[tuple[Landed, Effect]] = field(default_factory=list)
    ended_since: float = 0.0
    uneasy: frozenset[int] = frozenset()
    is_hungry: bool = True
    look_again_at: float = 0.0
    chores_at: float = 0.0
    has_suspects: bool = False

    def run(self, box_seconds: float) -> None:
        """Work until the box is over and nothing is in flight, or until told to stop."""
        began = monotonic()
        while not self.stopping():
            age = monotonic() - began
            if age > box_seconds and (self.is_empty or age > HARD_END_SECONDS):
                break
            self.turn()
        self.drain()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is in flight and nothing waits to be recorded."""
        return self.flights.room == IN_FLIGHT and not self.ended

    def turn(self) -> None:
        """Do one round: claim if it makes sense, collect what has landed, record when it is time."""
        if monotonic() >= self.chores_at:
            self.do_chores()
        if self.has_suspects:
            self.send_suspect()
        elif self.is_time_to_claim():
            self.claim_and_start()
        if self.flights.room == IN_FLIGHT:
            self.record_ended()
            self.rest()
        else:
            self.collect(wait=RECORD_WITHIN)

    def is_time_to_claim(self) -> bool:
        """Claim after a claim that found something, after the bell, and every quarter of a second anyway."""
        if self.flights.room < LEAST_ROOM:
            return False
        return self.is_hungry or monotonic() >= self.look_again_at or bell_rang(self.place.redis)

    def claim_and_start(self) -> None:
        """Lease what may go out now, write its requests and start them."""
        claimed = claim.claim(self.place.engine, self.plans, pump=self.name, room=self.flights.room)
        self.start(claimed)
        self.is_hungry = bool(claimed.leases)
        wait = LOOK_AGAIN_SECONDS if claimed.again_in is None else min(LOOK_AGAIN_SECONDS, claimed.again_in)
        self.look_again_at = monotonic() + wait

    def send_suspect(self) -> None:
        """Send one row that may be what kills this process, with nothing else in flight."""
        while self.flights.room < IN_FLIGHT:
            self.collect(wait=RECORD_WITHIN)
        self.record_ended()
        claimed = claim.claim_suspect(self.place.engine, self.plans, pump=self.name)
        self.has_suspects = bool(claimed.leases)
        self.start(claimed)
        while self.flights.room < IN_FLIGHT:
            self.collect(wait=RECORD_WITHIN)
        self.record_ended()

    def start(self, claimed: claim.Claimed) -> None:
        """Render a claim's leases, one statement a profile, and start their requests."""
        if not claimed.leases:
            return
        self.uneasy |= claimed.uneasy
        by_plan: dict[int, list[Lease]] = {}
        for lease in claimed.leases:
            by_plan.setdefault(lease.plan.profile_id, []).append(lease)
        late: list[Lease] = []
        now = utc_now()
        with self.place.engine.connect() as connection:
            for leases in by_plan.values():
                parcels = leases[0].plan.parcels(connection, [lease.delivery_id for lease in leases], now)
                for lease in leases:
                    if monotonic() > lease.until - lease.plan.limits.timeout - NOT_BEGUN_SLACK:
                        late.append(lease)
                    else:
                        self.launch(lease, parcels[lease.delivery_id])
        record.give_back(self.place.engine, late)

    def launch(self, lease: Lease, parcel: object) -> None:
        """Write one request and start it; a row that cannot be sent is held for a person."""
        try:
            request = lease.plan.request(parcel)  # type: ignore[arg-type]
            self.flights.start(Sent(lease, request), request)
        except (Unsendable, BadSettings) as error:
            self.end(
                Landed(lease, None, None, state="held", outcome="failed", failures=lease.failures, reason=str(error)),
                Effect(),
            )

    def collect(self, *, wait: float) -> None:
        """Take what has landed, judge it, and record once enough is there or it has waited long enough."""
        for sent, reply in self.flights.finished(wait):
            self.end(*verdict.judge(sent, reply, now=utc_now(), luck=random.random()))
        if self.ended and (len(self.ended) >= RECORD_AT or monotonic() - self.ended_since >= RECORD_WITHIN):
            self.record_ended()

    def end(self, landed: Landed, effect: Effect) -> None:
        """Keep one ended try for the next record."""
        if not self.ended:
            self.ended_since = monotonic()
        self.ended.append((landed, effect))

    def record_ended(self) -> None:
        """Record all that has ended. After a lost connection it is done again: the token makes it safe."""
        if not self.ended:
            return
        luck = random.random()
        try:
            late = record.record(self.place.engine, self.ended, uneasy=self.uneasy, luck=luck)
        except OperationalError as error:
            log.warning("record.again", extra={"error": str(error.orig)})
            late = record.record(self.place.engine, self.ended, uneasy=self.uneasy, luck=luck)
        _log_attempts(self.ended, late)
        self.ended = []
        self.is_hungry = True

    def rest(self) -> None:
        """Nothing is in flight: wait on the bell, at most until something may be due."""
        if self.is_hungry:
            return
        wait = min(1.0, max(0.0, self.chores_at - monotonic()))
        if self.look_again_at - monotonic() < LOOK_AGAIN_SECONDS / 2:
            wait = min(wait, max(0.0, self.look_again_at - monotonic()))
        self.is_hungry = wait_for_bell(self.place.redis, wait) or monotonic() >= self.look_again_at

    def do_chores(self) -> None:
        """Every few seconds: show signs of life, free lost leases, look for rows to be sent alone."""
        heartbeat.beat(self.place.engine, f"deliver:{self.name}")
        while reaper.reap(self.place.engine) == reaper.REAP_MOST:
            pass
        self.has_suspects = reaper.has_suspects(self.place.engine)
        self.chores_at = monotonic() + CHORES_SECONDS

    def drain(self) -> None:
        """Let what is in flight end for 20 s and record it; the rest is cut, told as unknown, and due again."""
        deadline = monotonic() + (DRAIN_SECONDS if self.stopping() else 120)
        while self.flights.room < IN_FLIGHT and monotonic() < deadline:
            self.collect(wait=0.2)
            if self.stopping():
                deadline = min(deadline, monotonic() + DRAIN_SECONDS)
        for sent in self.flights.cut():
            self.end(verdict.cut_off(sent, now=utc_now()), Effect())
        self.record_ended()


def run_pump(place: Workplace, *, name: str, stopping: Callable[[], bool], box_seconds: float = BOX_SECONDS) -> None:
    """Be a pump for one box. First the leases of a predecessor of this name that died are freed."""
    partitions.make(place.engine, utc_now().date())
    freed = reaper.free_leases_of(place.engine, name)
    if freed:
        log.warning("pump.freed", extra={"pump": name, "leases": freed})
    plans = Plans(place.seal, place.config.account_time_zone)
    Pump(place, name, stopping, Flights(place.guard, IN_FLIGHT), plans).run(box_seconds)


def _log_attempts(ended: Sequence[tuple[Landed, Effect]], late: frozenset[int]) -> None:
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
