"""Asks /readyz all the time, and compares what it says with what was done."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import requests

from chaos.house import House

EVERY_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Said:
    """One answer: when it was asked for and when it came, monotonic."""

    asked: float
    came: float
    status: int
    degraded: tuple[str, ...]


class Watch:
    """A thread that asks; `away` marks the times when a server was surely not there."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._said: list[Said] = []
        self._away: list[tuple[str, float, float]] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._ask_on, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._is_over.set()
        self._thread.join()

    @contextmanager
    def away(self, server: str) -> Iterator[None]:
        """Mark that this server is not there as long as the block lasts."""
        began = time.monotonic()
        yield
        self._away.append((server, began, time.monotonic()))

    def lies(self) -> list[str]:
        """Give each answer that was given while a server was away and said nothing of it."""
        found = []
        for server, since, until in self._away:
            for said in self._said:
                is_within = since <= said.asked and said.came <= until
                if is_within and not _tells(said, server):
                    found.append(f"{server} was away, and it said {said.status} {list(said.degraded)}")
        last = self._said[-1] if self._said else None
        if last is None or last.status != 200 or last.degraded:
            found.append(f"in the end it says {last}")
        return found

    def _ask_on(self) -> None:
        while not self._is_over.wait(EVERY_SECONDS):
            asked = time.monotonic()
            try:
                answer = requests.get(f"{self._house.url}/readyz", timeout=10)
                degraded = tuple(answer.json().get("degraded", ()))
            except (requests.RequestException, ValueError):
                continue
            self._said.append(Said(asked, time.monotonic(), answer.status_code, degraded))


def _tells(said: Said, server: str) -> bool:
    return said.status == 503 if server == "postgres" else "redis" in said.degraded or said.status == 503
