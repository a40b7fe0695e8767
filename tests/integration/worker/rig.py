"""Starts stand-ins and reads what they noted."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from dev.children import kill_session
from tests.integration.worker.stand_ins import HERE, QUEUE, StandInJob
from tests.servers import ROOT, app_environment

T = TypeVar("T")
PATIENCE = 20.0  # only a failing test waits so long


def wait_until(ask: Callable[[], T], seconds: float = PATIENCE) -> T:
    """Ask until the answer is true; gives it."""
    end = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return answer


class Rig:
    """One Redis, one file of notes, some processes, each a group of its own."""

    def __init__(self, redis_url: str, folder: Path) -> None:
        self.redis_url = redis_url
        self.redis = Redis.from_url(redis_url)
        self.queue = Queue(QUEUE, connection=self.redis, job_class=StandInJob, serializer=JSONSerializer)
        self._notes = folder / "notes"
        self._notes.touch()
        self.log = folder / "log"
        self._started: list[subprocess.Popen[bytes]] = []

    def start(
        self, what: str, *, module: str = HERE, database_url: str = "postgresql://x/x"
    ) -> subprocess.Popen[bytes]:
        """Start a process that stand_ins knows, or another module; for a stand-in, wait until it has begun."""
        command = [sys.executable, "-m", module, *([what] if what else [])]
        environment = app_environment(database_url, self.redis_url) | {"NOTES": str(self._notes)}
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self._started.append(process)
        if module == HERE:
            wait_until(lambda: str(process.pid) in self.notes("begun"))
        return process

    def enqueue(self, function: str, *arguments: str | int) -> None:
        job = StandInJob.create(
            f"{HERE}.{function}", args=arguments, connection=self.redis, result_ttl=0, failure_ttl=60, ttl=60
        )
        self.queue.enqueue_job(job)

    def notes(self, word: str) -> list[str]:
        """What was noted under a word, the word taken off."""
        lines = self._notes.read_text().splitlines()
        return [line.partition(" ")[2] for line in lines if line.partition(" ")[0] == word]

    def wait_for(self, word: str, count: int = 1) -> list[str]:
        """Wait until so many notes are under a word; gives them."""
        return wait_until(lambda: found if len(found := self.notes(word)) >= count else [])

    def wait_for_horse(self) -> int:
        """Wait until the stand-in of a pump works; gives its process id."""
        return int(self.wait_for("pump")[-1].split()[0])

    def events(self) -> str:
        """All that was logged."""
        return self.log.read_text()

    def clean(self) -> None:
        """Leave nothing behind: horses are in groups of their own, but in their worker's session."""
        for process in self._started:
            kill_session(process.pid)
            process.wait()
        for note in self.notes("pump"):
            with suppress(ProcessLookupError):
                os.kill(int(note.split()[0]), signal.SIGKILL)
        self.redis.close()


def is_running(pid: int) -> bool:
    """Say whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False
