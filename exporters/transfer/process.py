"""Our end of the process that talks to a file server: it is started here, listened to, and ended at its deadline."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic

from exporters.errors import NeedsPerson, TryAgain
from exporters.transfer import wire

ROOT = Path(__file__).resolve().parents[2]

GOODBYE_SECONDS = 3

# What a Python needs to start; the rest of our environment holds the database's address and the keys.
_KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "SSL_CERT_FILE", "TMPDIR", "TZ")

_CRASHES = frozenset({signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV})


class Process:
    """A running process. silence: how many seconds nothing may be heard; ends: when it is over, on the monotonic clock."""

    def __init__(self, *, silence: float, ends: float) -> None:
        self._silence = silence
        self._ends = ends
        self._heard = b""
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        orders, self._inlet = os.pipe2(os.O_CLOEXEC)
        self._outlet, news = os.pipe2(os.O_CLOEXEC)
        try:
            self._running = subprocess.Popen(
                [sys.executable, "-m", "exporters.transfer.child"],
                cwd=ROOT,
                env={**environment, "HOME": "/nonexistent", "RES_OPTIONS": "timeout:1 attempts:2"},
                stdin=orders,
                stdout=news,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        finally:
            os.close(orders)
            os.close(news)
        for pipe in (self._inlet, self._outlet):
            with suppress(OSError):  # more than this user may have
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, wire.PIECE)
        os.set_blocking(self._inlet, False)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._running.pid

    def send(self, content: bytes, listen: Callable[[], None]) -> None:
        """Pass bytes on as they are taken; whenever there is news, listen is called to read a frame of it."""
        left = memoryview(content)
        while left:
            has_news, has_room = self._wait(self._inlet)
            if has_news:
                listen()
            elif has_room:
                try:
                    left = left[os.write(self._inlet, left[: wire.PIECE]) :]
                except BlockingIOError:
                    continue
                except BrokenPipeError:
                    listen()  # it has said why

    def frame(self) -> tuple[int, bytes]:
        """Wait for the next frame. Raises TryAgain when it is silent for too long, NeedsPerson when it broke down."""
        kind, length = wire.FRAME.unpack(self._read(wire.FRAME.size))
        return kind, self._read(length)

    def close(self) -> None:
        """Let it say goodbye to the server."""
        os.close(self._inlet)
        with suppress(subprocess.TimeoutExpired):
            self._running.wait(GOODBYE_SECONDS)
        self._end()

    def kill(self) -> None:
        """End it at once."""
        os.close(self._inlet)
        self._end()

    def _end(self) -> None:
        self._running.kill()
        self._running.wait()
        os.close(self._outlet)

    def _read(self, length: int) -> bytes:
        while len(self._heard) < length:
            self._wait()
            more = os.read(self._outlet, wire.PIECE)
            if not more:
                raise self._death()
            self._heard += more
        found, self._heard = self._heard[:length], self._heard[length:]
        return found

    def _wait(self, *writing: int) -> tuple[bool, bool]:
        """Wait until there is news, or room to write."""
        if writing and self._heard:
            return True, False
        left = self._ends - monotonic()
        readable, writable, _ = select.select([self._outlet], writing, [], max(0.0, min(self._silence, left)))
        if not readable and not writable:
            raise TryAgain("the whole took too long" if left < self._silence else f"silent for {self._silence:.0f} s")
        return bool(readable), bool(writable)

    def _death(self) -> Exception:
        code = self._running.wait()
        if -code in _CRASHES:
            name = signal.Signals(-code).name
            return NeedsPerson(f"the transfer broke down on what the server said ({name}); try another type of key")
        return TryAgain(f"the transfer was ended from outside ({code})")
