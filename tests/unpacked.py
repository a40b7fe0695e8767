"""Servers of Debian's packages for tests, each a process with a folder and a log of its own, on loopback.

`tests/install_servers.sh` fetches them. Where one is missing its tests are skipped with that reason; in CI they fail.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import pytest

from dev.files import kept_port

HERE = Path(__file__).resolve().parent.parent
UNPACKED = HERE / ".venv" / "file-servers"


class UnpackedServer:
    """What all of them share: a process that listens, and is ended with its children."""

    program: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.path = _path_of(self.program)
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.port = kept_port(folder / "port")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        command = self.set_up()
        if os.geteuid() == 0:  # none of them needs root, some behave otherwise under it, one refuses
            for path in (self.folder, *self.folder.rglob("*")):
                shutil.chown(path, "nobody")
            command = [sys.executable, str(HERE / "dev" / "unroot.py"), "nobody", *command]
        with (self.folder / "server.out").open("a+b") as out:
            self._process = subprocess.Popen(  # vsftpd says what is wrong on its standard input
                command, cwd=self.folder, env=_environment(), stdin=out, stdout=out, stderr=out, start_new_session=True
            )
        self._wait_until_it_listens()

    def set_up(self) -> list[str]:
        """Write the configuration and give the command."""
        raise NotImplementedError

    def log(self) -> str:
        """Give what the server says it saw."""
        logs = [self.folder / "server.log", self.folder / "server.out"]
        return "\n".join(log.read_text(errors="replace") for log in logs if log.exists())

    def cut(self) -> None:
        """End the sessions under way, as a broken line would; the server listens on."""
        assert self._process is not None
        for pid in _children_of(self._process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill(self) -> None:
        """End the server and its sessions at once."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self.cut()
            self._process.wait()
            self._process = None

    def _wait_until_it_listens(self) -> None:
        ends = time.monotonic() + 10
        while time.monotonic() < ends:
            assert self._process is not None
            if self._process.poll() is not None:
                break
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.02)
        raise RuntimeError(f"{self.program} did not start:\n{self.log()}")


def _path_of(program: str) -> str:
    for base in (UNPACKED, Path("/")):
        path = base / "usr" / "sbin" / program
        if path.exists():
            return str(path)
    if os.environ.get("CI"):
        pytest.fail(f"{program} is not installed, and in CI it must be: sh tests/install_servers.sh")
    pytest.skip(f"{program} is not installed here: sh tests/install_servers.sh")


def _environment() -> dict[str, str]:
    libraries = sorted({str(path.parent) for path in UNPACKED.glob("usr/lib/*/*.so*")})
    return {"PATH": os.environ.get("PATH", ""), "LD_LIBRARY_PATH": ":".join(libraries)}


def _children_of(pid: int) -> list[int]:
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            if int(stat.read_text().rsplit(")", 1)[1].split()[1]) == pid:
                child = int(stat.parent.name)
                found += [child, *_children_of(child)]
    return found
