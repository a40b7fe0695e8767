"""What waits or fails for 1, 6 and 24 hours is told once a step, and once that it is over. Times are set in the database."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from models.base import utc_now
from tests.file_rows import add_file_profile, add_run, add_upload
from tests.integration.worker.works import Works
from worker.tick import run_tick


def waited(works: Works, hours: float, profile: int) -> None:
    """Let the deliveries of a profile have become due so long ago."""
    works.run(
        "UPDATE deliveries SET due_at = now() - make_interval(secs => :s), created_at = now() - make_interval(secs => :s)"
        " WHERE profile_id = :p",
        s=hours * 3600,
        p=profile,
    )


def tick(works: Works) -> None:
    """Do a tick that looks, as one does twice a minute."""
    works.run("DELETE FROM heartbeats WHERE name = 'alerts'")
    run_tick(works.place)


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[Any, ...]]:
    """Give what was told since the last time: event and hours, and why, where it is over."""
    lines = [
        (
            record.getMessage(),
            record.__dict__["hours"],
            *filter(None, [record.__dict__.get("because") or record.__dict__.get("fault")]),
        )
        for record in caplog.records
        if record.name == "worker.alerts"
    ]
    caplog.clear()
    return lines


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="worker.alerts")


@pytest.fixture
def waiting(works: Works) -> int:
    """A profile with three deliveries that wait."""
    profile = works.profile()
    works.events(3)
    return profile


def test_each_step_is_told_once_and_its_end_once(works: Works, waiting: int, caplog: pytest.LogCaptureFixture):
    tick(works)
    assert told(caplog) == []
    for hours, step in ((0.9, None), (1.1, 1), (5.9, None), (6.1, 6), (23.9, None), (24.1, 24), (100, None)):
        waited(works, hours, waiting)
        tick(works)
        tick(works)
        assert told(caplog) == ([("alert.raised", step)] if step else [])
    works.try_all()
    tick(works)
    tick(works)
    assert told(caplog) == [("alert.cleared", 24, "healed")]
    assert not works.rows("SELECT FROM alerts")


def test_a_long_wait_is_told_at_its_step_at_once_and_never_softer(
    works: Works, waiting: int, caplog: pytest.LogCaptureFixture
):
    waited(works, 30, waiting)
    tick(works)
    assert told(caplog) == [("alert.raised", 24)]
    waited(works, 2, waiting)
    tick(works)
    assert told(caplog) == []
    assert [row.hours for row in works.rows("SELECT * FROM alerts")] == [24]


def test_of_many_ticks_at_once_and_after_a_restart_one_tells(
    works: Works, waiting: int, caplog: pytest.LogCaptureFixture
):
    waited(works, 2, waiting)
    works.run("DELETE FROM heartbeats WHERE name = 'alerts'")
    ticks = [threading.Thread(target=run_tick, args=[works.workplace()]) for _ in range(4)]
    for one in ticks:
        one.start()
    for one in ticks:
        one.join()
    assert told(caplog) == [("alert.raised", 1)]
    works.run("DELETE FROM heartbeats")  # a release does that
    run_tick(works.workplace())
    assert told(caplog) == []


def test_ticks_in_between_do_not_look(works: Works, waiting: int, caplog: pytest.LogCaptureFixture):
    tick(works)
    waited(works, 2, waiting)
    run_tick(works.place)
    assert told(caplog) == []
    works.run("UPDATE heartbeats SET at = at - interval '31 s' WHERE name = 'alerts'")
    run_tick(works.place)
    assert told(caplog) == [("alert.raised", 1)]


def test_the_row_that_has_failed_longest_counts_not_the_one_that_is_due_next(
    works: Works, waiting: int, caplog: pytest.LogCaptureFixture
):
    first, *_ = [row.id for row in works.deliveries()]
    works.run("UPDATE deliveries SET failures = 3, tries = 3, due_at = now() + interval '5 s'")
    works.run(
        "UPDATE deliveries SET created_at = now() - interval '7 h', due_at = now() + interval '1 h' WHERE id = :id",
        id=first,
    )
    tick(works)
    assert told(caplog) == [("alert.raised", 6)]
    works.run("UPDATE profiles SET delay_minutes = 600 WHERE id = :p", p=waiting)  # then it has only begun to wait
    tick(works)
    assert told(caplog) == [("alert.cleared", 6, "healed")]


def test_a_probe_under_way_is_no_end(works: Works, waiting: int, caplog: pytest.LogCaptureFixture):
    waited(works, 2, waiting)
    works.run("UPDATE deliveries SET failures = 1, tries = 1")
    tick(works)
    assert told(caplog) == [("alert.raised", 1)]
    assert len(works.claim()) == 3
    tick(works)
    assert told(caplog) == []


def test_what_was_replayed_waits_since_its_first_failure_after_that(
    works: Works, waiting: int, caplog: pytest.LogCaptureFixture
):
    waited(works, 24 * 300, waiting)
    works.run("UPDATE deliveries SET failures = 2, tries = 7")
    (row, *_) = works.deliveries()
    for number, hours in ((5, 7000), (6, 2), (7, 1)):
        works.run(
            "INSERT INTO attempts (started_at, delivery_id, profile_id, lease_token, number, request_headers, outcome)"
            " SELECT now() - make_interval(hours => :h), id, profile_id, 1, :n, '[]', 'failed' FROM deliveries WHERE id = :id",
            h=hours,
            n=number,
            id=row.id,
        )
    tick(works)
    assert told(caplog) == [("alert.raised", 1)]


@pytest.mark.parametrize("fault", ["breaker", "gone", "blocked", "settings", "upload", "making"])
def test_a_fault_that_lasts_is_told(works: Works, fault: str, caplog: pytest.LogCaptureFixture):
    profile = works.profile()
    works.run(
        "UPDATE gates SET fault = :f, fault_since = now() - interval '7 h' WHERE profile_id = :p", f=fault, p=profile
    )
    tick(works)
    assert told(caplog) == [("alert.raised", 6, fault)]
    works.run("UPDATE gates SET fault = NULL, fault_since = NULL")
    tick(works)
    assert told(caplog) == [("alert.cleared", 6, "healed")]


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ("paused = true", "paused"),
        ("enabled = false", "disabled"),
        ("deleted_at = now(), enabled = false", "deleted"),
    ],
)
def test_what_somebody_stopped_is_no_alert(
    works: Works, waiting: int, change: str, because: str, caplog: pytest.LogCaptureFixture
):
    waited(works, 2, waiting)
    tick(works)
    assert told(caplog) == [("alert.raised", 1)]
    works.run(f"UPDATE profiles SET {change} WHERE id = :p", p=waiting)
    tick(works)
    tick(works)
    assert told(caplog) == [("alert.cleared", 1, because)]


def test_files_that_wait_for_their_server_or_to_be_made_are_told(works: Works, caplog: pytest.LogCaptureFixture):
    long_ago = utc_now() - timedelta(hours=2)
    with Session(works.engine) as session:
        served = add_file_profile(session, "ftp")
        add_upload(session, add_run(session, served, content=b"a\r\n"), failures=2, created_at=long_ago)
        add_run(session, add_file_profile(session), state="held", error="no such field", created_at=long_ago)
        add_run(session, add_file_profile(session), content=b"a\r\n", created_at=long_ago)
    tick(works)
    assert told(caplog) == [("alert.raised", 1)] * 2
    works.run("UPDATE uploads SET state = 'delivered', finished_at = now()")
    works.run("UPDATE runs SET state = 'cancelled' WHERE state = 'held'")
    tick(works)
    assert told(caplog) == [("alert.cleared", 1, "healed")] * 2
