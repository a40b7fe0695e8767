"""`make run`: servers, migrations, first admin, the Procfile's processes; all of it in one terminal.

One data folder belongs to one run: a second one says so and leaves. Servers that a killed run left behind are attached to,
its other processes are ended first.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests

from dev import children, procfile
from dev.children import Child
from dev.files import is_free, read_or_none, write_private
from dev.home import Home
from dev.postgres import Postgres, PostgresError
from dev.postgres_binaries import NoPostgresError
from dev.redis import Redis, RedisError

ROOT = Path(__file__).resolve().parent.parent
CHILDREN_SECONDS = 23.5  # of the promised 30: workers leave by 23, the servers need the rest
POSTGRES_SECONDS = 3.0  # after that without its last checkpoint: the next start replays the log
LOOK_SECONDS = 0.1
IMPATIENT_SECONDS = 30.0
COLOURS = ("36", "33", "35", "32", "34")


class CannotRunError(Exception):
    """Says in one sentence why Waybill does not start."""


class Stopped(BaseException):
    """Somebody asked us to stop; not an Exception, so that nobody treats it as a fault."""


class Run:
    """One run of everything. `go` returns when it was asked to stop, or raises CannotRunError."""

    def __init__(self, home: Home, *, port: int, given: Mapping[str, str], lines: Mapping[str, str]) -> None:
        self._home = home
        self._port = port
        self._given = given
        self._release = lines.get("release")
        self._lines = {name: command for name, command in lines.items() if name != "release"}
        self._url = f"http://127.0.0.1:{port}"
        self._postgres: Postgres | None = None
        self._redis: Redis | None = None
        self._children: dict[str, Child] = {}
        self._is_stopping = False  # a plain flag: an Event's lock could be held by the very code the signal interrupts
        self._voice = threading.Lock()

    def ask_to_stop(self) -> None:
        """Let `go` end; safe in a signal handler."""
        self._is_stopping = True

    def go(self) -> None:
        """Start everything, keep it alive until asked to stop, then stop it. Raises CannotRunError."""
        self._home.make()
        with self._home.lock.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                running = json.loads(
                    read_or_none(self._home.run_file) or '{"url": "its address (it is still starting)"}'
                )
                raise CannotRunError(f"Waybill already runs on {self._home.folder}, at {running['url']}.") from None
            self._home.run_file.unlink(missing_ok=True)
            try:
                self._start()
                self._keep_alive()
            except Stopped:
                pass
            finally:
                self._stop_everything()

    def _start(self) -> None:
        left = children.end_noted(self._home.children_file, CHILDREN_SECONDS)
        if left:
            self.say("run", f"ended {left} processes of a run that was killed")
        if not is_free(self._port):
            raise CannotRunError(f"Port {self._port} is taken. Choose another one: make run PORT=5001")
        environment = self._environment()
        if self._release:
            self._run_once("release", _shell(self._release), environment)
        for name, command in self._lines.items():
            self._children[name] = Child(name, _shell(command), environment, self.say, has_port=name == "web")
            self._children[name].start()
        children.note(list(self._children.values()), self._home.children_file)
        first = [sys.executable, "-m", "dev.first_start", str(self._home.login_file)]
        login = json.loads(self._run_once("first start", first, environment))  # while the others start
        self._wait_until_ready()
        self._document = {
            "url": self._url,
            **login,
            "database_url": environment["DATABASE_URL"],
            "redis_url": environment["REDIS_URL"],
        }
        self._write_run_file()
        self._greet(login)

    def _environment(self) -> dict[str, str]:
        """Start the servers that were not given, and the sample receiver; give the environment of all processes."""
        database_url, redis_url = self._given.get("DATABASE_URL"), self._given.get("REDIS_URL")
        if not database_url:
            self._postgres = Postgres(self._home.postgres)
            database_url = self._postgres.start()
        if not redis_url:
            self._redis = Redis(self._home.redis)
            redis_url = self._redis.start()
        receiver_port = self._home.receiver_port()
        environment = self._home.environment(
            self._given, database_url=database_url, redis_url=redis_url, port=self._port, receiver_port=receiver_port
        )
        command = [sys.executable, "-m", "samples.receiver", str(receiver_port)]
        self._children["receiver"] = Child("receiver", command, environment, self.say)
        self._children["receiver"].start()
        self._receiver_url = f"http://127.0.0.1:{receiver_port}"
        return environment

    def _run_once(self, name: str, command: list[str], environment: Mapping[str, str]) -> str:
        """Run a command to its end and give what it printed. Raises CannotRunError when it fails."""
        if self._is_stopping:
            raise Stopped
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        while True:
            try:
                printed, _ = process.communicate(timeout=LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                if self._is_stopping:
                    process.terminate()
                    process.wait()
                    raise Stopped from None
            else:
                break
        if process.returncode:
            raise CannotRunError(f"{name} failed ({process.returncode}). {printed}".strip())
        return printed

    def _wait_until_ready(self) -> None:
        patience = time.monotonic() + IMPATIENT_SECONDS
        while True:
            answer = self._ready_answer()
            if answer is None:
                return
            if time.monotonic() > patience:
                patience += IMPATIENT_SECONDS
                self.say("run", f"not ready yet: {answer}")
            self._tend()

    def _ready_answer(self) -> str | None:
        """Ask /readyz; None when it is ready, else what it says."""
        try:
            answer = requests.get(f"{self._url}/readyz", timeout=5)
        except requests.RequestException as error:
            return str(error)
        return None if answer.ok else f"{answer.status_code} {answer.text[:500]}"

    def _keep_alive(self) -> None:
        while True:
            if self._tend():
                self._write_run_file()

    def _tend(self) -> bool:
        """Wait a moment, start again who has died; True when somebody was. Raises Stopped."""
        time.sleep(LOOK_SECONDS)
        if self._is_stopping:
            raise Stopped
        restarted = [child for child in self._children.values() if child.tend(time.monotonic())]
        if restarted:
            children.note(list(self._children.values()), self._home.children_file)
        self._tend_servers()
        return bool(restarted)

    def _tend_servers(self) -> None:
        """Bring a server back that was shot; its port and its data are as before."""
        for name, server in (("postgres", self._postgres), ("redis", self._redis)):
            if server and server.pid is None:
                self.say("run", f"{name} ended, starting it again")
                try:
                    server.start()
                except (PostgresError, RedisError) as error:
                    self.say("run", str(error))

    def _write_run_file(self) -> None:
        pids = {name: self._children[name].pid for name in self._lines}
        write_private(self._home.run_file, json.dumps({**self._document, "pids": pids}, indent=2) + "\n")

    def _greet(self, login: Mapping[str, Any]) -> None:
        password = login["password"] or "(as you changed it)"
        lines = (
            "",
            f"  Waybill      {self._url}",
            f"  sign in      {login['email']}  {password}",
            f"  API          {self._url}/api/docs   key {login['api_key']}",
            f"  receiver     {self._receiver_url}   shows what arrived; samples of events and profiles are in samples/",
            f"  all of this  {self._home.run_file}",
            "",
            "  `make demo` in a second terminal sends sample orders. Ctrl-C stops everything.",
            "",
        )
        with self._voice, suppress(OSError):
            print("\n".join(lines), flush=True)

    def _stop_everything(self) -> None:
        self._home.run_file.unlink(missing_ok=True)
        self.say("run", "stopping")
        children.stop_all(list(self._children.values()), CHILDREN_SECONDS)
        self._home.children_file.unlink(missing_ok=True)
        if self._redis:
            self._redis.stop()
        if self._postgres:
            self._postgres.stop(patience=POSTGRES_SECONDS)
        self.say("run", "stopped")

    def say(self, name: str, line: str) -> None:
        """Print a line with the name of the process it comes from."""
        label = f"{name:<9} |"
        if sys.stdout.isatty():
            names = [*self._lines, "receiver"]
            colour = COLOURS[names.index(name) % len(COLOURS)] if name in names else "1"
            label = f"\033[{colour}m{label}\033[0m"
        with self._voice, suppress(OSError):  # the terminal may be gone: all the more must we come to our end
            print(label, line, flush=True)


def _shell(command: str) -> list[str]:
    """Run a Procfile's line as hosts do, by a shell that becomes the program: the pid is the program's own."""
    return ["/bin/sh", "-c", f"exec {command}"]


def main() -> None:
    """Run the Procfile's lines."""
    keep_running(procfile.read(ROOT / "Procfile"))


def keep_running(lines: Mapping[str, str]) -> None:
    """Run Waybill by these lines with the environment's PORT and DATA_DIR until a signal says stop."""
    given = dict(os.environ)
    home = Home(ROOT / (given.get("DATA_DIR") or ".data"))
    port = given.get("PORT") or "5000"
    if not port.isdigit():
        sys.exit("PORT must be a number.")
    os.chdir(ROOT)
    run = Run(home, port=int(port), given=given, lines=lines)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: run.ask_to_stop())
    try:
        run.go()
    except (CannotRunError, PostgresError, NoPostgresError, RedisError) as error:
        sys.exit(f"make run: {error}")


if __name__ == "__main__":
    main()
