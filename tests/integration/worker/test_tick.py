"""The tick: what nobody else is sure to do. And pruning, which it does once an hour."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from models import routing
from models.base import utc_now
from models.replay import Filters
from models.replay import start as start_replay
from tests.integration.worker.works import NO_REDIS, Works
from worker import prune
from worker.queues import BELL, DELIVER
from worker.tick import run_tick

STRAY = """INSERT INTO events (event_key, customer_type, order_snapshot)
    SELECT 'stray-' || n, 'new_sale', jsonb_build_object('clientOrderId', 'S-' || n, 'customerId', '1')
    FROM generate_series(1, :count) AS n"""


def waiting_jobs(works: Works) -> int:
    redis: Any = works.place.redis
    return int(redis.llen(f"rq:queue:{DELIVER}"))


def test_events_that_came_by_sql_are_routed_and_sent_by_the_next_pump(works: Works):
    works.profile()
    works.run(STRAY, count=1500)
    run_tick(works.place)
    assert works.states() == {"pending": 1500}
    assert len(works.claim(10)) == 10


def test_a_back_fill_is_carried_to_its_end(works: Works):
    works.events(1200)
    profile = works.profile()
    with Session(works.engine) as session, session.begin():
        routing.backfill_later(session, profile, utc_now())
    run_tick(works.place)
    assert works.states(profile) == {"pending": 1200}
    assert [(row.state, row.done) for row in works.rows("SELECT * FROM jobs")] == [("done", 1200)]
    run_tick(works.place)
    assert works.states(profile) == {"pending": 1200}


def test_a_replay_is_carried_out_and_keeps_the_key(works: Works):
    works.profile()
    works.events(5)
    works.try_all()
    with Session(works.engine) as session, session.begin():
        start_replay(session, Filters(state="delivered"), actor="olga", matched=5)
    run_tick(works.place)
    again = works.claim()
    assert sorted(lease.delivery_id for lease in again) == [row.id for row in works.deliveries()]
    assert {lease.tries for lease in again} == {2}


def test_lost_leases_are_freed_without_any_pump(works: Works):
    works.profile()
    works.events(3)
    works.claim()
    works.end_leases()
    run_tick(works.place)
    assert works.states() == {"pending": 3}
    assert {row.losses for row in works.deliveries()} == {1}
    assert [row.outcome for row in works.attempts()] == ["unknown"] * 3


def test_it_rings_when_something_is_due(works_with_redis: Works):
    works = works_with_redis
    works.profile()
    works.events()
    run_tick(works.place)
    assert waiting_jobs(works) >= 1
    assert works.place.redis.exists(BELL)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE deliveries SET due_at = now() + interval '1 minute'",
        "UPDATE profiles SET paused = true",
        "UPDATE gates SET opens_at = now() + interval '1 minute'",
        "UPDATE gates SET fault = 'settings', fault_since = now()",
    ],
)
def test_it_does_not_ring_for_what_may_not_go(works_with_redis: Works, change: str):
    works = works_with_redis
    works.profile()
    works.events()
    works.run(change)
    run_tick(works.place)
    assert waiting_jobs(works) == 0


def test_it_shows_a_sign_of_life_and_does_its_work_without_redis(works: Works):
    works.profile()
    works.run(STRAY, count=1)
    assert works.place.config.redis_url == NO_REDIS
    run_tick(works.place)
    assert works.rows("SELECT FROM heartbeats WHERE name = 'tick' AND at > now() - interval '1 minute'")
    assert works.states() == {"pending": 1}


def test_a_step_that_fails_keeps_no_other_from_its_work_and_is_seen(works: Works):
    works.profile()
    works.events(1)
    works.claim()
    works.end_leases()
    works.run("ALTER TABLE jobs RENAME TO gone")
    with pytest.raises(sa.exc.ProgrammingError):
        run_tick(works.place)
    assert works.states() == {"pending": 1}
    assert works.rows("SELECT FROM heartbeats WHERE name = 'prune'")


def test_it_makes_the_partitions_of_today_and_tomorrow(works: Works):
    run_tick(works.place)
    days = {
        row.name for row in works.rows("SELECT relname AS name FROM pg_class WHERE relname ~ '^attempts_[0-9]{8}$'")
    }
    assert days == {f"attempts_{utc_now() + timedelta(days=ahead):%Y%m%d}" for ahead in (0, 1)}
    works.profile()
    works.events()
    works.try_all()
    assert works.rows(f"SELECT FROM attempts_{utc_now():%Y%m%d}")
    assert not works.rows("SELECT FROM attempts_default")


def test_two_ticks_one_after_the_other_do_one_ticks_work(works: Works):
    works.profile()
    works.run(STRAY, count=3)
    for _ in range(2):
        run_tick(works.place)
    assert works.states() == {"pending": 3}


# ---- pruning -------------------------------------------------------------------------------------------------------


def grow_old(works: Works, days: int) -> None:
    """Let everything there is have happened so many days ago."""
    for column in ("created_at", "finished_at", "due_at"):
        works.run(f"UPDATE deliveries SET {column} = {column} - make_interval(days => :days)", days=days)
    for column in ("occurred_at", "accepted_at", "routed_at"):
        works.run(f"UPDATE events SET {column} = {column} - make_interval(days => :days)", days=days)


def left(works: Works) -> Counter[str]:
    counts = works.rows(
        "SELECT (SELECT count(*) FROM events) AS events, (SELECT count(*) FROM deliveries) AS deliveries"
    )
    return Counter(dict(counts[0]._mapping))


def test_what_was_finished_more_than_400_days_ago_is_removed_with_its_event(works: Works):
    works.profile()
    works.events(3)
    works.try_all()
    grow_old(works, 401)
    works.events(2)
    works.try_all()
    prune.prune_hourly(works.engine, utc_now())
    assert left(works) == {"events": 2, "deliveries": 2}


def test_what_is_open_is_never_removed_nor_is_its_event(works: Works):
    works.profile()
    works.events(6)
    works.claim(1)
    works.run("UPDATE deliveries SET state = 'held', reason = 'x' WHERE id = (SELECT max(id) FROM deliveries)")
    grow_old(works, 5000)
    prune.prune_hourly(works.engine, utc_now())
    assert left(works) == {"events": 6, "deliveries": 6}


def test_what_was_finished_lately_stays_however_old_it_is(works: Works):
    works.profile()
    works.events(2)
    grow_old(works, 500)
    works.try_all()
    prune.prune_hourly(works.engine, utc_now())
    assert left(works) == {"events": 2, "deliveries": 2}


def test_an_event_that_nobody_wanted_goes_too_but_not_one_that_is_still_to_be_routed(works: Works):
    works.events(1)
    works.run(STRAY, count=1)
    grow_old(works, 401)
    prune.prune_hourly(works.engine, utc_now())
    assert [row.event_key for row in works.rows("SELECT event_key FROM events")] == ["stray-1"]


def test_a_heap_of_open_rows_keeps_nothing_behind_it(works: Works):
    works.profile()
    works.events(prune.MOST + 10)
    works.run(
        "UPDATE deliveries SET state = 'cancelled', reason = 'x', finished_at = now() WHERE id > :most", most=prune.MOST
    )
    grow_old(works, 401)
    prune.prune_hourly(works.engine, utc_now())
    assert left(works) == {"events": prune.MOST, "deliveries": prune.MOST}


def test_old_days_of_attempts_are_dropped_whole(works: Works):
    old, kept = (utc_now() - timedelta(days=days) for days in (91, 89))
    for day in (old, kept):
        works.run(
            f"CREATE TABLE attempts_{day:%Y%m%d} PARTITION OF attempts"
            f" FOR VALUES FROM ('{day:%Y-%m-%d}Z') TO ('{day + timedelta(days=1):%Y-%m-%d}Z')"
        )
    prune.prune_hourly(works.engine, utc_now())
    names = {row.relname for row in works.rows("SELECT relname FROM pg_class WHERE relname LIKE 'attempts\\_2%'")}
    assert f"attempts_{old:%Y%m%d}" not in names
    assert f"attempts_{kept:%Y%m%d}" in names


def test_it_is_done_once_an_hour_whoever_comes(works: Works):
    works.profile()
    now = utc_now()
    prune.prune_hourly(works.engine, now)
    works.events(1)
    works.try_all()
    grow_old(works, 401)
    prune.prune_hourly(works.engine, now + timedelta(minutes=59))
    assert left(works)["events"] == 1
    prune.prune_hourly(works.engine, now + timedelta(minutes=61))
    assert left(works)["events"] == 0


def test_processes_that_are_gone_are_forgotten_after_a_day(works: Works):
    works.run(
        "INSERT INTO heartbeats (name, at) VALUES ('deliver:gone', now() - interval '25 hours'), ('deliver:here', now())"
    )
    prune.prune_hourly(works.engine, utc_now())
    assert not works.rows("SELECT FROM heartbeats WHERE name = 'deliver:gone'")
    assert works.rows("SELECT FROM heartbeats WHERE name = 'deliver:here'")
