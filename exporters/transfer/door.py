"""The door to file servers: FTP, FTPS and SFTP, each session in a process of its own (docs/decisions/0014).

with FileDoor(guard).folder(place) as folder:
    folder.put("in/orders.csv", size, chunks, print)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from time import monotonic
from typing import Any

from exporters.base import Step
from exporters.errors import ExporterError, Refused, SizeUnknown
from exporters.guard import Guard
from exporters.transfer import wire
from exporters.transfer.faults import error_of
from exporters.transfer.keys import plain_key
from exporters.transfer.names import checked
from exporters.transfer.place import Place
from exporters.transfer.process import Process

SESSION_SECONDS = 6 * 3600
SILENCE_SECONDS = 30
"""How much longer than the place's own limit nothing may be heard from the process."""


class FileDoor:
    """Opens sessions with file servers; the guard judges every socket, data connections too."""

    def __init__(self, guard: Guard) -> None:
        self._egress_allow = guard.egress_allow

    @contextmanager
    def folder(self, place: Place) -> Iterator[RemoteFolder]:
        """Connect, verify and log in. Raises TryAgain or NeedsPerson."""
        folder = RemoteFolder(place, self._egress_allow)
        try:
            folder.open()
            yield folder
        except BaseException:
            folder.break_off()
            raise
        folder.close()


class RemoteFolder:
    """One session. After a failure the next order starts a new one, so no late reply is taken for another's.

    steps tells what was seen: the way in, and how a data channel came about.
    """

    def __init__(self, place: Place, egress_allow: str) -> None:
        self.steps: list[Step] = []
        self._place = place
        self._egress_allow = egress_allow
        self._ends = monotonic() + SESSION_SECONDS
        self._process: Process | None = None

    def open(self) -> Process:
        """Start the process and have it log in."""
        place = self._place
        if place.private_key is not None:
            place = replace(place, private_key=plain_key(place.private_key, place.key_passphrase), key_passphrase=None)
        process = self._process = Process(silence=self._place.timeout_seconds + SILENCE_SECONDS, ends=self._ends)
        process.send(wire.order({"place": asdict(place), "egress_allow": self._egress_allow}), self._listen)
        self._note(self._answer(process))
        return process

    def close(self) -> None:
        """Say goodbye to the server."""
        process, self._process = self._process, None
        if process is not None:
            process.close()

    def break_off(self) -> None:
        """End the session at once."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()

    def put(self, name: str, size: int, chunks: Iterator[bytes], sent: Callable[[int], None]) -> None:
        """Send a file; sent is told the bytes gone so far."""
        try:
            self._put(name, size, chunks, sent)
        except Refused as refused:
            self._tell_missing_folder(name, refused)
            raise

    def size(self, name: str) -> int | None:
        """Say how long a file is; None: there is none. Raises SizeUnknown when the server does not tell."""
        found = self._ask("size", name)
        if found is None:
            return None
        if found["size"] is None:
            error = SizeUnknown("the server hides how long files are: check what arrived by reading it back")
            error.stage = "size"
            raise error
        return int(found["size"])

    def read(self, name: str) -> Iterator[bytes]:
        """Read a file back."""
        process = self._order("read", name)
        is_over = False
        try:
            while not is_over:
                kind, content = process.frame()
                if kind == wire.BYTES:
                    yield content
                else:
                    is_over = "done" in self._heard(content)
        finally:
            if not is_over:
                self.break_off()  # the rest of it is still on its way

    def rename(self, old: str, new: str) -> None:
        """Give a file another name."""
        self._ask("rename", old, new=checked(new))

    def remove(self, name: str) -> None:
        """Delete a file; that it is missing is no fault."""
        self._ask("remove", name)

    def make_folder(self, name: str) -> None:
        """Make a folder and those above it; that it is there already is no fault."""
        self._ask("make_folder", name)

    def _put(self, name: str, size: int, chunks: Iterator[bytes], sent: Callable[[int], None]) -> None:
        process = self._order("put", name, size=size)
        left = size
        for chunk in chunks:
            left -= len(chunk)
            if left < 0:
                break
            process.send(chunk, lambda: self._listen(sent))
        if left:
            self.break_off()
            raise RuntimeError(f"{name}: the file is not as long as it was said to be")
        self._note(self._answer(process, sent))
        sent(size)

    def _tell_missing_folder(self, name: str, refused: Refused) -> None:
        """Ask whether the folder is there: servers say the same of a missing folder and of a missing right."""
        folder, _, _ = name.rpartition("/")
        if not folder:
            return
        is_there = True
        with suppress(ExporterError):
            is_there = self._ask("has_folder", folder)
        self.break_off()  # it may stand in that folder now
        if not is_there:
            missing = Refused(f"the folder {folder} is missing on the server ({refused})")
            missing.stage = refused.stage
            raise missing from refused

    def _note(self, told: list[tuple[str, int, str]]) -> None:
        """Keep what was seen, each step once: a session that begins again shows nothing new."""
        known = {step.stage for step in self.steps}
        self.steps += [
            Step(stage, ok=True, duration_ms=took, message=words, host_key=words if stage == "host key" else None)
            for stage, took, words in told
            if stage not in known
        ]

    def _ask(self, do: str, name: str, **more: object) -> Any:
        return self._answer(self._order(do, name, **more))

    def _order(self, do: str, name: str, **more: object) -> Process:
        checked(name)
        process = self._process or self.open()
        process.send(wire.order({"do": do, "name": name, **more}), self._listen)
        return process

    def _answer(self, process: Process, sent: Callable[[int], None] | None = None) -> Any:
        """Wait for the end of an order and give its answer."""
        while "done" not in (news := self._heard(process.frame()[1])):
            if sent is not None:
                sent(news["sent"])
        return news["done"]

    def _listen(self, sent: Callable[[int], None] | None = None) -> None:
        """Take what is told while we write."""
        if self._process is not None:
            news = self._heard(self._process.frame()[1])
            if sent is not None and "sent" in news:
                sent(news["sent"])

    def _heard(self, content: bytes) -> dict[str, Any]:
        """Read the news. Raises what went wrong; the session is over then."""
        news: dict[str, Any] = json.loads(content)
        if "trouble" in news:
            trouble = wire.Trouble.read(news["trouble"])
            self.break_off()
            raise error_of(trouble, self._place)
        if "bug" in news:
            self.break_off()
            raise RuntimeError(news["bug"])
        return news
