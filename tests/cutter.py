"""A line that breaks: TCP through a port of ours, and of some connections only the first bytes get through."""

from __future__ import annotations

import asyncio
import random
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

CUT_PART = 0.4
PIECE = 512


class Cutter:
    """Leads to a port on this machine. Of a cut connection at most `budget` bytes go towards the server.

    part: how many of the connections are cut; with 1 each of them gets exactly `budget` bytes through.
    """

    def __init__(self, target: int, *, budget: int, seed: int = 0, part: float = CUT_PART) -> None:
        self.port = 0
        self._target = target
        self._luck = random.Random(seed)
        self.budget = budget
        self._part = part
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

    def heal(self) -> None:
        """Cut nothing more."""
        self._is_healed = True

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(lambda *_: None)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        server = await asyncio.start_server(self._lead, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._is_ready.set()
        await self._over.wait()
        server.close()
        leads = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in leads:
            task.cancel()
        await asyncio.gather(*leads, return_exceptions=True)

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_cut = not self._is_healed and self._luck.random() < self._part
        budget = (self.budget if self._part >= 1 else self._luck.randrange(self.budget)) if is_cut else None
        with suppress(OSError):
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self._target)
            back = asyncio.ensure_future(_pass_on(from_server, writer, None))
            await _pass_on(reader, to_server, budget)
            if is_cut:
                writer.transport.abort()
                to_server.transport.abort()
            await back


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, budget: int | None) -> None:
    """Copy until one side ends, or so many bytes have passed."""
    with suppress(ConnectionError):
        while budget is None or budget > 0:
            piece = await reader.read(PIECE if budget is None else min(PIECE, budget))
            if not piece:
                break
            budget = None if budget is None else budget - len(piece)
            writer.write(piece)
            await writer.drain()
    with suppress(ConnectionError, RuntimeError):
        writer.close()
