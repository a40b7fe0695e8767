"""Hear the bell while doing something else."""

from __future__ import annotations

import logging
import select
import time
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from worker.queues import BELL

log = logging.getLogger(__name__)

ASK_SECONDS = 1
SILENT_SECONDS = 5.0
"""A line on which Redis owes an answer for so long is dead."""

REST_SECONDS = 1.0
"""After a failure: who is busy listens many times a second."""


class Ear:
    """Hears a bell: a BLPOP is under way, and the file it is answered on can be watched among others. For one thread.

    Without Redis it hears nothing. A token that comes when nobody heeds it is kept for the next look.
    """

    def __init__(self, redis: Redis, bell: str = BELL) -> None:
        self._redis = redis
        self._bell = bell
        self._line: Any = None
        self._is_asking = False
        self._asked_at = 0.0
        self._rest_until = 0.0
        self._is_away = False

    def listen(self) -> int | None:
        """Ask Redis, if it is not asked already. Gives the file that can be read once it answers; None without Redis.

        Before that file is watched again, ask again: it changes when a line breaks.
        """
        now = time.monotonic()
        if not self._is_asking:
            if now < self._rest_until:
                return None
            try:
                self._ask()
            except (RedisError, OSError) as error:
                self._note_absence(error)
                return None
            self._is_asking, self._asked_at, self._is_away = True, now, False
        return int(self._line._sock.fileno())  # noqa: SLF001 -- redis-py has no other way to its socket

    def rang(self) -> bool:
        """Say whether the bell was rung since it listened. Waits for nothing."""
        if not self._is_asking:
            return False
        try:
            if not self._line.can_read(0):
                if time.monotonic() - self._asked_at > SILENT_SECONDS:
                    self.close()
                return False
            answer = self._line.read_response()
        except (RedisError, OSError):
            self.close()  # the next time it listens there is a new line, or Redis is away
            return False
        self._is_asking = False
        return answer is not None

    def wait(self, seconds: float) -> bool:
        """Wait until the bell rings, at most so many seconds. Without Redis it just sleeps."""
        end = time.monotonic() + seconds
        while True:
            file, left = self.listen(), max(0.0, end - time.monotonic())
            if file is None:
                time.sleep(left)
                return False
            ready = select.poll()
            ready.register(file, select.POLLIN)
            ready.poll(1000 * left)
            if self.rang():
                return True
            if time.monotonic() >= end:
                return False

    def close(self) -> None:
        """Hang up; Redis forgets that it was asked."""
        if self._line is not None:
            self._line.disconnect()
            self._redis.connection_pool.release(self._line)
        self._line, self._is_asking = None, False

    def _ask(self) -> None:
        if self._line is None:
            self._line = self._redis.connection_pool.get_connection()
        self._line.send_command("BLPOP", self._bell, ASK_SECONDS)

    def _note_absence(self, error: Exception) -> None:
        self.close()
        if not self._is_away:
            log.warning("bell.away", extra={"error": str(error)})
        self._is_away = True
        self._rest_until = time.monotonic() + REST_SECONDS
