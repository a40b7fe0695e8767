"""Lines between machines that can be cut silently: no RST, no FIN, nothing comes through any more.

    with Line(postgres_port) as line:
        line.port                   # dial this instead
        line.cut(); line.mend()     # what was on its way arrives then, as TCP would have it

A Cable is the same for all of a machine: a network namespace of its own, where one may be made, whose packets vanish.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import shutil
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

PIECE = 65536
NOBODY = "02:00:00:00:00:99"


class Line:
    """Forwards one port, from a thread of its own."""

    def __init__(self, port: int, *, host: str = "127.0.0.1") -> None:
        """Listen at this host, and forward to that port on loopback."""
        self.host, self.port, self._target = host, 0, port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._open: set[asyncio.StreamWriter] = set()
        self._is_ready = threading.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._is_ready.wait(5)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)

    def cut(self) -> None:
        """Let nothing through any more, of old connections and of new ones."""
        self._tell(self._is_up.clear)

    def mend(self) -> None:
        self._tell(self._is_up.set)

    def _tell(self, act: Callable[[], None]) -> None:
        done = threading.Event()
        self._loop.call_soon_threadsafe(act)
        self._loop.call_soon_threadsafe(done.set)
        assert done.wait(5)

    def _run(self) -> None:
        self._loop.set_exception_handler(lambda *_: None)  # who hangs up, or is hung up on, is no news here
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop, self._is_up = asyncio.Event(), asyncio.Event()
        self._is_up.set()
        server = await asyncio.start_server(self._join, self.host, 0, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        self._is_ready.set()
        await self._stop.wait()
        server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in self._open:
            writer.transport.abort()
        await asyncio.sleep(0.01)

    async def _join(self, near_reader: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        self._open.add(near_writer)
        await self._is_up.wait()
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            self._open.add(far_writer)
            await asyncio.gather(self._carry(near_reader, far_writer), self._carry(far_reader, near_writer))
            self._open.discard(far_writer)
        except OSError:
            near_writer.close()
        self._open.discard(near_writer)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(PIECE):
                await self._is_up.wait()
                writer.write(piece)
                await writer.drain()
        await self._is_up.wait()
        writer.close()


class NoNamespaces(Exception):
    """This machine does not let us make network namespaces."""


class Cable:
    """A network namespace and the cable to it. `inside` goes before a command that is to run there."""

    def __init__(self) -> None:
        self.name = f"wb{secrets.token_hex(4)}"
        net = f"10.{random.randint(128, 250)}.{random.randint(0, 254)}"
        self.host, self._far_host = f"{net}.1", f"{net}.2"
        self.inside = ("ip", "netns", "exec", self.name)

    def __enter__(self) -> Self:
        """Lay it. Raises NoNamespaces."""
        if shutil.which("ip") is None:
            raise NoNamespaces("there is no `ip` here")
        near, far = f"{self.name}a", f"{self.name}b"
        try:
            self._ip("netns", "add", self.name)
            self._ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", self.name)
            self._ip("addr", "add", f"{self.host}/30", "dev", near)
            self._ip("-n", self.name, "addr", "add", f"{self._far_host}/30", "dev", far)
            for link in ("lo", far):
                self._ip("-n", self.name, "link", "set", link, "up")
            self._ip("link", "set", near, "up")
        except NoNamespaces:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for command in (("link", "del", f"{self.name}a"), ("netns", "del", self.name)):
            with suppress(NoNamespaces):
                self._ip(*command)

    def cut(self) -> None:
        """Have both ends talk to a card that is not there: packets vanish, and nobody is told."""
        for where, to, link in self._ends():
            self._ip(*where, "neigh", "replace", to, "lladdr", NOBODY, "dev", link, "nud", "permanent")

    def mend(self) -> None:
        for where, to, link in self._ends():
            self._ip(*where, "neigh", "del", to, "dev", link)

    def _ends(self) -> tuple[tuple[tuple[str, ...], str, str], ...]:
        return ((), self._far_host, f"{self.name}a"), (("-n", self.name), self.host, f"{self.name}b")

    @staticmethod
    def _ip(*words: str) -> None:
        done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise NoNamespaces(f"ip {' '.join(words)}: {done.stderr.strip()}")
