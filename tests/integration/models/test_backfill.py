"""The 24 hours before a profile or route was switched on, and the jobs that survive a crash."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from models import backfill, jobs
from models.base import utc_now
from models.job import Job
from models.profile import Profile, Route
from models.routing import backfill_later
from tests.factories import accept_events, add_profile, deliveries, event_document, unique

NOW = utc_now().replace(microsecond=0)


@pytest.fixture
def profile(engine: sa.Engine) -> int:
    """A profile that is switched off."""
    return add_profile(engine, enabled=False)


def switch_on(engine: sa.Engine, profile: int, now: datetime = NOW) -> None:
    with Session(engine) as session, session.begin():
        session.get_one(Profile, profile).enabled = True
        backfill_later(session, profile, now)


def run_jobs(engine: sa.Engine) -> int:
    """Carry out what is open, and say in how many batches."""
    batches = 0
    while jobs.run_one_batch(engine):
        batches += 1
    return batches


def job(engine: sa.Engine) -> sa.Row[tuple[str, int, str | None, bool]]:
    with engine.connect() as connection:
        return connection.execute(
            sa.text("SELECT state, done, error, finished_at IS NOT NULL AS finished FROM jobs ORDER BY id LIMIT 1")
        ).one()


def accept_at(engine: sa.Engine, moments: dict[str, datetime]) -> None:
    accept_events(engine, *[event_document(key, occurredAt=at.isoformat()) for key, at in moments.items()])


def test_it_takes_24_hours_by_the_time_of_the_event_the_first_moment_included(engine: sa.Engine, profile: int):
    day, breath = timedelta(hours=24), timedelta(microseconds=1)
    accept_at(
        engine,
        {
            "too old": NOW - day - breath,
            "exactly": NOW - day,
            "old": NOW - day + breath,
            "now": NOW,
            "later": NOW + day,
        },
    )
    switch_on(engine, profile)
    run_jobs(engine)
    assert [row.event_key for row in deliveries(engine)] == ["exactly", "old", "now", "later"]
    assert tuple(job(engine)) == ("done", 4, None, True)


def test_what_comes_after_the_switch_is_taken_at_any_age(engine: sa.Engine, profile: int):
    switch_on(engine, profile)
    accept_at(engine, {"ancient": NOW - timedelta(days=300)})
    run_jobs(engine)
    assert [row.event_key for row in deliveries(engine)] == ["ancient"]


def test_nothing_is_owed_twice(engine: sa.Engine, profile: int):
    accept_at(engine, {"before": NOW - timedelta(hours=1)})
    switch_on(engine, profile)
    accept_at(engine, {"after": NOW - timedelta(hours=1)})
    switch_on(engine, profile)
    run_jobs(engine)
    assert [row.event_key for row in deliveries(engine)] == ["after", "before"]


def test_it_is_for_its_own_profile_only(engine: sa.Engine, profile: int):
    other = add_profile(engine, Route(customer_type="partial"))
    accept_events(engine, event_document("a"))
    with Session(engine) as session, session.begin():
        session.add(Route(profile_id=other, customer_type="new_sale"))
    switch_on(engine, profile)
    run_jobs(engine)
    assert [row.profile_id for row in deliveries(engine)] == [profile]


def test_history_only_and_refused_events_are_not_taken_and_test_cards_are_skipped(engine: sa.Engine, profile: int):
    accept_events(engine, event_document("history"), history_only=True)
    accept_events(engine, event_document("refused"), event_document("test", testCard=True), event_document("good"))
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE events SET refusal = 'no' WHERE event_key = 'refused'"))
        connection.execute(
            sa.text("INSERT INTO events (event_key, customer_type, order_snapshot) VALUES ('stray', 'new_sale', '{}')")
        )
    switch_on(engine, profile)
    run_jobs(engine)
    assert [(row.event_key, row.state) for row in deliveries(engine)] == [("test", "skipped"), ("good", "pending")]


def test_events_of_one_moment_are_all_taken_across_batches(engine: sa.Engine, profile: int):
    count = 2 * backfill.BATCH + 5
    for start in range(0, count, 1000):
        size = min(1000, count - start)
        accept_at(engine, {unique("same"): NOW - timedelta(hours=1) for _ in range(size)})
    switch_on(engine, profile)
    assert run_jobs(engine) == 3
    assert len(deliveries(engine)) == count
    assert job(engine).done == count


def test_a_job_that_dies_half_way_goes_on_where_it_was(engine: sa.Engine, profile: int):
    accept_at(engine, {unique("first"): NOW - timedelta(hours=2) for _ in range(backfill.BATCH)})
    accept_at(engine, {unique("second"): NOW - timedelta(hours=1) for _ in range(7)})
    switch_on(engine, profile)
    assert jobs.run_one_batch(engine)
    assert job(engine).state == "running"
    with Session(engine) as session:  # a worker dies before its commit
        backfill.run_batch(session, session.get_one(Job, 1))
        session.rollback()
    assert len(deliveries(engine)) == backfill.BATCH
    assert run_jobs(engine) == 1
    assert len(deliveries(engine)) == backfill.BATCH + 7
    assert tuple(job(engine)) == ("done", backfill.BATCH + 7, None, True)


def test_a_job_somebody_is_at_is_left_to_him(engine: sa.Engine, profile: int):
    switch_on(engine, profile)
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT FROM jobs FOR UPDATE"))
        assert not jobs.run_one_batch(engine)
    assert jobs.run_one_batch(engine)


def test_a_job_that_cannot_be_carried_out_fails_and_lets_the_next_one_begin(engine: sa.Engine, profile: int):
    with Session(engine) as session, session.begin():
        session.add(Job(kind="backfill", arguments={"profile_id": profile}))
    accept_events(engine, event_document("a"))
    switch_on(engine, profile)
    assert run_jobs(engine) == 2
    assert tuple(job(engine)) == ("failed", 0, "it cannot be carried out; the log says why", True)
    assert [row.event_key for row in deliveries(engine)] == ["a"]


def test_it_reads_the_events_along_their_time(engine: sa.Engine):
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO events (event_key, customer_type, order_snapshot, routed_at, refusal, occurred_at)"
                " SELECT 'e' || n, 'lead', '{}', now(), 'no', now() - make_interval(mins => 50000 - n)"
                " FROM generate_series(1, 50000) n"
            )
        )
        connection.execute(sa.text("ANALYZE events"))
        values = {"since": utc_now() - timedelta(hours=24), "after": 0}
        plan = "\n".join(connection.scalars(sa.text(f"EXPLAIN {backfill.EVENTS_SINCE}"), values))
    assert "ix_events_occurred_at" in plan
    assert "Sort" not in plan
