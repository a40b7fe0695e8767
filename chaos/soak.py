"""`make soak`: a day squeezed, 200 events a second for 30 minutes with faults; nothing may creep up.

Samples of memory, connections and bytes are taken all along. Memory, file handles and connections are compared as medians
of two stretches of the run, bytes as what one more event takes: tables that only fill up stay flat, bloat does not.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil
import psycopg
import redis as client

from chaos import use
from chaos.house import House

RATE = 200.0
THIRTY_MINUTES = 1800
SAMPLES = 60
"""How many looks a run takes, whatever its length."""

BEGIN, END = (0.2, 0.5), (0.7, 1.0)
"""The stretches of the run that are compared. Before the first one caches fill and pools grow."""

MOST = {"memory, MiB": 1.15, "file handles": 1.2, "connections": 1.2, "bytes of tables an event": 1.1, "bytes of indexes an event": 1.1}  # fmt: skip
"""How many times the first stretch's figure the second one's may be."""

SIZES = """SELECT (SELECT count(*) FROM events), sum(pg_table_size(c.oid)), sum(pg_indexes_size(c.oid))
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public' WHERE c.relkind = 'r'"""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look, `at` so many seconds after the beginning."""

    at: float
    figures: dict[str, float]

    def __str__(self) -> str:
        return f"{self.at:7.0f} s   " + ", ".join(f"{value:,.0f} {name}" for name, value in self.figures.items())


class Soak:
    """A thread that takes the samples and prints them."""

    def __init__(self, house: House, *, seconds: float) -> None:
        self._house = house
        self._seconds = seconds
        self._samples: list[Sample] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._began = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._is_over.set()
        self._thread.join()

    def faults(self) -> list[str]:
        """Give what crept up."""
        return creeping(self._samples)

    def _look_on(self) -> None:
        while not self._is_over.wait(self._seconds / SAMPLES):
            with suppress(psycopg.Error, client.RedisError, psutil.Error):  # a server is away just now
                sample = Sample(time.monotonic() - self._began, self._look())
                self._samples.append(sample)
                print(sample, flush=True)

    def _look(self) -> dict[str, float]:
        now = use.look(self._house)
        with self._house.connect() as connection:
            row = connection.execute(SIZES).fetchone()
        events, tables, indexes = row or (0, 0, 0)
        return {
            "memory, MiB": now.memory,
            "file handles": now.handles,
            "connections": now.to_postgres + now.to_redis,
            "bytes of tables an event": float(tables) / max(1, events),
            "bytes of indexes an event": float(indexes) / max(1, events),
        }


def creeping(samples: Sequence[Sample]) -> list[str]:
    """Compare the two stretches; give each figure that is higher in the second one by more than it may be."""
    if not samples:
        return ["no sample was taken"]
    whole = samples[-1].at
    found = []
    for name, most in MOST.items():
        first, last = (_median(samples, name, whole * since, whole * until) for since, until in (BEGIN, END))
        if first is None or last is None:
            found.append(f"{name}: too few samples")
        elif last > most * first:
            found.append(f"{name}: {first:,.0f} at first, {last:,.0f} in the end, {most} times is the most")
    return found


def _median(samples: Sequence[Sample], name: str, since: float, until: float) -> float | None:
    values = [sample.figures[name] for sample in samples if since <= sample.at <= until]
    return statistics.median(values) if values else None
