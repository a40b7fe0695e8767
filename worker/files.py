"""The job `files`: makes the files that are due, and brings them to their servers.

The main thread claims and writes runs, one after the other. Uploads go in threads, each with its own claim, so that a
slow server holds up neither the making nor the other servers. Postgres may go away at any point: what is under way
fails or ends, and the work goes on when it is back.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import TypeVar

from exporters.base import Door
from models import heartbeat
from worker import run_claim, runs, upload_claim, uploads
from worker.app import Workplace
from worker.ear import Ear
from worker.heart import Heart
from worker.outage import DATABASE_ERRORS, in_short, is_outage
from worker.queues import FILES_BELL
from worker.ways import Ways

log = logging.getLogger(__name__)

T = TypeVar("T")

BOX_SECONDS = 60.0
LONGEST_SECONDS = 6 * 3600.0
"""A box that cannot end, because uploads are under way all the time, begins no more then."""

UPLOADERS = 8
FOR_FRESH = 3
"""So many of them leave alone what failed before: servers that are down never take all hands."""

DRAIN_SECONDS = 18.0
"""How long the end waits for uploads that are asked to stop; SIGTERM leaves 22 seconds in all."""

CHORES_SECONDS = 5.0
LOOK_SECONDS = 1.0
IDLE_SECONDS = 5.0
"""How long an idle thread waits for news; what failed is due by the clock alone, minutes later."""


@dataclass(slots=True)
class Office:
    """One worker of files for one time box. `name` is the same for all of one worker process, one after the other."""

    place: Workplace
    name: str
    stopping: Callable[[], bool]
    door: Door
    ways: Ways
    heart: Heart
    ear: Ear
    is_over: threading.Event = field(default_factory=threading.Event)
    has_news: threading.Condition = field(default_factory=threading.Condition)
    news: int = 0  # counts what may have made an upload due
    busy: int = 0  # threads that claim or upload
    chores_at: float = 0.0

    def work(self, box_seconds: float) -> None:
        """Work until the box is over and nothing is under way, or until told to stop."""
        began = monotonic()
        while not self.stopping() and not self.try_to(self.free_predecessors):
            sleep(LOOK_SECONDS)
        uploaders = self.start_uploaders()
        with self.heart.beating():
            while not self.stopping() and not self.ends(monotonic() - began, box_seconds):
                self.turn()
            self.drain(uploaders)

    def ends(self, passed: float, box_seconds: float) -> bool:
        """Say whether the box is over: not while a file is on its way, the others must not wait for it."""
        with self.has_news:
            if passed < box_seconds or (self.busy > 0 and passed < LONGEST_SECONDS):
                return False
            self.is_over.set()
            return True

    def free_predecessors(self) -> bool:
        """Free what a predecessor of this name was at when it died."""
        freed = runs.free_leases_of(self.place.engine, self.name)
        freed += upload_claim.free_leases_of(self.place.engine, self.name)
        if freed:
            log.warning("files.freed", extra={"worker": self.name, "leases": freed})
        return True

    def turn(self) -> None:
        """Do one round: the chores when it is time, then a run, or a moment's rest."""
        if monotonic() >= self.chores_at:
            self.chores_at = monotonic() + CHORES_SECONDS
            self.try_to(self.do_chores)
        if self.try_to(self.make_one):
            self.tell()
            return
        if self.ear.wait(LOOK_SECONDS):
            self.tell()

    def make_one(self) -> bool:
        """Claim a run and write it. Returns whether there was one."""
        zone = self.place.config.account_time_zone
        lease = run_claim.claim(self.place.engine, name=self.name, account_time_zone=zone)
        if lease is not None:
            runs.make(self.place.engine, lease, heart=self.heart)
        return lease is not None

    def do_chores(self) -> bool:
        """Show a sign of life, and free uploads whose lease is over."""
        heartbeat.beat(self.place.engine, f"files:{self.name}")
        if upload_claim.reap(self.place.engine):
            self.tell()
        return True

    def tell(self) -> None:
        """Wake the uploaders: something may be due, or all is over."""
        with self.has_news:
            self.news += 1
            self.has_news.notify_all()

    def start_uploaders(self) -> list[threading.Thread]:
        """Start the threads that upload."""
        threads = [
            threading.Thread(target=self.upload_on, args=(number < FOR_FRESH,), name=f"upload-{number}", daemon=True)
            for number in range(UPLOADERS)
        ]
        for thread in threads:
            thread.start()
        return threads

    def upload_on(self, fresh_only: bool) -> None:  # noqa: FBT001 -- a thread's argument
        """Upload one file after the other until all is over."""
        while self.comes_in():
            heard = self.news
            try:
                is_done = self.try_to(lambda: self.upload_one(fresh_only=fresh_only))
            except Exception:  # a thread that ends would be missed for the rest of the box
                log.exception("upload.broke")
                is_done = None
            finally:
                self.goes_out()
            if not is_done:
                self.wait_for_news(heard)

    def wait_for_news(self, heard: int) -> None:
        """Rest until something may be due that was not when the count stood there."""
        with self.has_news:
            self.has_news.wait_for(lambda: self.news != heard, IDLE_SECONDS)

    def comes_in(self) -> bool:
        """Begin a turn of a thread, unless all is over."""
        with self.has_news:
            if self.is_over.is_set() or self.stopping():
                return False
            self.busy += 1
            return True

    def goes_out(self) -> None:
        """End a turn of a thread."""
        with self.has_news:
            self.busy -= 1

    def upload_one(self, *, fresh_only: bool) -> bool:
        """Claim an upload and try it. Returns whether there was one."""
        lease = upload_claim.claim(self.place.engine, self.ways, name=self.name, fresh_only=fresh_only)
        if lease is None:
            return False
        uploads.send(self.place.engine, lease, door=self.door, heart=self.heart)
        self.tell()  # its server is free again
        return True

    def drain(self, uploaders: list[threading.Thread]) -> None:
        """Wait for the uploads to end; told to stop, they let go. One that hears nothing is freed for the next process."""
        self.is_over.set()
        self.tell()
        ends = monotonic() + LONGEST_SECONDS
        for thread in uploaders:
            while thread.is_alive() and monotonic() < ends:
                if self.stopping():
                    ends = min(ends, monotonic() + DRAIN_SECONDS)
                thread.join(0.1)
        if self.busy:
            self.try_to(lambda: upload_claim.free_leases_of(self.place.engine, self.name))

    def try_to(self, act: Callable[[], T]) -> T | None:
        """Ask Postgres. None when it is away: the loop goes on and asks again later."""
        try:
            return act()
        except DATABASE_ERRORS as error:
            if not is_outage(error):
                raise
            log.warning("postgres.away", extra={"worker": self.name, "error": in_short(error)})
            sleep(LOOK_SECONDS)
            return None


def run_files(
    place: Workplace, *, name: str, stopping: Callable[[], bool], door: Door, box_seconds: float = BOX_SECONDS
) -> None:
    """Work on files for one box."""
    heart, ear = Heart(place.engine, stopping=stopping), Ear(place.redis, FILES_BELL)
    Office(place, name, stopping, door, Ways(place.seal), heart, ear).work(box_seconds)
    ear.close()
