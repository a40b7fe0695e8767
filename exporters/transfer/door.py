"""The door to file servers: FTP, FTPS and SFTP, each session in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from exporters.base import Folder
from exporters.guard import Guard
from exporters.transfer.place import Place


class FileDoor:
    """Opens sessions with file servers; the guard judges every socket, data connections too."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    @contextmanager
    def folder(self, place: Place) -> Iterator[Folder]:
        """Connect, verify and log in. Raises TryAgain or NeedsPerson."""
        raise NotImplementedError
        yield
