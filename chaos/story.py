"""One run: warm up, fail, heal, count. What happens is told as a time line."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from chaos import accounts, acts, healing, soak, use
from chaos.accounts import Account
from chaos.acts import NotFreed, NotPlayed, Stage
from chaos.faults import Fault, Faults
from chaos.producers import Producers
from chaos.soak import Soak
from chaos.use import Use
from chaos.watch import Watch

T = TypeVar("T")

WIDTH = 50
RATE = 50.0
WARM_UP_SECONDS = 8.0
RECOVERY_SECONDS = 30.0
"""The promise: after so long claims go on, whatever it was."""


@dataclass(slots=True)
class Told:
    """What a run came to. faults: what must not be -> each case."""

    longest: float = 0.0
    longest_after: str = "-"
    start: Use | None = None
    end: Use | None = None
    account: Account = field(default_factory=Account)
    files: int = 0
    healed_in: float = 0.0
    faults: dict[str, list[str]] = field(default_factory=dict)

    def add(self, name: str, cases: list[str]) -> None:
        """Keep what must not be, if there is any."""
        if cases:
            self.faults.setdefault(name, []).extend(cases)


class Story:
    """One run on an open house, with more events when it is a soak. With a bug planted there is no other fault than the acts, and the first red ends it."""

    def __init__(self, on: Stage, *, seed: int, seconds: float, has_bug: bool, soaking: Soak | None = None) -> None:
        self._on = on
        self._seconds = seconds
        self._has_bug = has_bug
        self._luck = random.Random(seed)
        self._soaking = soaking
        self._producers = Producers(on.house, seed=seed, rate=soak.RATE if soaking else RATE)
        self._watch = Watch(on.house)
        self._faults = Faults(on.house, self._watch, seed=seed, scale=min(1.0, seconds / 300))
        self._began = time.monotonic()
        self.told = Told()

    def tell(self) -> Told:
        """Let it happen."""
        try:
            self._play()
        except NotPlayed as reason:
            self.told.add("not played", [str(reason)])
        return self.told

    def _play(self) -> None:
        rings = self._act("the commit of an event is held", lambda: acts.bell_during_commit(self._on))
        self.told.add("bells rung before the commit", [f"{rings} while a commit was held"] if rings else [])
        if self._is_over():
            return
        for thread in (self._producers, self._on.clerk, self._watch):
            thread.start()
        time.sleep(WARM_UP_SECONDS)
        self.told.start = use.look(self._on.house)
        if self._soaking:
            self._soaking.start()
        self._suffer_all()
        if self._is_over():
            return
        if self._soaking:
            self._soaking.stop()
            self.told.add("crept up", self._soaking.faults())
        self._producers.stop()
        self._heal()
        self._count()

    def _suffer_all(self) -> None:
        ends = time.monotonic() + self._seconds
        stopping = _Result(lambda: acts.stop_past_the_lease(self._on))
        self._act("two runs of one route at once", lambda: acts.two_runs_at_once(self._on))
        gentle = self._shuffled(one for one in self._faults.kinds if one.is_gentle and not self._has_bug)
        for fault in gentle:
            if not stopping.is_going_on():
                break
            self._suffer(fault)
        try:
            stale = self._act("a work horse was stopped past its lease", stopping.wait)
        except NotFreed as reason:
            self.told.add("leases that nobody freed", [str(reason)])
        else:
            self.told.add("stale results taken", [f"{stale} attempts"] if stale else [])
        if self._has_bug:
            if not self._is_over():
                self._act("kill -9 of both workers, requests in the air", self._faults.kill_all_workers)
            return
        for fault in self._programme(gentle):
            if time.monotonic() > ends:
                return
            self._suffer(fault)

    def _is_over(self) -> bool:
        return self._has_bug and bool(self.told.faults)

    def _programme(self, done: Sequence[Fault]) -> Iterator[Fault]:
        """Give every kind that was not done in some order, then all, again and again."""
        yield from self._shuffled(one for one in self._faults.kinds if one not in done)
        while True:
            yield from self._shuffled(self._faults.kinds)

    def _shuffled(self, kinds: Iterable[Fault]) -> list[Fault]:
        found = list(kinds)
        return self._luck.sample(found, len(found))

    def _act(self, what: str, act: Callable[[], T]) -> T:
        began = time.monotonic()
        came_to = act()
        self._say(f"{what:<{WIDTH}} {time.monotonic() - began:5.1f} s", began)
        return came_to

    def _suffer(self, fault: Fault) -> None:
        began = time.monotonic()
        fault.do()
        ended = time.monotonic()
        healed = self._wait_for_new_ones(ended)
        how = f"goes on after {healed:.1f} s" if healed is not None else f"NOT within {RECOVERY_SECONDS:.0f} s"
        self._say(f"{fault.what:<{WIDTH}} {ended - began:5.1f} s   {how}", began)
        if healed is None:
            self.told.add("not healed within 30 s", [fault.what])
        elif healed > self.told.longest:
            self.told.longest, self.told.longest_after = healed, fault.what
        time.sleep(self._luck.uniform(0.5, 3.0))

    def _wait_for_new_ones(self, since: float) -> float | None:
        """Wait until an event whose sending began since then has come to the fast receiver. None: it did not in time."""
        arrived = self._on.receivers.arrived
        while time.monotonic() < since + RECOVERY_SECONDS:
            for order in self._producers.accepted.begun_since(since):
                if order in arrived:
                    return arrived[order] - since
            time.sleep(0.05)
        return None

    def _heal(self) -> None:
        """Take every cause away, and wait."""
        began = time.monotonic()
        self._on.receivers.heal()
        self._on.servers.heal()
        self._on.clerk.rest()
        still_open = healing.wait(self._on)
        self.told.healed_in = time.monotonic() - began
        self._say(f"everything behaves; {still_open} still open after {self.told.healed_in:.0f} s", began)
        self._on.clerk.stop()
        self._watch.stop()

    def _count(self) -> None:
        told, accepted = self.told, self._producers.accepted
        told.end = use.look(self._on.house)
        told.account = accounts.count(self._on.house, accepted, self._on.receivers)
        told.files = sum(len(self._on.servers.contents(profile)) for profile in self._on.servers.profiles)
        for name, cases in told.account.faults().items():
            told.add(name, cases)
        for name, cases in self._on.clerk.faults(accepted.orders).items():
            told.add(name, cases)
        told.add("refused by the intake", accepted.errors)
        told.add("untrue words of /readyz", self._watch.lies())

    def _say(self, line: str, at: float) -> None:
        print(f"{at - self._began:7.1f} s   {line}", flush=True)


class _Result(Generic[T]):
    """Something that is done in a thread, and what it came to."""

    def __init__(self, do: Callable[[], T]) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._future = self._pool.submit(do)

    def is_going_on(self) -> bool:
        """Say whether it is not over yet."""
        return not self._future.done()

    def wait(self) -> T:
        """Give what it came to, or raise what it raised."""
        return self._future.result()
