"""A worker of files that shoots itself: `python -m tests.integration.worker.mortal_files WHEN VERB [NTH]`.

WHEN is before or after the NTH command of this VERB to the file server; or `commit`, then VERB is the number of the
commit that it does not live to see.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import sqlalchemy as sa

from config import Config
from exporters.base import Folder
from exporters.transfer import FileDoor
from worker.app import open_workplace
from worker.files import run_files

NAME = "mortal"
MOST_SECONDS = 20.0


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class MortalFolder:
    """A session that is the last thing its process does."""

    def __init__(self, folder: Any, when: str, verb: str) -> None:
        self._folder, self._when, self._verb = folder, when, verb

    def __getattr__(self, name: str) -> Any:
        act = getattr(self._folder, name)
        if name != self._verb:
            return act

        def deadly(*given: Any) -> Any:
            if self._when == "before":
                die()
            answer = act(*given)
            die()
            return answer

        return deadly

    def put(self, name: str, size: int, chunks: Iterator[bytes], sent: Callable[[int], None]) -> None:
        if self._verb == "piece":
            self._folder.put(name, size, self._half(chunks), sent)
        self.__getattr__("put")(name, size, chunks, sent)

    def _half(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        whole = next(chunks)
        yield whole[: len(whole) // 2]
        die()


class MortalDoor:
    def __init__(self, door: FileDoor, when: str, verb: str) -> None:
        self._door, self._when, self._verb = door, when, verb

    @contextmanager
    def folder(self, place: Any) -> Iterator[Folder]:
        with self._door.folder(place) as folder:
            if self._verb == "login":
                die()
            yield MortalFolder(folder, self._when, self._verb)


def main(when: str, verb: str) -> None:
    place = open_workplace(Config.from_env(), pool_size=8)
    if when == "commit":
        left = [int(verb)]

        def count(_connection: object) -> None:
            left[0] -= 1
            if left[0] == 0:
                die()

        sa.event.listen(place.engine, "commit", count)
    ends = monotonic() + MOST_SECONDS
    door = MortalDoor(FileDoor(place.guard), when, verb)
    run_files(place, name=NAME, stopping=lambda: monotonic() > ends, door=door, box_seconds=MOST_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
