"""kill -9 at named points: what was accepted arrives, every request has an attempt, no row is in two files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter

import pytest
from sqlalchemy.orm import Session

from models.account import ApiKey, Scope
from models.run import RunState
from tests.factories import accept_events, event_document, unique
from tests.integration.faults.mortal import HELPING, Point
from tests.integration.worker.file_works import FileWorks
from tests.integration.worker.works import Works
from tests.receivers import Receiver
from tests.servers import ROOT, app_environment


def shoot(works: Works | FileWorks, point: Point, *given: str) -> None:
    """Let a process run into its death at this point."""
    url = works.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    command = [sys.executable, "-m", "tests.integration.faults.mortal", point, *given]
    environment = app_environment(url) | {"EGRESS_ALLOW": "127.0.0.1/32"}
    done = subprocess.run(command, cwd=ROOT, env=environment, timeout=40, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]


def keys(receiver: Receiver) -> Counter[str]:
    return Counter(seen.headers["webhook-id"] for seen in receiver.seen)


def test_events_that_were_accepted_and_not_rung_for_arrive_once_and_a_repeat_is_a_duplicate(works: Works):
    key, text = ApiKey.issue("shop", [Scope.EVENTS_WRITE])
    with Session(works.engine) as session, session.begin():
        session.add(key)
    with Receiver() as receiver:
        works.profile(receiver.url())
        document = event_document(unique("ev"))
        shoot(works, Point.ACCEPTED_NOT_RUNG, text, json.dumps(document))
        assert works.states() == {"pending": 1}
        assert accept_events(works.engine, document).duplicates == 1
        works.pump(works.is_done)
        assert list(keys(receiver).values()) == [1]
    assert works.states() == {"delivered": 1}


@pytest.mark.parametrize(
    ("point", "sent_before"),
    [(Point.CLAIMED_NOT_SENT, False), (Point.SENT_NOT_RECORDED, True), (Point.RECORDED_NOT_COMMITTED, True)],
)
def test_a_pump_that_is_shot_loses_nothing_and_each_request_has_its_attempt(
    works: Works, point: Point, sent_before: bool
):
    with Receiver() as receiver:
        works.profile(receiver.url())
        works.events(3)
        shoot(works, point)
        before = len(receiver.seen)
        assert (before > 0) == sent_before
        assert works.states() == {"leased": 3}
        assert works.attempts() == []
        works.end_leases()
        works.pump(works.is_done)
        assert len(receiver.seen) == before + 3
        assert len(keys(receiver)) == 3
    assert Counter(row.outcome for row in works.attempts()) == {"unknown": 3, "delivered": 3}


def test_a_run_whose_process_is_shot_while_it_takes_its_rows_has_taken_none(files: FileWorks):
    profile = files.csv()
    expected = files.events(3 * HELPING)
    (run,) = files.plan(profile)
    shoot(files, Point.TAKING_ROWS)
    assert files.run_row(run).state == RunState.PLANNED
    assert files.rows("SELECT FROM file_items WHERE run_id IS NOT NULL") == []
    files.make()
    row = files.run_row(run)
    assert (row.state, row.rows) == (RunState.WRITTEN, len(expected))


def test_the_points_are_none_of_the_products():
    """Nothing that a variable or a setting could switch on: the process that dies is made here."""
    product = [path for house in ("web", "worker", "models", "exporters") for path in (ROOT / house).rglob("*.py")]
    words = ("os.kill(os.getpid()", "SIGKILL)", "fault_point", "CHAOS")
    found = [path.name for path in product for word in words if word in path.read_text(encoding="utf-8")]
    assert found == []
    assert "WAYBILL_CHAOS" not in os.environ
