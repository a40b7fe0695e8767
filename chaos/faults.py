"""What is done to it. A fault returns when its cause has ended; what comes then must heal without a hand."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import psutil
import psycopg
import redis as client

from chaos.house import LINES, House
from chaos.watch import Watch
from dev import processes

WORKERS = ("worker", "worker2")
IN_THE_AIR = "SELECT count(DISTINCT leased_by) > 1 FROM deliveries WHERE state = 'leased'"
PATIENCE_SECONDS = 5.0
STORM_SECONDS = 10.0
STOPPED_SECONDS = 5.0
RESTARTS = 3
FULL_SECONDS = 5.0
LOCKED_SECONDS = 7.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault. what: for the time line. is_gentle: every pump lives on, so it may come while one is stopped."""

    what: str
    do: Callable[[], None]
    is_gentle: bool = False


class Faults:
    """All kinds, each told what to do by the same seeded luck. `scale` shortens the long ones in a short run."""

    def __init__(self, house: House, watch: Watch, *, seed: int, scale: float) -> None:
        self._house = house
        self._watch = watch
        self._luck = random.Random(seed)
        self._away_seconds = max(5.0, 60.0 * scale)
        self.kinds = (
            Fault("kill -9 of web, all of it", lambda: kill(self._house.tree("web")), is_gentle=True),
            Fault("kill -9 of one web process", self._kill_one_of_web, is_gentle=True),
            Fault("kill -9 of a worker and all its processes", lambda: kill(self._house.tree(self._a_worker()))),
            Fault("kill -9 of both workers and all their processes", self.kill_all_workers),
            Fault("kill -9 of a worker's parent alone", lambda: kill(self._house.tree(self._a_worker())[:1])),
            Fault("kill -9 of the parents of work horses", self._kill_between),
            Fault("kill -9 of all work horses", self._kill_horses),
            Fault("kill -9 of the scheduler", lambda: kill(self._house.tree("scheduler")), is_gentle=True),
            Fault("kill -9 of anybody, again and again", self._storm),
            Fault("SIGSTOP of a worker and all its processes, 5 s", self._stop_worker),
            Fault("SIGTERM to a worker's whole group, twice", self._terminate_group),
            Fault("SIGTERM to everybody", self._terminate_all),
            Fault("Redis flushed", self._flush, is_gentle=True),
            Fault("Redis killed, and empty when it is back", self._lose_redis, is_gentle=True),
            Fault(
                f"Redis away for {self._away_seconds:.0f} s",
                lambda: self._lose_redis(self._away_seconds),
                is_gentle=True,
            ),
            Fault("Postgres restarted at once, three times", self._restart_postgres),
            Fault("Postgres without a free connection, 5 s", self._use_up_connections),
            Fault("tables locked for 7 s", self._lock_tables),
        )

    def _a_worker(self) -> str:
        return self._luck.choice(WORKERS)

    def _kill_one_of_web(self) -> None:
        kill([self._luck.choice(self._house.tree("web")[1:])])

    def kill_all_workers(self) -> None:
        """Kill both at a moment when requests are in the air: only the end of their leases frees these rows."""
        with self._house.connect() as connection:
            end = time.monotonic() + PATIENCE_SECONDS
            while time.monotonic() < end and connection.execute(IN_THE_AIR).fetchone() != (True,):
                time.sleep(0.01)
        kill([one for line in WORKERS for one in self._house.tree(line)])

    def _kill_between(self) -> None:
        """Leave the horses behind: alive, sending, with nobody who waits for them."""
        kill([child for line in WORKERS for parent in self._house.tree(line)[:1] for child in parent.children()])

    def _kill_horses(self) -> None:
        kill([horse for line in WORKERS for horse in self._house.horses(line)])

    def _storm(self) -> None:
        ends = time.monotonic() + STORM_SECONDS
        while time.monotonic() < ends:
            anybody = [one for line in LINES for one in self._house.tree(line)]
            kill(self._luck.sample(anybody, min(len(anybody), self._luck.randint(1, 3))))
            time.sleep(self._luck.uniform(0.2, 3.0))

    def _stop_worker(self) -> None:
        group = self._house.tree(self._a_worker())
        _signal(group, signal.SIGSTOP)
        time.sleep(STOPPED_SECONDS)
        _signal(group, signal.SIGCONT)

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
        with self._watch.away("redis"):
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
            with self._watch.away("postgres"):
                time.sleep(self._luck.uniform(0.0, 2.0))
            self._house.postgres.start()
            time.sleep(self._luck.uniform(0.5, 2.0))

    def _use_up_connections(self) -> None:
        """Take what is free, so that nobody who comes or comes back finds one."""
        with ExitStack() as taken:
            with suppress(psycopg.OperationalError):
                while True:
                    taken.enter_context(self._house.connect())
            time.sleep(FULL_SECONDS)

    def _lock_tables(self) -> None:
        """Hold the tables that everybody needs for longer than anybody waits for a lock."""
        with self._house.connect() as connection, connection.transaction():
            connection.execute("LOCK TABLE deliveries, events, runs IN ACCESS EXCLUSIVE MODE")
            time.sleep(LOCKED_SECONDS)


def kill(processes_: Iterable[psutil.Process]) -> None:
    """Send SIGKILL to all of them; who is gone is gone."""
    _signal(processes_, signal.SIGKILL)


def _signal(processes_: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in list(processes_):
        with suppress(psutil.Error):
            process.send_signal(number)
