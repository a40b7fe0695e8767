"""The pump: claim, render, send, record, with hundreds of requests in flight over all profiles at once.

It never works through one profile at a time, so a slow receiver holds up nobody else. Several pumps, on one machine
or many, are kept apart by the claim alone. Postgres may go away at any point: what is in flight lands, its results are
kept, and the work goes on when it is back.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic, sleep
from typing import TypeVar

import sqlalchemy as sa

from exporters.base import Parcel
from exporters.errors import BadSettings, Unsendable
from exporters.transfer import Flights
from models import heartbeat, partitions
from models.base import utc_now
from worker import claim, reaper, verdict
from worker.app import Workplace
from worker.ear import Ear
from worker.lease import Lease, Sent
from worker.outage import DATABASE_ERRORS, in_short, is_outage
from worker.plans import Plans
from worker.results import WITHIN, Results
from worker.verdict import Effect

log = logging.getLogger(__name__)

T = TypeVar("T")

IN_FLIGHT = 256
KEPT = IN_FLIGHT // 4
"""Of these slots no profile gets more than a few: however slow the others are, there is room for the next one."""

BOX_SECONDS = 20.0
SLOW_SECONDS = 1.0
"""At the end of a box a profile with a request in the air for longer gets nothing more, so that it ends."""

LAST_CLAIM_SECONDS = 150.0
"""When a box that cannot end, because something is in flight all the time, claims no more."""

DRAIN_SECONDS = 20.0
LONGEST_DRAIN_SECONDS = 125.0  # the longest time-out there is, and a little
LAST_WORDS_SECONDS = 2.0
"""At the end results that Postgres did not take are tried so long: SIGTERM leaves 23 seconds in all."""

CHORES_SECONDS = 5.0
LOOK_AGAIN_SECONDS = 0.25
LOOK_SOON_SECONDS = 0.002
"""After a claim that found nothing: another pump may have held the gates. Doubled each time, up to the above."""

MUCH_ROOM = IN_FLIGHT // 2
SOME_ROOM_SECONDS = 0.05
"""Large claims are cheap ones, but nobody waits longer than this for a slot that is free."""

SUSPECTS_SECONDS = 5.0
NOT_BEGUN_SLACK = 5
"""A lease with less left than its time-out and this many seconds is not begun any more."""


@dataclass(slots=True)
class Pump:
    """One pump for one time box. `name` is the same for every pump of one worker process, one after the other.

    flying counts what is in flight for each profile; in_vain claims in a row that found nothing. leaving_out: profiles
    that get nothing more in this box; is_over: none does. has_backlog: the last claim took as much as it could.
    """

    place: Workplace
    name: str
    stopping: Callable[[], bool]
    flights: Flights[Sent]
    plans: Plans
    results: Results
    ear: Ear
    flying: dict[int, int] = field(default_factory=dict)
    leaving_out: set[int] = field(default_factory=set)
    is_over: bool = False
    is_hungry: bool = True
    has_backlog: bool = False
    in_vain: int = 0
    claim_at: float = 0.0
    look_again_at: float = 0.0
    chores_at: float = 0.0
    has_suspects: bool = False
    longest_rest: float = 1.0

    def run(self, box_seconds: float) -> None:
        """Work until the box is over and nothing is in flight, or until told to stop."""
        began = monotonic()
        is_ready = False
        while not self.stopping() and monotonic() - began < box_seconds:
            is_ready = is_ready or self.begin()
            if is_ready:
                self.turn()
            else:
                sleep(LOOK_AGAIN_SECONDS)
        self.close_box(began + LAST_CLAIM_SECONDS)
        self.drain()
        self.ear.close()

    def close_box(self, ends: float) -> None:
        """Let the air become empty. What is slow keeps the box open and gets nothing more; the others must not wait for it."""
        while self.flying and not self.stopping() and monotonic() < ends:
            slow = {sent.lease.plan.profile_id for sent in self.flights.older_than(SLOW_SECONDS)}
            self.leaving_out |= slow
            self.is_over = not slow
            self.turn()

    def begin(self) -> bool:
        """Free the leases of a predecessor of this name that died. Returns False when Postgres is away."""
        freed = self.try_to(lambda: reaper.free_leases_of(self.place.engine, self.name))
        if freed:
            log.warning("pump.freed", extra={"pump": self.name, "leases": freed})
        return freed is not None and self.try_to(self.make_partitions) is not None

    def make_partitions(self) -> bool:
        """See to it that today's attempts have their partition."""
        partitions.make(self.place.engine, utc_now().date())
        return True

    def turn(self) -> None:
        """Do one round: claim if it makes sense, collect what has landed, record when it is time."""
        if monotonic() >= self.chores_at:
            self.do_chores()
        if self.has_suspects and not self.flying:
            self.send_suspects()
        if self.is_time_to_claim():
            self.claim_and_start()
        if self.flying:
            self.collect(wait=WITHIN)
        else:
            self.record()
            self.rest()

    def is_time_to_claim(self) -> bool:
        """Claim after a claim that found something, after the bell, and every quarter of a second anyway."""
        room, now = self.flights.room, monotonic()
        if self.is_over or not room or (self.has_backlog and room < MUCH_ROOM and now < self.claim_at):
            return False
        return self.is_hungry or now >= self.look_again_at

    def claim_and_start(self) -> None:
        """Lease what may go out now, write its requests and start them."""
        room = self.flights.room
        claimed = self.try_to(
            lambda: claim.claim(
                self.place.engine,
                self.plans,
                pump=self.name,
                room=room,
                flying=self.flying,
                kept=KEPT,
                without=self.leaving_out,
            )
        )
        self.claim_at = monotonic() + SOME_ROOM_SECONDS
        if claimed is None:
            self.is_hungry, self.look_again_at = False, monotonic() + 2 * LOOK_AGAIN_SECONDS
            return
        self.start(claimed.leases)
        self.is_hungry, self.has_backlog = bool(claimed.leases), len(claimed.leases) >= room
        self.in_vain = 0 if claimed.leases else min(self.in_vain + 1, 10)
        wait = min(LOOK_AGAIN_SECONDS, LOOK_SOON_SECONDS * 2**self.in_vain)
        self.look_again_at = monotonic() + (wait if claimed.again_in is None else min(wait, claimed.again_in))

    def send_suspects(self) -> None:
        """Send rows that may be what kills this process, one after the other, with nothing else in flight."""
        ends = monotonic() + SUSPECTS_SECONDS
        while self.has_suspects and monotonic() < ends and not self.stopping():
            self.record()  # what is known must not die with it
            claimed = self.try_to(lambda: claim.claim_suspect(self.place.engine, self.plans, pump=self.name))
            self.has_suspects = claimed is not None and bool(claimed.leases)
            if claimed is not None:
                self.start(claimed.leases)
            while self.flying and not self.stopping():
                self.collect(wait=WITHIN)

    def start(self, leases: list[Lease]) -> None:
        """Render leases, one statement a profile, and start their requests."""
        waiting: dict[int, list[Lease]] = {}
        for lease in leases:
            waiting.setdefault(lease.plan.profile_id, []).append(lease)
        if self.try_to(lambda: self.render_and_launch(waiting)) is None:
            for group in waiting.values():
                self.results.give_back(group)

    def render_and_launch(self, waiting: dict[int, list[Lease]]) -> bool:
        """Take one profile after the other out of `waiting`."""
        if waiting:
            with self.place.engine.connect() as connection:
                while waiting:
                    profile_id, group = next(iter(waiting.items()))
                    parcels = render(connection, group)
                    del waiting[profile_id]
                    self.launch_group(group, parcels)
        return True

    def launch_group(self, group: list[Lease], parcels: Mapping[int, Parcel | Exception]) -> None:
        """Write the requests of one profile's leases and start them."""
        limit, now = group[0].plan.limits.timeout + NOT_BEGUN_SLACK, utc_now()
        if monotonic() > group[0].until - limit:
            self.results.give_back(group)
            return
        for lease in group:
            self.launch(lease, parcels[lease.delivery_id], now)

    def launch(self, lease: Lease, parcel: Parcel | Exception, now: datetime) -> None:
        """Write one request and start it. Whatever goes wrong is this row's or its profile's matter, never the pump's."""
        try:
            if isinstance(parcel, Exception):
                raise parcel
            request = lease.plan.request(parcel)
            self.flights.start(Sent(lease, request, now), request)
        except Exception as error:  # noqa: BLE001 -- not_written tells of it
            self.results.add(*verdict.not_written(lease, error, now=now, luck=random.random()))
        else:
            self.flying[lease.plan.profile_id] = self.flying.get(lease.plan.profile_id, 0) + 1

    def collect(self, *, wait: float) -> None:
        """Take what has landed, judge it, and record once enough is there or it has waited long enough."""
        heeding = None if self.is_hungry or not self.flights.room else self.ear.listen()
        landed = self.flights.finished(wait, heeding)
        if heeding is not None and self.ear.rang():
            self.is_hungry = True
        now = utc_now()
        for sent, reply in landed:
            self.note_landing(sent)
            self.results.add(*verdict.judge(sent, reply, now=now, luck=random.random()))
        if self.results.is_time():
            self.record()

    def note_landing(self, sent: Sent) -> None:
        """Count a request out of the air."""
        profile_id = sent.lease.plan.profile_id
        left = self.flying[profile_id] - 1
        if left:
            self.flying[profile_id] = left
        else:
            del self.flying[profile_id]

    def record(self) -> None:
        """Write down what has ended; slots are free again."""
        if not self.results.is_empty and self.results.write():
            self.is_hungry = True

    def rest(self) -> None:
        """Nothing is in flight: wait on the bell, at most until something may be due."""
        if self.is_hungry:
            return
        now = monotonic()
        wait = min(self.longest_rest, max(0.0, self.chores_at - now))
        if not self.results.is_empty or self.look_again_at - now < LOOK_AGAIN_SECONDS / 2:
            wait = min(wait, max(0.0, self.look_again_at - now))
        self.is_hungry = self.ear.wait(wait) or monotonic() >= self.look_again_at

    def do_chores(self) -> None:
        """Every few seconds: show signs of life, free lost leases, look for rows to be sent alone."""
        self.chores_at = monotonic() + CHORES_SECONDS
        self.has_suspects = bool(self.try_to(self.look_around))

    def look_around(self) -> bool:
        """Do the chores. Returns whether a row waits to be sent alone."""
        heartbeat.beat(self.place.engine, f"deliver:{self.name}")
        while reaper.reap(self.place.engine) == reaper.REAP_MOST:
            pass
        return reaper.has_suspects(self.place.engine)

    def try_to(self, act: Callable[[], T]) -> T | None:
        """Ask Postgres. None when it is away: the loop goes on and asks again later."""
        try:
            return act()
        except DATABASE_ERRORS as error:
            if not is_outage(error):
                raise
            log.warning("postgres.away", extra={"pump": self.name, "error": in_short(error)})
            return None

    def drain(self, seconds: float = LONGEST_DRAIN_SECONDS) -> None:
        """Let what is in flight end and record it. Told to stop: for 20 s; the rest is cut, told as unknown, due again."""
        ends = monotonic() + seconds
        is_told = False
        while self.flying and monotonic() < ends:
            if self.stopping() and not is_told:
                is_told, ends = True, min(ends, monotonic() + DRAIN_SECONDS)
            self.collect(wait=0.2)
        for sent in self.flights.cut():
            self.results.add(verdict.cut_off(sent, now=utc_now()), Effect())
        ends = monotonic() + LAST_WORDS_SECONDS
        while not self.results.is_empty and not self.results.write() and monotonic() < ends:
            sleep(LOOK_AGAIN_SECONDS)


def render(connection: sa.Connection, group: Sequence[Lease]) -> Mapping[int, Parcel | Exception]:
    """Render leases of one profile: id -> Parcel, or why there is none. Raises only when Postgres is away.

    A projection never fails by design. Should one, its row is held, and the profile if all rows fail.
    """
    plan, ids, now = group[0].plan, [lease.delivery_id for lease in group], utc_now()
    try:
        return plan.parcels(connection, ids, now)
    except DATABASE_ERRORS as error:
        if is_outage(error):
            raise
        connection.connection.rollback()  # the driver's own: SQLAlchemy knows of no transaction here
        log.exception("projection.broke", extra={"profile_id": plan.profile_id})
        fault = f"cannot be rendered: {in_short(error)}"
    found: dict[int, Parcel | Exception] = {}
    for id_ in ids:
        try:
            found.update(plan.parcels(connection, [id_], now))
        except DATABASE_ERRORS as error:
            if is_outage(error):
                raise
            connection.connection.rollback()
            found[id_] = Unsendable(fault)
    is_profiles_fault = len(ids) > 1 and not any(isinstance(parcel, Parcel) for parcel in found.values())
    return dict.fromkeys(ids, BadSettings(fault)) if is_profiles_fault else found


def run_pump(place: Workplace, *, name: str, stopping: Callable[[], bool], box_seconds: float = BOX_SECONDS) -> None:
    """Be a pump for one box."""
    plans = Plans(place.seal, place.config.account_time_zone)
    results = Results(place.engine, place.config.account_time_zone)
    Pump(place, name, stopping, Flights(place.guard, IN_FLIGHT), plans, results, Ear(place.redis)).run(box_seconds)
