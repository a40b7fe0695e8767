"""Receivers on one port, each a path: they note every request, and whether it was answered as it should be."""

from __future__ import annotations

import asyncio
import hashlib
import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from tests.receivers import BEHAVIOURS, Seen

NAMES = ("fast", "slow", "hole", "flapping", "hostile", "patient")
SLOW_SECONDS = 0.4
FLAP_SECONDS = 7.0
BAD_PART = 0.6
HOSTILE = (
    "drip", "reset", "end_after_status", "end_after_header", "end_in_body", "end_in_chunks", "endless_body",
    "endless_headers", "endless_hundreds", "gzip_bomb", "switching", "not_http", "redirect", "silent",
)  # fmt: skip

WHOLE = frozenset({"ok", "slow", "gzip_bomb"})
"""Whole answers with a 2xx. Nobody unpacks the bomb: packed it is a small body."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One request as it arrived. digest is of all that must be equal in every copy; at is monotonic."""

    order: str
    key: str
    digest: bytes
    at: float
    behaviour: str

    @property
    def is_good(self) -> bool:
        """Say whether it was answered by a whole 2xx."""
        return self.behaviour in WHOLE


class Receivers:
    """The server, in a thread of its own. Once healed, every path answers 200 at once."""

    def __init__(self, seed: int) -> None:
        self.heard: dict[str, list[Heard]] = {name: [] for name in NAMES}
        self.arrived: dict[str, float] = {}
        self.port = 0
        self._luck = random.Random(seed)
        self._is_healed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._is_ready = threading.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        self._is_ready.wait(5)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(5)

    def url(self, name: str) -> str:
        """Give a receiver's address."""
        return f"http://127.0.0.1:{self.port}/{name}"

    def count(self, name: str) -> int:
        """Say how many requests one of them has seen."""
        return len(self.heard[name])

    def release(self) -> None:
        """Let the patient one answer."""
        self._loop.call_soon_threadsafe(self._patience.set)

    def heal(self) -> None:
        """Behave from now on."""
        self._is_healed = True

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(lambda *_: None)  # a client that hangs up is no news here
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._over, self._patience = asyncio.Event(), asyncio.Event()
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        self._is_ready.set()
        await self._over.wait()
        server.close()
        talks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n"))[:-4]
                length = int(Seen(head, b"").headers.get("content-length", "0"))
                await self._answer(writer, Seen(head, await reader.readexactly(length)), time.monotonic())
        writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, seen: Seen, at: float) -> None:
        target = urlsplit(seen.target)
        name = target.path.strip("/")
        order = parse_qs(target.query)["order"][0]
        if name == "fast":
            self.arrived.setdefault(order, at)
        behaviour, argument = self._behaviour(name)
        digest = hashlib.sha256(seen.line.encode() + seen.body).digest()
        # Noted before it is answered: an answer that nobody waits for any more still was a request.
        self.heard[name].append(Heard(order, seen.headers["webhook-id"], digest, at, behaviour))
        if name == "patient":
            await self._patience.wait()
        await BEHAVIOURS[behaviour](writer, seen, argument)
        await writer.drain()

    def _behaviour(self, name: str) -> tuple[str, str]:
        """Say how this receiver answers now, as tests/receivers.py names it."""
        if self._is_healed:
            return "ok", ""
        if name == "slow":
            return "slow", str(SLOW_SECONDS)
        if name == "hole":
            return "silent", ""
        if name == "flapping" and time.monotonic() % (2 * FLAP_SECONDS) < FLAP_SECONDS:
            return "status", "503"
        if name == "hostile" and self._luck.random() < BAD_PART:
            return self._luck.choice(HOSTILE), ""
        return "ok", ""
