"""Machines: each a `python -m worker` of its own, behind lines of its own to one Postgres, one Redis and one receiver."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Protocol

import psutil
from sqlalchemy.engine import make_url

from tests.lines import Cable, Line
from tests.servers import ROOT, app_environment


class Cut(Protocol):
    """What may be cut."""

    def cut(self) -> None: ...

    def mend(self) -> None: ...


class Machine:
    """One worker with all its processes. cuts: what connects it to the rest."""

    def __init__(self, process: subprocess.Popen[bytes], cuts: list[Cut]) -> None:
        self._process, self._cuts = process, cuts

    @property
    def pid(self) -> int:
        return self._process.pid

    def cut_off(self) -> None:
        for one in self._cuts:
            one.cut()

    def come_back(self) -> None:
        for one in self._cuts:
            one.mend()

    def fall_asleep(self) -> None:
        """Stop all of its processes where they are, as a host does that moves or overloads a machine."""
        for one in self._family():
            one.suspend()

    def wake_up(self) -> None:
        for one in self._family():
            one.resume()

    def _family(self) -> list[psutil.Process]:
        boss = psutil.Process(self._process.pid)
        return [boss, *boss.children(recursive=True)]

    def shoot(self) -> None:
        """Kill it as a power cut would: horses and all."""
        with suppress(psutil.NoSuchProcess):
            family = self._family()
            for one in family:
                one.suspend()  # so that nobody starts another meanwhile
            for one in [*family, *family[0].children(recursive=True)]:
                with suppress(psutil.NoSuchProcess):
                    one.send_signal(signal.SIGKILL)
        self._process.wait()


@contextmanager
def machine(
    database_url: str, redis_url: str, *, log: Path, cable: Cable | None = None, processes: int = 1
) -> Iterator[Machine]:
    """Have one more machine. With a cable it is in a namespace of its own, and the cable is what can be cut."""
    with ExitStack() as stack:
        host = cable.host if cable else "127.0.0.1"
        lines = [
            stack.enter_context(Line(make_url(url).port or 0, host=host)) for url in (database_url, redis_url)
        ]  # fmt: skip
        urls = [
            make_url(url).set(host=host, port=line.port).render_as_string(hide_password=False)
            for url, line in zip((database_url, redis_url), lines, strict=True)
        ]
        environment = app_environment(*urls) | {
            "EGRESS_ALLOW": "127.0.0.1/32,10.0.0.0/8",
            "WORKER_PROCESSES": str(processes),
        }
        command = [*(cable.inside if cable else ()), sys.executable, "-m", "worker"]
        with log.open("ab") as file:
            process = subprocess.Popen(
                command, cwd=ROOT, env=os.environ | environment, stdout=file, stderr=file, start_new_session=True
            )
        made = Machine(process, [cable] if cable else list(lines))
        try:
            yield made
        finally:
            made.shoot()
