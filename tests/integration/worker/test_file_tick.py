"""The tick and files: it plans what the schedules ask for, and rings when a file is to be made or sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from models.base import utc_now
from tests.file_rows import add_file_profile, add_run, add_upload
from tests.integration.worker.works import Works
from worker.queues import FILES
from worker.tick import run_tick

HOURLY = {"schedule": "every 1 hours"}
DAY = timedelta(days=1)


def rang(works: Works) -> bool:
    redis: Any = works.place.redis
    redis.flushdb()
    run_tick(works.place)
    return bool(redis.llen(f"rq:queue:{FILES}"))


def add_planned(works: Works, **columns: Any) -> int:
    with Session(works.engine) as session:
        profile = add_file_profile(session, "ftp", settings={"schedule": "manual"})
        return add_run(session, profile, **columns).id


def add_sent(works: Works, **columns: Any) -> None:
    with Session(works.engine) as session:
        profile = add_file_profile(session, "ftp", settings={"schedule": "manual"})
        add_upload(session, add_run(session, profile, content=b"x"), **columns)


def test_what_is_due_is_planned_and_rung_for(works_with_redis: Works):
    works = works_with_redis
    with Session(works.engine) as session:
        add_file_profile(session, settings=HOURLY, planned_until=utc_now() - 2 * timedelta(hours=1))
    assert rang(works)
    assert len(works.rows("SELECT FROM runs WHERE state = 'planned'")) == 1
    run_tick(works.place)
    assert len(works.rows("SELECT FROM runs")) == 1


def test_without_redis_it_plans_all_the_same(works: Works):
    with Session(works.engine) as session:
        add_file_profile(session, settings=HOURLY, planned_until=utc_now() - DAY)
    run_tick(works.place)
    assert works.rows("SELECT FROM runs WHERE state = 'planned'")


def test_it_rings_for_a_run_whose_writer_is_lost_and_not_for_one_that_is_being_made(works_with_redis: Works):
    works = works_with_redis
    run = add_planned(
        works, state="claimed", lease_token=1, lease_until=utc_now() + DAY, snapshot={}, claimed_at=utc_now()
    )
    assert not rang(works)
    works.run("UPDATE runs SET lease_until = now() - interval '1 second' WHERE id = :id", id=run)
    assert rang(works)


def test_it_rings_for_an_upload_that_is_due_and_for_one_whose_sender_is_lost(works_with_redis: Works):
    works = works_with_redis
    add_sent(works, due_at=utc_now() + DAY)
    assert not rang(works)
    works.run("UPDATE uploads SET due_at = now()")
    assert rang(works)
    works.run("UPDATE uploads SET state = 'leased', lease_token = 1, lease_until = now() + interval '1 minute'")
    assert not rang(works)
    works.run("UPDATE uploads SET lease_until = now() - interval '1 second'")
    assert rang(works)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE profiles SET paused = true",
        "UPDATE profiles SET enabled = false",
        "UPDATE profiles SET deleted_at = now()",
    ],
)
def test_it_does_not_ring_for_what_may_not_go(works_with_redis: Works, change: str):
    works = works_with_redis
    add_planned(works)
    add_sent(works)
    works.run(change)
    assert not rang(works)


@pytest.mark.parametrize(("fault", "rings"), [("making", (False, True)), ("upload", (True, False))])
def test_a_stopped_profile_makes_or_sends_no_files(works_with_redis: Works, fault: str, rings: tuple[bool, bool]):
    works = works_with_redis
    run = add_planned(works)
    works.run("UPDATE gates SET fault = :fault, fault_since = now()", fault=fault)
    made = rang(works)
    works.run("UPDATE runs SET state = 'cancelled' WHERE id = :id", id=run)
    add_sent(works)
    works.run("UPDATE gates SET fault = :fault, fault_since = now()", fault=fault)
    assert (made, rang(works)) == rings
