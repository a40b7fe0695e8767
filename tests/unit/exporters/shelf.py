"""A file server in memory, which can break at any command, before or after it has done it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from exporters.base import Phase, RunFile, Sending, Step
from exporters.errors import Refused, SizeUnknown, TryAgain


class Broken(TryAgain):
    """The line broke."""


@dataclass
class Shelf:
    """The server and the door to it. breaks_at: the number of the command, from 1, at which the line breaks.

    does_it: the command is done all the same, only its answer is lost.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    breaks_at: int = 0
    does_it: bool = False
    hides_sizes: bool = False
    shows_nothing: bool = False
    replaces: bool = False
    commands: list[str] = field(default_factory=list)
    place: Any = None

    @contextmanager
    def folder(self, place: Any) -> Iterator[Session]:
        self.place = place
        yield Session(self)

    def does(self, command: str) -> None:
        self.commands.append(command)
        if len(self.commands) == self.breaks_at and not self.does_it:
            raise Broken(command)

    def did(self) -> None:
        if len(self.commands) == self.breaks_at:
            raise Broken(self.commands[-1])


class Session:
    """One session with it."""

    def __init__(self, shelf: Shelf) -> None:
        self.steps: list[Step] = []
        self._shelf = shelf

    def put(self, name: str, size: int, chunks: Iterator[bytes], sent: Callable[[int], None]) -> None:
        shelf = self._shelf
        content = b"".join(chunks)
        shelf.files[name] = content[: size // 2]
        shelf.does(f"put {name}")
        shelf.files[name] = content
        sent(size)
        shelf.did()

    def size(self, name: str) -> int | None:
        if self._shelf.hides_sizes:
            raise SizeUnknown("hidden")
        self._shelf.does(f"size {name}")
        content = None if self._shelf.shows_nothing else self._shelf.files.get(name)
        self._shelf.did()
        return None if content is None else len(content)

    def read(self, name: str) -> Iterator[bytes]:
        self._shelf.does(f"read {name}")
        if self._shelf.shows_nothing or name not in self._shelf.files:
            raise Refused("550 no such file")
        yield self._shelf.files[name]
        self._shelf.did()

    def rename(self, old: str, new: str) -> None:
        shelf = self._shelf
        shelf.does(f"rename {old} {new}")
        if old not in shelf.files or (new in shelf.files and not shelf.replaces):
            raise Refused("550 cannot rename")
        shelf.files[new] = shelf.files.pop(old)
        shelf.did()

    def remove(self, name: str) -> None:
        self._shelf.does(f"remove {name}")
        self._shelf.files.pop(name, None)
        self._shelf.did()

    def make_folder(self, name: str) -> None:
        self._shelf.does(f"mkdir {name}")
        self._shelf.did()


@dataclass
class Ear:
    """What an upload tells: its last phase and name, as the database would have them."""

    phase: Phase | None = None
    name: str | None = None
    phases: list[Phase] = field(default_factory=list)
    total: int = 0

    def begin(self, phase: Phase, name: str) -> None:
        self.phase, self.name = phase, name
        self.phases.append(phase)

    def sent(self, total: int) -> None:
        self.total = total


def run_file(content: bytes = b"a,b\r\n1,2\r\n", *, name: str = "orders.csv", companions: bool = False) -> RunFile:
    """Make a finished file."""
    checksum = hashlib.sha256(content).hexdigest()
    beside = ((f"{name}.sha256", f"{checksum}  {name}\n".encode()),) if companions else ()
    return RunFile(name, len(content), checksum, lambda: iter((content[:3], content[3:])), beside)


def sending(ear: Ear, number: int = 1, *, folder: str = "in", run_id: int = 7) -> Sending:
    """Make the next try, as the worker would: with what the one before has told."""
    return Sending(run_id=run_id, number=number, folder=folder, progress=ear, came_to=ear.phase, name=ear.name)
