"""What happens periodically. Redis may forget it: the scheduler compares it with this table at every turn."""

from __future__ import annotations

from dataclasses import dataclass

from worker.queues import JOBS, TICK


@dataclass(frozen=True, slots=True)
class Periodic:
    """One job that comes again. `every` is in seconds; times are the scheduler's clock, UTC."""

    id: str
    queue: str
    every: float

    @property
    def function(self) -> str:
        """The dotted name RQ stores."""
        return JOBS[self.queue]


PERIODIC = (Periodic(id="tick", queue=TICK, every=2),)
