"""The Waybill that is ill-treated: servers of its own, its processes kept alive as `make run` keeps them."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg

from dev.files import kept_port, read_or_none
from dev.postgres import Postgres
from dev.redis import Redis

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 120.0
STOP_SECONDS = 45.0
GONE_SECONDS = 30.0
MARK = "WAYBILL_CHAOS"
"""In the environment of every process that comes of this, so that the last one is found."""

LINES = ("web", "worker", "worker2", "scheduler")


class House:
    """Postgres, Redis, web, two workers, a scheduler. Whoever of the latter four dies is started again."""

    def __init__(self, folder: Path, log: Path, *, bug: str = "") -> None:
        self.folder = folder
        self.log = log
        self.postgres = Postgres(folder / "postgres")
        self.redis = Redis(folder / "redis")
        self._bug = bug
        self._mark = secrets.token_hex(8)
        self._run: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        """Start all of it and wait until it is ready."""
        given = {name: value for name, value in os.environ.items() if name != "DATA_DIR"}
        environment = given | {
            "DATABASE_URL": self.postgres.start(),
            "REDIS_URL": self.redis.start(),
            "DATA_DIR": str(self.folder / "data"),
            "PORT": str(kept_port(self.folder / "port")),
            "EGRESS_ALLOW": "127.0.0.1/32",
            "WEB_CONCURRENCY": "2",
            "WORKER_PROCESSES": "1",
            MARK: self._mark,
        }
        self.database_url, self.redis_url = environment["DATABASE_URL"], environment["REDIS_URL"]
        with self.log.open("ab") as log:
            self._run = subprocess.Popen(
                [sys.executable, "-m", "chaos.run", *self._bug.split()],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us: things are stopped in order
            )
        end = time.monotonic() + READY_SECONDS
        while not self.told():
            if self._run.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"Waybill did not start, see {self.log}")
            time.sleep(0.1)
        self.url, self.api_key = self.told()["url"], self.told()["api_key"]

    def told(self) -> dict[str, Any]:
        """Give run.json as it is now; nothing before all is ready."""
        told: dict[str, Any] = json.loads(read_or_none(self.folder / "data" / "run.json") or "{}")
        return told

    def tree(self, line: str) -> list[psutil.Process]:
        """Give a line's process and all below it, the parent first; what has just died is left out."""
        with suppress(psutil.Error):
            parent = psutil.Process(self.told()["pids"][line])
            return [parent, *parent.children(recursive=True)]
        return []

    def horses(self, line: str) -> list[psutil.Process]:
        """Give the work horses of a worker: the children of its parent's children."""
        found: list[psutil.Process] = []
        for worker in self.tree(line)[:1]:
            for child in _children(worker):
                found += _children(child)
        return found

    def connect(self) -> psycopg.Connection[Any]:
        """Open a connection to its database."""
        return psycopg.connect(self.database_url, autocommit=True)

    def close(self) -> list[str]:
        """Stop everything. Returns the processes that were left over and had to be killed: there should be none."""
        if self._run is not None:
            for process in self._marked():
                with suppress(psutil.Error):
                    process.send_signal(signal.SIGCONT)
            self._run.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._run.wait(STOP_SECONDS)
        left = self._left_over()
        self.redis.stop()
        self.postgres.stop()
        return left

    def _left_over(self) -> list[str]:
        end = time.monotonic() + GONE_SECONDS
        while (found := self._marked()) and time.monotonic() < end:
            time.sleep(0.2)
        told = []
        for process in found:
            with suppress(psutil.Error):
                told.append(" ".join(process.cmdline()))
                process.kill()
        return told

    def _marked(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get(MARK) == self._mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found


def _children(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return process.children()
    return []
