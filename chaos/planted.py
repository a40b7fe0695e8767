"""Bugs that must be found: `python -m chaos.planted BUG COMMAND...` runs a Procfile's line with one function replaced.

Nothing in the product knows of them. Each is put into a process of a chaos run before the product's code begins.
"""

from __future__ import annotations

import runpy
import sys
import time
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

import sqlalchemy as sa

import web.api.events
import worker.jobs
import worker.reaper
import worker.record
import worker.run_claim
import worker.tick
from models import intake
from web import installed

RACE_SECONDS = 2.0


def reaper_off() -> None:
    """Free no lease that has ended."""
    setattr(worker.reaper, "reap", lambda _engine: 0)  # noqa: B010 - mypy would not let a function be replaced


def token_check_off() -> None:
    """Take a result whoever has the lease by now."""
    for name in ("FINISH", "GIVE_BACK"):
        statement = str(getattr(worker.record, name)).replace("AND d.lease_token = r.token", "")
        setattr(worker.record, name, sa.text(statement))


def tick_off() -> None:
    """Tick, and do nothing but show that the tick is alive."""
    setattr(worker.jobs, "run_tick", lambda place: worker.tick._beat(place, 0.0))  # noqa: B010, SLF001 - a bug of ours


def bell_before_commit() -> None:
    """Ring while the transaction is still open."""
    accept = intake.accept

    def ring_too_early(*given: Any, **more: Any) -> Any:
        taken = accept(*given, **more)
        installed.ring()
        return taken

    setattr(web.api.events, "accept", ring_too_early)  # noqa: B010


def loose_run_claim() -> None:
    """Look which rows wait, and take them in another transaction."""

    def take_rows(session: Any, run: Any, _profile: Any) -> int:
        raw = session.connection().connection.driver_connection
        raw.commit()
        waiting = "SELECT event_id FROM file_items WHERE route_id = %s AND run_id IS NULL AND skipped IS NULL"
        ids = [row[0] for row in raw.execute(waiting, (run.route_id,)).fetchall()]
        raw.commit()
        time.sleep(RACE_SECONDS)
        taken = "UPDATE file_items SET run_id = %s WHERE route_id = %s AND event_id = ANY(%s)"
        raw.execute(taken, (run.id, run.route_id, ids))
        return len(ids)

    setattr(worker.run_claim, "_take_rows", take_rows)  # noqa: B010


BUGS: dict[str, tuple[Callable[[], None], str]] = {
    "reaper-off": (reaper_off, "leases that nobody freed"),
    "token-check-off": (token_check_off, "stale results taken"),
    "tick-off": (tick_off, "lost"),
    "bell-before-commit": (bell_before_commit, "bells rung before the commit"),
    "loose-run-claim": (loose_run_claim, "rows not in exactly one file"),
}
"""Each bug, and what must turn red."""


def main() -> None:
    """Plant the bug, then be the command."""
    plant, _ = BUGS[sys.argv[1]]
    plant()
    command = sys.argv[2:]
    if command[:2] == ["python", "-m"]:
        sys.argv = command[2:]
        runpy.run_module(command[2], run_name="__main__", alter_sys=True)
        return
    sys.argv = command
    (program,) = entry_points(group="console_scripts", name=command[0])
    sys.exit(program.load()())


if __name__ == "__main__":
    main()
