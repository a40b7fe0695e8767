"""Keeps processes alive: forks them, forks them again when they end, and ends them together."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.context import ForkContext, ForkProcess
from types import FrameType

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
FIRST_WAIT = 0.2
LONGEST_WAIT = 2.0
LONG_LIFE = 10.0  # who lived so long is started again with the first wait
GRACE_SECONDS = 23.5


@dataclass(slots=True)
class Post:
    """One task and the process that does it now. `start_at` and `started_at` are monotonic."""

    name: str
    task: Callable[[], None]
    process: ForkProcess | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    wait: float = FIRST_WAIT

    @property
    def is_alive(self) -> bool:
        """Say whether its process runs."""
        return self.process is not None and self.process.is_alive()


class Supervisor:
    """Does every task in a process of its own, for ever. A task that returns is started again like one that fails."""

    def __init__(self, tasks: Mapping[str, Callable[[], None]]) -> None:
        self._posts = [Post(name, task) for name, task in tasks.items()]
        self._forking: ForkContext = multiprocessing.get_context("fork")  # what is imported by now is shared
        self._is_stopping = False
        self._pid = os.getpid()

    def go(self) -> None:
        """Keep all alive until SIGTERM or SIGINT, then end them; returns within 24 seconds."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask_to_stop)
        while not self._is_stopping:
            for post in self._posts:
                self._tend(post)
            living = [post.process.sentinel for post in self._posts if post.process and post.is_alive]
            if not wait(living, LOOK_SECONDS) or not living:
                time.sleep(0 if living else LOOK_SECONDS)
        self._end_all()

    def _ask_to_stop(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a signal handler
        self._is_stopping = True

    def _tend(self, post: Post) -> None:
        now = time.monotonic()
        if post.is_alive:
            return
        if post.process is not None:
            post.wait = FIRST_WAIT if now - post.started_at > LONG_LIFE else min(LONGEST_WAIT, post.wait * 2)
            post.start_at = now + post.wait
            log.warning("process.ended", extra={"task": post.name, "code": post.process.exitcode})
            post.process.close()
            post.process = None
        if now >= post.start_at:
            post.process = self._forking.Process(target=self._be, args=(post.task,), name=post.name)
            post.process.start()
            post.started_at = now

    def _be(self, task: Callable[[], None]) -> None:
        """Live as a child. A signal that came while our handler was still the parent's has set a flag only."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if self._is_stopping or os.getppid() != self._pid:
            return
        task()

    def _end_all(self) -> None:
        end = time.monotonic() + GRACE_SECONDS
        for post in self._posts:
            if post.process:
                post.process.terminate()
        for post in self._posts:
            if post.process:
                post.process.join(max(0.0, end - time.monotonic()))
        for post in self._posts:
            if post.process and post.is_alive:
                log.warning("process.killed", extra={"task": post.name})
                with suppress(ProcessLookupError):
                    post.process.kill()
