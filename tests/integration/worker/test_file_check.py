"""The daily check of the books: ledger rows taken = orders in files, slots = runs. What differs is one line that alerts."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from models.base import utc_now
from tests.file_rows import add_file_profile, add_run, fill
from tests.integration.worker.works import Works
from worker import file_check

DAY = timedelta(days=1)


def told(works: Works, caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    """Compare now; gives the one line of the log."""
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="worker.file_check"):
        fits = file_check.check(works.engine, utc_now(), "UTC")
    (line,) = caplog.records
    assert fits == (line.getMessage() == "files.books_agree")
    assert line.levelno == (logging.INFO if fits else logging.ERROR)
    return line


def add_written(works: Works, orders: int, taken: int) -> int:
    with Session(works.engine) as session:
        profile = add_file_profile(session, settings={"schedule": "manual"})
        run = add_run(session, profile, content=b"order\n", orders=orders)
        fill(session, run, works.events(taken, "Partial"))
        return run.id


def test_books_that_agree_are_said_to(works: Works, caplog: pytest.LogCaptureFixture):
    add_written(works, 2, 2)
    assert told(works, caplog).getMessage() == "files.books_agree"


def test_a_file_with_other_orders_than_the_ledger_says_is_told(works: Works, caplog: pytest.LogCaptureFixture):
    add_written(works, 2, 2)
    fewer, more = add_written(works, 1, 2), add_written(works, 3, 2)
    line = told(works, caplog)
    assert vars(line)["unequal_runs"] == [fewer, more]
    assert vars(line)["missing_runs"] == []


def test_a_file_made_again_has_no_rows_of_its_own_and_one_of_long_ago_is_not_read_again(
    works: Works, caplog: pytest.LogCaptureFixture
):
    source = add_written(works, 2, 2)
    with Session(works.engine) as session:
        profile = add_file_profile(session, settings={"schedule": "manual"})
        add_run(session, profile, content=b"order\n", orders=2, source_id=source)
        add_run(session, profile, content=b"order\n", orders=9, claimed_at=utc_now() - 3 * DAY)
    assert told(works, caplog).getMessage() == "files.books_agree"


def test_a_slot_that_nobody_planned_is_told(works: Works, caplog: pytest.LogCaptureFixture):
    with Session(works.engine) as session:
        add_file_profile(session, created_at=utc_now() - 9 * DAY, updated_at=utc_now() - 9 * DAY)
    works.run("UPDATE routes SET created_at = created_at - interval '9 days'")
    line = told(works, caplog)
    assert vars(line)["missing"] == 1
    assert vars(line)["missing_runs"][0].startswith("route ")


def test_it_is_done_once_a_day_whoever_comes(works: Works, caplog: pytest.LogCaptureFixture):
    now = utc_now()
    with caplog.at_level(logging.INFO, logger="worker.file_check"):
        for later in (timedelta(), DAY - timedelta(minutes=1), DAY + timedelta(minutes=1)):
            file_check.check_daily(works.engine, now + later, "UTC")
    assert len(caplog.records) == 2
