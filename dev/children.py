"""The processes `make run` keeps alive: started, listened to, started again, stopped."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

from dev.files import read_or_none, write_private

RESTART_SECONDS = 0.5  # promised: within two seconds; not at once, or a process that cannot start would eat a core
Say = Callable[[str, str], None]


class Child:
    """One process, in a session of its own: Ctrl-C in the terminal reaches only us, and we stop things in order.

    has_port: what it leaves behind when it dies may hold its port, so that is killed before the next start.
    """

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], say: Say, *, has_port: bool = False
    ) -> None:
        self.name = name
        self._command = command
        self._environment = environment
        self._say = say
        self._has_port = has_port
        self._process: subprocess.Popen[bytes] | None = None
        self._start_at = 0.0

    @property
    def pid(self) -> int:
        """The process id, also of one that has ended; 0 before the first start."""
        return self._process.pid if self._process else 0

    @property
    def returncode(self) -> int | None:
        """None while it runs or before it was started."""
        return self._process.poll() if self._process else None

    @property
    def is_running(self) -> bool:
        """Say whether it runs now."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, and pass on each line it prints."""
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment,
            start_new_session=True,
        )
        self._start_at = 0.0
        if self._process.stdout:
            threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True).start()

    def tend(self, now: float) -> bool:
        """Start it again if it has died, whatever its exit code; True when a new process runs. now is monotonic."""
        if self.is_running:
            return False
        if not self._start_at:
            self._say("run", f"{self.name} ended ({_ending(self.returncode)}), starting it again")
            self.signal_group(signal.SIGTERM)  # what it left behind may finish its work
            self._start_at = now + RESTART_SECONDS
            return False
        if now < self._start_at:
            return False
        if self._has_port:
            kill_session(self.pid)  # an open connection alone would keep it, and the port, for many seconds
        self.start()
        return True

    def ask_to_stop(self) -> None:
        """Send SIGTERM to the process alone: it knows its own children best."""
        if self._process and self.is_running:
            self._process.terminate()

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to whoever is left of its session."""
        if self._process:
            with suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
                os.killpg(self._process.pid, number)

    def bury(self) -> None:
        """Wait for the end of a process that was killed, so that no zombie stays."""
        if self._process:
            self._process.wait()

    def _listen(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                self._say(self.name, line.decode(errors="replace").rstrip("\n"))


def stop_all(children: Sequence[Child], seconds: float) -> None:
    """Ask all to stop at once, wait so many seconds, then kill whoever still runs."""
    for child in children:
        child.ask_to_stop()
    end = time.monotonic() + seconds
    while any(child.is_running for child in children) and time.monotonic() < end:
        time.sleep(0.05)
    for child in children:
        kill_session(child.pid)
        child.bury()


def note(children: Sequence[Child], path: Path) -> None:
    """Write down who runs, so that the next start can end them if we are killed."""
    noted = []
    for child in children:
        with suppress(psutil.Error):
            noted.append({"pid": child.pid, "born": psutil.Process(child.pid).create_time()})
    write_private(path, json.dumps(noted))


def end_noted(path: Path, seconds: float) -> int:
    """End what a killed run left running; gives how many there were. A pid that now is a stranger's is left alone."""
    noted = json.loads(read_or_none(path) or "[]")
    left: list[psutil.Process] = []
    for entry in noted:
        with suppress(psutil.Error):
            process = psutil.Process(entry["pid"])
            if process.create_time() == entry["born"] and process.status() != psutil.STATUS_ZOMBIE:
                left.append(process)
    for process in left:
        with suppress(psutil.Error):
            process.terminate()
    _, stubborn = psutil.wait_procs(left, timeout=seconds)
    for process in stubborn:
        kill_session(process.pid)
    path.unlink(missing_ok=True)
    return len(left)


def kill_session(leader: int) -> None:
    """Kill all that is left of a session: a group would not do, work horses have groups of their own."""
    for pid in psutil.pids() if leader else ():
        with suppress(ProcessLookupError, PermissionError):
            if os.getsid(pid) == leader:
                os.kill(pid, signal.SIGKILL)


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return f"by {signal.Signals(-code).name}"
    return f"exit {code}"
