"""The functions RQ's jobs name. Renaming one breaks what is queued; `worker.queues` lists them.

They run in a work horse: everything is opened here, after the fork. What they raise is logged by the worker.
"""

from __future__ import annotations

import faulthandler
from contextlib import suppress

from exporters.transfer import FileDoor
from worker.app import Workplace, open_workplace
from worker.files import run_files
from worker.horse import Horse, current
from worker.pump import BOX_SECONDS, run_pump
from worker.queues import JOB_SECONDS, is_there
from worker.tick import run_tick

FILES_CONNECTIONS = 8  # and four more: two that write a file, a heart, and threads that upload


def deliver() -> None:
    """Be a pump for one time box, and for more while there is no Redis."""
    horse = current()
    pump_on(open_workplace(horse.config), horse)


def pump_on(place: Workplace, horse: Horse) -> None:
    """Do one time box. Without Redis no next job would come, nor a tick: then go on, and tick as well.

    A box that hangs for longer than any can take ends its horse; RQ's own limit is that of a day without Redis.
    """
    try:
        while True:
            faulthandler.dump_traceback_later(JOB_SECONDS, exit=True)
            run_pump(place, name=horse.name, stopping=horse.is_stopping, box_seconds=BOX_SECONDS)
            if horse.is_stopping() or is_there(place.redis):
                return
            _tick_without_redis(place)
    finally:
        faulthandler.cancel_dump_traceback_later()


def files() -> None:
    """Make the files that are due and bring them to their servers, for one time box; without Redis for some more."""
    horse = current()
    place = open_workplace(horse.config, pool_size=FILES_CONNECTIONS)
    door = FileDoor(place.guard)
    while True:
        run_files(place, name=horse.name, stopping=horse.is_stopping, door=door)
        if horse.is_stopping() or is_there(place.redis):
            return


def _tick_without_redis(place: Workplace) -> None:
    with suppress(Exception):  # each step that failed was logged; Postgres may be away, too
        run_tick(place)


def tick() -> None:
    """Find what is due."""
    run_tick(open_workplace(current().config))
