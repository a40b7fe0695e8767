"""What is done to it. A fault returns when its cause has ended; what comes then must heal without a hand."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

import psutil
import redis as client

from chaos.house import LINES, House
from dev import processes

WORKERS = ("worker", "worker2")
STORM_SECONDS = 10.0
RESTARTS = 3


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault. what: a sentence's beginning, for the time line; needs_postgres: no claim can go on meanwhile."""

    what: str
    do: Callable[[], None]


class Faults:
    """All kinds, each told what to do by the same seeded luck. `scale` shortens the long ones in a short run."""

    def __init__(self, house: House, *, seed: int, scale: float) -> None:
        self._house = house
        self._luck = random.Random(seed)
        self._away_seconds = max(5.0, 60.0 * scale)
        self.kinds = (
            Fault("kill -9 of web, all of it", lambda: _kill(self._house.tree("web"))),
            Fault("kill -9 of one web process", self._kill_one_of_web),
            Fault("kill -9 of a worker and all its processes", lambda: _kill(self._house.tree(self._a_worker()))),
            Fault("kill -9 of both workers and all their processes", self._kill_all_workers),
            Fault("kill -9 of a worker's parent alone", lambda: _kill(self._house.tree(self._a_worker())[:1])),
            Fault("kill -9 of the parents of work horses", self._kill_between),
            Fault("kill -9 of all work horses", self._kill_horses),
            Fault("kill -9 of the scheduler", lambda: _kill(self._house.tree("scheduler"))),
            Fault("kill -9 of anybody, again and again", self._storm),
            Fault("SIGTERM to a worker's whole group, twice", self._terminate_group),
            Fault("SIGTERM to everybody", self._terminate_all),
            Fault("Redis flushed", self._flush),
            Fault("Redis killed, and empty when it is back", self._lose_redis),
            Fault(f"Redis away for {self._away_seconds:.0f} s", lambda: self._lose_redis(self._away_seconds)),
            Fault("Postgres restarted at once, three times", self._restart_postgres),
        )

    def _a_worker(self) -> str:
        return self._luck.choice(WORKERS)

    def _kill_one_of_web(self) -> None:
        _kill([self._luck.choice(self._house.tree("web")[1:])])

    def _kill_all_workers(self) -> None:
        _kill([one for line in WORKERS for one in self._house.tree(line)])

    def _kill_between(self) -> None:
        """Leave the horses behind: alive, sending, with nobody who waits for them."""
        _kill([child for line in WORKERS for parent in self._house.tree(line)[:1] for child in parent.children()])

    def _kill_horses(self) -> None:
        _kill([horse for line in WORKERS for horse in self._house.horses(line)])

    def _storm(self) -> None:
        ends = time.monotonic() + STORM_SECONDS
        while time.monotonic() < ends:
            anybody = [one for line in LINES for one in self._house.tree(line)]
            _kill(self._luck.sample(anybody, min(len(anybody), self._luck.randint(1, 3))))
            time.sleep(self._luck.uniform(0.2, 3.0))

    def _terminate_group(self) -> None:
        """Do as hosts do: everybody is told at once, the parent passes it on, and so each hears it twice and more."""
        group = self._house.tree(self._a_worker())
        for _ in range(2):
            _signal(group, signal.SIGTERM)
            time.sleep(1)

    def _terminate_all(self) -> None:
        _signal([one for line in LINES for one in self._house.tree(line)], signal.SIGTERM)

    def _flush(self) -> None:
        with client.Redis.from_url(self._house.redis_url) as redis:
            redis.flushall()

    def _lose_redis(self, seconds: float = 0.0) -> None:
        pid = self._house.redis.pid
        if pid:
            os.kill(pid, signal.SIGKILL)
            processes.wait_gone(pid, "redis", 5)
        shutil.rmtree(self._house.redis.folder / "appendonlydir", ignore_errors=True)
        time.sleep(seconds)
        self._house.redis.start()

    def _restart_postgres(self) -> None:
        for _ in range(RESTARTS):
            pid = self._house.postgres.pid
            if pid:
                os.kill(
                    pid, signal.SIGQUIT
                )  # what `pg_ctl stop -m immediate` sends: no checkpoint, the log is replayed
            while self._house.postgres.pid:
                time.sleep(0.05)
            self._house.postgres.start()
            time.sleep(self._luck.uniform(0.5, 2.0))


def _kill(processes_: Iterable[psutil.Process]) -> None:
    _signal(processes_, signal.SIGKILL)


def _signal(processes_: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in list(processes_):
        with suppress(psutil.Error):
            process.send_signal(number)
