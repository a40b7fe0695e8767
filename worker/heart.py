"""Keeps the leases of files and uploads alive while they are worked on, and tells when one is lost.

A lease is short, a file may take hours: one thread prolongs all of a process. Who cannot prolong his lease must stop
before it ends, for somebody else may have it then.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Literal

import sqlalchemy as sa

from worker.outage import DATABASE_ERRORS, in_short

log = logging.getLogger(__name__)

LEASE_SECONDS = 60
BEAT_SECONDS = 10.0
SAFE_SECONDS = 45.0
"""After so long without an answer from Postgres a lease counts as lost, with some room before its end."""

Kind = Literal["runs", "uploads"]

PROLONG = {
    kind: sa.text(
        f"""/* heart: leases that are still ours */
        UPDATE {kind} SET lease_until = now() + make_interval(secs => {LEASE_SECONDS})
        WHERE id = ANY(:ids) AND lease_token = ANY(:tokens) RETURNING id, lease_token"""  # noqa: S608 -- constants of ours
    )
    for kind in ("runs", "uploads")
}


class LeaseLost(Exception):
    """Somebody else has the lease, or may have: nothing more may be done with it."""


class Stopping(Exception):
    """The process is to end: let go what is under way."""


@dataclass(eq=False, slots=True)
class Hold:
    """One lease that is being worked on."""

    kind: Kind
    id: int
    token: int
    stopping: Callable[[], bool]
    beaten_at: float = field(default_factory=monotonic)
    is_gone: bool = False

    @property
    def is_lost(self) -> bool:
        """Say whether it may be somebody else's by now."""
        return self.is_gone or monotonic() - self.beaten_at > SAFE_SECONDS

    def check(self) -> None:
        """Raise LeaseLost or Stopping when the work must end here. Cheap: call it often."""
        if self.is_lost:
            raise LeaseLost
        if self.stopping():
            raise Stopping


class Heart:
    """The thread. Give it each lease for as long as it is worked on."""

    def __init__(self, engine: sa.Engine, *, stopping: Callable[[], bool], every: float = BEAT_SECONDS) -> None:
        self._engine = engine
        self._stopping = stopping
        self._every = every
        self._holds: set[Hold] = set()
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, name="heart", daemon=True)

    @contextmanager
    def beating(self) -> Iterator[Heart]:
        """Beat until the block ends."""
        self._thread.start()
        try:
            yield self
        finally:
            self._is_over.set()
            self._thread.join(5)

    @contextmanager
    def hold(self, kind: Kind, id_: int, token: int) -> Iterator[Hold]:
        """Keep a lease, just taken, until the block ends."""
        hold = Hold(kind, id_, token, self._stopping)
        with self._lock:
            self._holds.add(hold)
        try:
            yield hold
        finally:
            with self._lock:
                self._holds.discard(hold)

    def beat(self) -> None:
        """Prolong all leases; what is no longer ours is marked so."""
        with self._lock:
            holds = list(self._holds)
        for kind, statement in PROLONG.items():
            ours = [hold for hold in holds if hold.kind == kind]
            if ours:
                self._prolong(statement, ours)

    def _prolong(self, statement: sa.TextClause, holds: list[Hold]) -> None:
        began = monotonic()
        values = {"ids": [hold.id for hold in holds], "tokens": [hold.token for hold in holds]}
        try:
            with self._engine.begin() as connection:
                kept = {(row.id, row.lease_token) for row in connection.execute(statement, values)}
        except DATABASE_ERRORS as error:
            log.warning("heart.missed", extra={"error": in_short(error)})
            return
        for hold in holds:
            if (hold.id, hold.token) in kept:
                hold.beaten_at = began
            else:
                hold.is_gone = True

    def _beat_on(self) -> None:
        while not self._is_over.wait(self._every):
            try:
                self.beat()
            except Exception:  # a heart that stops would lose every lease
                log.exception("heart.stumbled")
