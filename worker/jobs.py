"""The functions RQ's jobs name. Renaming one breaks what is queued; `worker.queues` lists them.

They run in a work horse: everything is opened here, after the fork. What they raise is logged by the worker.
"""

from __future__ import annotations

from worker.app import open_workplace
from worker.horse import current
from worker.pump import run_pump
from worker.tick import run_tick


def deliver() -> None:
    """Be a pump for one time box."""
    horse = current()
    run_pump(open_workplace(horse.config), name=horse.name, stopping=horse.is_stopping)


def tick() -> None:
    """Find what is due."""
    run_tick(open_workplace(current().config))
