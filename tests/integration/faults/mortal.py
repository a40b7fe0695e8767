"""A process that shoots itself at a named point: `python -m tests.integration.faults.mortal POINT [KEY DOCUMENT]`.

The product has no such points. What dies here is put into this process from outside: another bell, other flights, an ear
on the statements.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from config import Config
from exporters.base import Request
from exporters.transfer import FileDoor, Flights
from web import create_app
from worker import pump, run_claim
from worker.app import open_workplace
from worker.ear import Ear
from worker.files import run_files
from worker.lease import Sent
from worker.plans import Plans
from worker.results import Results

NAME = "mortal"
MOST_SECONDS = 20.0
HELPING = 2


class Point(StrEnum):
    """Where it ends. Between upload and rename: tests/integration/worker/mortal_files.py."""

    ACCEPTED_NOT_RUNG = "accepted, not rung"
    CLAIMED_NOT_SENT = "claimed, not sent"
    SENT_NOT_RECORDED = "sent, not recorded"
    RECORDED_NOT_COMMITTED = "recorded, not committed"
    TAKING_ROWS = "in the middle of taking rows for a run"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DeadlyBell:
    def ring(self) -> None:
        die()


class DeadlyFlights(Flights[Sent]):
    def start(self, tag: Sent, request: Request) -> None:
        die()


class DeadlyResults(Results):
    def write(self) -> bool:
        if not self.is_empty:
            die()
        return super().write()


def accept(key: str, document: str) -> None:
    app = create_app(Config.from_env())
    app.extensions["waybill-bell"] = DeadlyBell()
    headers = {"Authorization": f"Bearer {key}"}
    answer = app.test_client().post("/api/v1/events", json=json.loads(document), headers=headers)
    raise AssertionError(f"it was not to live: {answer.status_code} {answer.text}")


def deliver(point: Point) -> None:
    place = open_workplace(Config.from_env())
    kind = DeadlyFlights if point is Point.CLAIMED_NOT_SENT else Flights
    results = DeadlyResults if point is Point.SENT_NOT_RECORDED else Results
    if point is Point.RECORDED_NOT_COMMITTED:
        _die_after(place.engine, "/* record: the next state", times=1)
    plans = Plans(place.seal, "UTC")
    pump.Pump(place, NAME, lambda: False, kind(place.guard), plans, results(place.engine), Ear(place.redis)).run(
        MOST_SECONDS
    )


def make_files() -> None:
    place = open_workplace(Config.from_env(), pool_size=8)
    run_claim.TAKEN_AT_ONCE = HELPING
    _die_after(place.engine, "/* runs: they are this run's", times=2)
    run_files(place, name=NAME, stopping=lambda: False, door=FileDoor(place.guard), box_seconds=MOST_SECONDS)


def _die_after(engine: sa.Engine, title: str, *, times: int) -> None:
    """Die when a statement of this title has been carried out so often; its transaction is still open."""
    left = [times]

    def look(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.lstrip().startswith(title):
            left[0] -= 1
            if not left[0]:
                die()

    sa.event.listen(engine, "after_cursor_execute", look)


def main(point: Point, *given: Any) -> None:
    if point is Point.ACCEPTED_NOT_RUNG:
        accept(*given)
    elif point is Point.TAKING_ROWS:
        make_files()
    else:
        deliver(point)


if __name__ == "__main__":
    main(Point(sys.argv[1]), *sys.argv[2:])
