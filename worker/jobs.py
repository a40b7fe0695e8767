"""The functions RQ's jobs name. Renaming one breaks what is queued; `worker.queues` lists them.

They run in a work horse: everything is opened here, after the fork. What they raise is logged by the worker.
"""

from __future__ import annotations

from time import monotonic

from exporters.transfer import FileDoor
from worker.app import open_workplace
from worker.files import run_files
from worker.horse import current
from worker.pump import run_pump
from worker.queues import is_there
from worker.tick import run_tick

LONGEST_SECONDS = 100.0
FILES_CONNECTIONS = 8  # and four more: two that write a file, a heart, and threads that upload


def deliver() -> None:
    """Be a pump for one time box; without Redis, where no next job would come from, for some boxes more."""
    horse = current()
    place = open_workplace(horse.config)
    began = monotonic()
    while True:
        run_pump(place, name=horse.name, stopping=horse.is_stopping)
        if horse.is_stopping() or monotonic() - began > LONGEST_SECONDS or is_there(place.redis):
            return


def files() -> None:
    """Make the files that are due and bring them to their servers, for one time box; without Redis for some more."""
    horse = current()
    place = open_workplace(horse.config, pool_size=FILES_CONNECTIONS)
    door = FileDoor(place.guard)
    began = monotonic()
    while True:
        run_files(place, name=horse.name, stopping=horse.is_stopping, door=door)
        if horse.is_stopping() or monotonic() - began > LONGEST_SECONDS or is_there(place.redis):
            return


def tick() -> None:
    """Find what is due."""
    run_tick(open_workplace(current().config))
