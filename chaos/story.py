"""One run: warm up, fail, heal, count. What happens is told as a time line."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from chaos import accounts, use
from chaos.accounts import Account
from chaos.faults import Fault, Faults
from chaos.house import House
from chaos.producers import Producers
from chaos.receivers import Receivers
from chaos.use import Use

RATE = 50.0
WARM_UP_SECONDS = 8.0
RECOVERY_SECONDS = 30.0
"""The promise: after so long claims go on, whatever it was."""

STILL_SECONDS = 40.0
"""What waits so long although it is due, and no lease and no breaker is in the way, is lost."""

# Rows behind a lease or an open breaker have a way on that is only not over yet.
HAS_A_WAY_ON = """SELECT EXISTS (SELECT FROM deliveries WHERE state = 'leased' AND lease_until > now() - interval '10 s')
    OR EXISTS (SELECT FROM deliveries d JOIN gates g USING (profile_id)
        WHERE d.state = 'pending' AND g.opens_at > now() - interval '10 s')"""


@dataclass(slots=True)
class Told:
    """What a run came to."""

    longest: float = 0.0
    longest_after: str = ""
    unhealed: list[str] = field(default_factory=list)
    start: Use | None = None
    end: Use | None = None
    account: Account = field(default_factory=Account)
    healed_in: float = 0.0


class Story:
    """One run on an open house."""

    def __init__(self, house: House, receivers: Receivers, *, seed: int, seconds: float) -> None:
        self._house = house
        self._receivers = receivers
        self._seconds = seconds
        self._luck = random.Random(seed)
        self._producers = Producers(house, seed=seed, rate=RATE)
        self._faults = Faults(house, seed=seed, scale=min(1.0, seconds / 300))
        self._began = time.monotonic()
        self.told = Told()

    @property
    def intake_errors(self) -> list[str]:
        """What the intake refused: nothing it was sent is refusable."""
        return self._producers.accepted.errors

    def tell(self) -> Told:
        """Let it happen."""
        self._producers.start()
        time.sleep(WARM_UP_SECONDS)
        self.told.start = use.look(self._house)
        ends = time.monotonic() + self._seconds
        for fault in self._programme():
            if time.monotonic() > ends:
                break
            self._suffer(fault)
        self._producers.stop()
        self._receivers.heal()
        self._heal()
        self.told.end = use.look(self._house)
        self.told.account = accounts.count(self._house, self._producers.accepted, self._receivers)
        return self.told

    def _programme(self) -> Iterator[Fault]:
        """Give every kind once in some order, then again in another."""
        while True:
            yield from self._luck.sample(self._faults.kinds, len(self._faults.kinds))

    def _suffer(self, fault: Fault) -> None:
        began = time.monotonic()
        fault.do()
        ended = time.monotonic()
        healed = self._wait_for_new_ones(ended)
        how = f"goes on after {healed:.1f} s" if healed is not None else f"NOT within {RECOVERY_SECONDS:.0f} s"
        self._say(f"{fault.what:<50} {ended - began:5.1f} s   {how}", began)
        if healed is None:
            self.told.unhealed.append(fault.what)
        elif healed > self.told.longest:
            self.told.longest, self.told.longest_after = healed, fault.what
        time.sleep(self._luck.uniform(0.5, 3.0))

    def _wait_for_new_ones(self, since: float) -> float | None:
        """Wait until an event whose sending began since then has come to the fast receiver. None: it did not in time."""
        while time.monotonic() < since + RECOVERY_SECONDS:
            for order, began in list(self._producers.accepted.by_api.items())[-200:]:
                if began >= since and order in self._receivers.arrived:
                    return self._receivers.arrived[order] - since
            time.sleep(0.05)
        return None

    def _heal(self) -> None:
        """Wait until nothing is open, or nothing moves although it could."""
        began = still_since = time.monotonic()
        last = -1
        while time.monotonic() - still_since < STILL_SECONDS:
            time.sleep(0.5)
            waiting = accounts.waiting(self._house)
            if not waiting:
                break
            if waiting != last or self._has_a_way_on():
                last, still_since = waiting, time.monotonic()
        self.told.healed_in = time.monotonic() - began
        self._say(f"healed, {max(0, last) if time.monotonic() - still_since >= STILL_SECONDS else 0} still open", began)

    def _has_a_way_on(self) -> bool:
        with self._house.connect() as connection:
            row = connection.execute(HAS_A_WAY_ON).fetchone()
        return bool(row and row[0])

    def _say(self, line: str, at: float) -> None:
        print(f"{at - self._began:7.1f} s   {line}", flush=True)
