"""The supervisor of `make run` with a Procfile of its own: a web process that only says it is ready, a worker that sleeps."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import redis
import requests

from dev.files import kept_port

SCRIPT = """
import os, signal, sys
from pathlib import Path
from dev.home import Home
from dev.run import CannotRunError, Run
folder, port, site = sys.argv[1:]
lines = {
    "release": "flask --app wsgi db upgrade",
    "web": f"python -m http.server --bind 127.0.0.1 --directory {site} $PORT",
    "worker": "sleep 600",
}
run = Run(Home(Path(folder)), port=int(port), given=dict(os.environ), lines=lines)
signal.signal(signal.SIGTERM, lambda *_: run.ask_to_stop())
try:
    run.go()
except CannotRunError as error:
    sys.exit(str(error))
"""


class Terminal:
    """A terminal in which somebody says `make run`."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        site = folder / "site"
        site.mkdir()
        (site / "readyz").write_text("ready")
        port = kept_port(folder / "port")
        self.url = f"http://127.0.0.1:{port}"
        self._command = [sys.executable, "-c", SCRIPT, str(self.data), str(port), str(site)]
        self._log = (folder / "log").open("a+b")
        self._runs: list[subprocess.Popen[bytes]] = []

    def begin(self) -> subprocess.Popen[bytes]:
        """Start a run."""
        given = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
        run = subprocess.Popen(self._command, stdout=self._log, stderr=self._log, env=given | {"PYTHONPATH": "."})
        self._runs.append(run)
        return run

    def told(self) -> dict[str, Any]:
        """Wait for run.json."""
        until((self.data / "run.json").exists, self.said)
        told: dict[str, Any] = json.loads((self.data / "run.json").read_text())
        return told

    def said(self) -> str:
        """Give what was printed so far."""
        self._log.seek(0)
        return self._log.read().decode()

    def close(self) -> None:
        """Stop whatever runs."""
        for run in self._runs:
            run.terminate()
            run.wait(30)
        self._log.close()


def until(is_so: Callable[[], bool], explain: Callable[[], str] = str, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"waited {seconds} seconds\n{explain()}"
        time.sleep(0.05)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.close()


def test_it_tells_what_it_started_and_leaves_nothing_running(terminal: Terminal) -> None:
    run = terminal.begin()
    told = terminal.told()
    assert set(told) == {"url", "email", "password", "api_key", "database_url", "redis_url", "pids"}
    assert (terminal.data / "run.json").stat().st_mode & 0o777 == 0o600
    assert set(told["pids"]) == {"web", "worker"}
    assert requests.get(told["url"] + "/readyz", timeout=5).text == "ready"
    with psycopg.connect(told["database_url"]) as connection:
        assert connection.execute("SELECT email FROM users").fetchall() == [(told["email"],)]
    with redis.Redis.from_url(told["redis_url"]) as client:
        assert client.ping()
    receiver = f"http://127.0.0.1:{(terminal.data / 'receiver.port').read_text().strip()}/ok"
    assert requests.get(receiver, timeout=5).text == "success=true"

    run.terminate()
    assert run.wait(30) == 0
    assert not (terminal.data / "run.json").exists()
    left = [
        one.cmdline()
        for one in psutil.process_iter(["cmdline"])
        if str(terminal.data) in " ".join(one.info["cmdline"] or [])
    ]
    assert left == []


def test_a_killed_process_is_back_within_two_seconds_and_run_json_knows(terminal: Terminal) -> None:
    terminal.begin()
    first = terminal.told()["pids"]
    os.kill(first["web"], signal.SIGKILL)
    until(lambda: terminal.told()["pids"]["web"] != first["web"], terminal.said, seconds=2)
    until(lambda: _answers(terminal.url), terminal.said)
    assert terminal.told()["pids"]["worker"] == first["worker"]


def test_a_killed_database_is_back_on_the_same_url(terminal: Terminal) -> None:
    terminal.begin()
    url = terminal.told()["database_url"]
    os.kill(int((terminal.data / "postgres/cluster/postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    until(lambda: _connects(url), terminal.said)


def test_after_a_kill_of_the_supervisor_the_next_run_takes_over(terminal: Terminal) -> None:
    killed = terminal.begin()
    before = terminal.told()
    killed.kill()
    killed.wait()
    terminal.begin()
    until(lambda: terminal.told()["pids"] != before["pids"], terminal.said)
    after = terminal.told()
    assert {**after, "pids": None} == {**before, "pids": None}
    assert not any(
        psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in before["pids"].values()
    )


def test_a_second_run_on_the_same_folder_says_so_and_leaves(terminal: Terminal) -> None:
    terminal.begin()
    told = terminal.told()
    assert terminal.begin().wait(20) == 1
    assert f"already runs on {terminal.data}, at {terminal.url}" in terminal.said()
    assert terminal.told() == told


def test_a_taken_port_is_said_before_anything_starts(terminal: Terminal) -> None:
    with socket.create_server(("127.0.0.1", int(terminal.url.rsplit(":", 1)[1]))):
        assert terminal.begin().wait(20) == 1
    assert "is taken. Choose another one" in terminal.said()


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=1).ok
    except requests.RequestException:
        return False


def _connects(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=1).close()
    except psycopg.OperationalError:
        return False
    return True
