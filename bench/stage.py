"""The stage of a bench run: Postgres and Redis of its own in a folder that goes away, and processes on top of them."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa
from cryptography.fernet import Fernet

from bench.api import Api
from dev.files import kept_port
from dev.postgres import Postgres
from dev.redis import Redis

ROOT = Path(__file__).resolve().parent.parent


class Stage:
    """Servers, an environment, and processes that are ended with it."""

    def __init__(self, *, loaded: str | None = None, only: str = "", scale: float = 1.0) -> None:
        self.loaded, self.only = loaded, only
        """The URL of a database that `bench.loader` has filled; None: a row that needs one fills its own. A part of names."""

        self._scale = scale

        self.folder = Path(tempfile.mkdtemp(prefix="waybill-bench-"))
        self._postgres, self._redis = Postgres(self.folder / "postgres"), Redis(self.folder / "redis")
        self._processes: list[subprocess.Popen[bytes]] = []
        self._web_process: subprocess.Popen[bytes] | None = None

    def set_up(self) -> None:
        """Start the servers, migrate, start the receiver."""
        self.receiver_port = kept_port(self.folder / "receiver.port")
        self.bad_port = kept_port(self.folder / "bad.port")
        self.web_port = kept_port(self.folder / "web.port")
        self.environment = {
            **os.environ,
            "DATABASE_URL": self._postgres.start(),
            "REDIS_URL": self._redis.start(),
            "SECRET_KEY": secrets.token_hex(32),
            "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
            "EGRESS_ALLOW": f"127.0.0.1/32:{self.receiver_port},127.0.0.1/32:{self.bad_port}",
            "PORT": str(self.web_port),
            "WEB_CONCURRENCY": "2",
            "WORKER_PROCESSES": "2",
            "GUNICORN_CMD_ARGS": f"--bind=127.0.0.1:{self.web_port}",
        }
        os.environ.update(self.environment)
        self.run("flask", "--app", "wsgi", "db", "upgrade")
        self.start(sys.executable, "-m", "bench.receiver", str(self.receiver_port))
        self.wait_for(f"{self.receiver}/count")
        url = self.environment["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://", 1)
        self.engine = sa.create_engine(url)

    @property
    def receiver(self) -> str:
        """The receiver's address."""
        return f"http://127.0.0.1:{self.receiver_port}"

    @property
    def web(self) -> str:
        """The web process's address."""
        return f"http://127.0.0.1:{self.web_port}"

    def sized(self, count: int) -> int:
        """Give how many of something this bench takes: a quick one takes fewer."""
        return int(count * self._scale)

    def api(self, email: str = "bench") -> Api:
        """Give a way in with a key of its own, of the database that web works on."""
        return Api(self.web, self.run("flask", "--app", "wsgi", "api-key", "create", email).split()[-1])

    def filled(self, name: str, deliveries: int) -> str:
        """Give the URL of a new database full of months of work, which takes minutes."""
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        url = sa.make_url(self.environment["DATABASE_URL"]).set(database=name).render_as_string(hide_password=False)
        self.run("flask", "--app", "wsgi", "db", "upgrade", DATABASE_URL=url)
        self.run("python", "-m", "bench.loader", "--deliveries", str(self.sized(deliveries)), DATABASE_URL=url)
        return url

    @contextmanager
    def working_on(self, url: str) -> Iterator[None]:
        """Let web, workers and `engine` work on another database for a while."""
        before, engine = self.environment["DATABASE_URL"], self.engine
        self.environment["DATABASE_URL"] = url
        self.engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
        self.start_web()
        try:
            yield
        finally:
            self.engine.dispose()
            self.environment["DATABASE_URL"], self.engine = before, engine
            self.start_web()

    def run(self, program: str, *arguments: str, **environment: str) -> str:
        """Run a program of the virtual environment to its end and give what it printed."""
        path, told = Path(sys.executable).parent / program, {**self.environment, **environment}
        done = subprocess.run([str(path), *arguments], cwd=ROOT, env=told, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def start(self, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a process; it is ended with the stage or by `end`."""
        log = (self.folder / "processes.log").open("ab")
        process = subprocess.Popen(
            command, cwd=ROOT, env={**self.environment, **environment}, stdout=log, stderr=log, start_new_session=True
        )
        log.close()
        self._processes.append(process)
        return process

    def start_web(self, **environment: str) -> None:
        """Start gunicorn as the Procfile does, and wait for it. The one that ran before is ended."""
        if self._web_process is not None:
            self.end(self._web_process)
        self._web_process = self.start(str(Path(sys.executable).parent / "gunicorn"), "wsgi:app", **environment)
        self.wait_for(f"{self.web}/healthz")

    def start_worker(self, processes: int) -> subprocess.Popen[bytes]:
        """Start `python -m worker` as the Procfile does."""
        return self.start(sys.executable, "-m", "worker", WORKER_PROCESSES=str(processes))

    @property
    def web_process(self) -> subprocess.Popen[bytes]:
        """The parent of the web processes."""
        assert self._web_process is not None
        return self._web_process

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """End a process as a host would."""
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        if process.poll() is None:
            process.kill()
        self._processes.remove(process)

    def wait_for(self, url: str, seconds: float = 30) -> None:
        """Wait until an address answers 200."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            with suppress(requests.RequestException):
                if requests.get(url, timeout=2).ok:
                    return
            time.sleep(0.05)
        log = (self.folder / "processes.log").read_text(errors="replace")[-3000:]
        raise RuntimeError(f"{url} did not answer within {seconds} s\n{log}")

    def forget_received(self) -> None:
        """Let the receiver count anew."""
        requests.get(f"{self.receiver}/reset", timeout=5).raise_for_status()

    def received(self) -> dict[str, Any]:
        """Ask the receiver what it has got: `count`, and the times of the `first` and the `last` request."""
        return requests.get(f"{self.receiver}/count", timeout=5).json()  # type: ignore[no-any-return]

    def rate_of(self, count: int, seconds: float = 180) -> float:
        """Wait until so many requests have come; give how many a second, from the first to the last."""
        ends = time.monotonic() + seconds
        while (got := self.received())["count"] < count:
            if time.monotonic() > ends:
                raise RuntimeError(f"only {got['count']} of {count} requests arrived within {seconds} s")
            time.sleep(0.2)
        rate: float = count / (got["last"] - got["first"])
        return rate

    def tear_down(self) -> None:
        """End everything and remove the folder."""
        for process in list(self._processes):
            self.end(process)
        self._redis.stop()
        self._postgres.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def stage(*, loaded: str | None = None, only: str = "", scale: float = 1.0) -> Iterator[Stage]:
    """Give a stage that is set up, and tear it down afterwards."""
    made = Stage(loaded=loaded, only=only, scale=scale)
    try:
        made.set_up()
        yield made
    finally:
        made.tear_down()


def peak_memory_of(pid: int) -> dict[int, int]:
    """Give the peak resident memory of each process in the session that `pid` leads, in MB."""
    peaks: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            if int(fields[3]) == pid:
                status = (folder / "status").read_text()
                peaks[int(folder.name)] = int(status.split("VmHWM:")[1].split()[0]) // 1024
    return peaks
