"""The schedule in Redis: made right at each turn, whatever was done to it."""

import pickle
import signal
import threading
import time
from typing import Any

import pytest
from redis import Redis

from dev.redis import Redis as Server
from tests.integration.worker.rig import Rig, wait_until
from worker.queues import TICK
from worker.schedule import PERIODIC, Periodic
from worker.scheduler import QUARANTINE, SafeScheduler

QUEUE_KEY = f"rq:queue:{TICK}"
SCHEDULE = SafeScheduler.scheduled_jobs_key
LOCK = SafeScheduler.scheduler_lock_key
TICK_JOB = "rq:job:tick"
HOURLY = (Periodic(id="tick", queue=TICK, every=3600),)


@pytest.fixture
def redis(empty_redis_url: str) -> Redis:
    return Redis.from_url(empty_redis_url)


def is_rung(redis: Redis) -> bool:
    """Take what waits for the tick's worker."""
    waiting = redis.lrange(QUEUE_KEY, 0, -1)
    redis.delete(QUEUE_KEY)
    assert waiting in ([], [b"tick"])
    return bool(waiting)


def test_the_first_turn_writes_the_schedule_and_enqueues(redis: Redis):
    SafeScheduler(redis).turn()
    assert is_rung(redis)
    assert redis.zrange(SCHEDULE, 0, -1) == [b"tick"]
    due = redis.zscore(SCHEDULE, "tick")
    assert due
    assert 1 < due - time.time() <= PERIODIC[0].every
    assert redis.hget(TICK_JOB, "ttl") is None
    assert redis.hget(TICK_JOB, "result_ttl") == b"-1"
    assert redis.ttl(TICK_JOB) == -1


def test_not_before_its_time_and_never_two_in_the_queue(redis: Redis):
    scheduler = SafeScheduler(redis, table=HOURLY)
    scheduler.turn()
    assert is_rung(redis)
    scheduler.turn()
    assert not is_rung(redis)
    for _ in range(3):
        redis.zadd(SCHEDULE, {"tick": 0})
        scheduler.turn()
    assert is_rung(redis)


def test_a_tick_whose_worker_was_shot_does_not_block_the_next(redis: Redis):
    scheduler = SafeScheduler(redis, table=HOURLY)
    scheduler.turn()
    is_rung(redis)
    redis.hset(TICK_JOB, mapping={"status": "started"})
    redis.zadd(SCHEDULE, {"tick": 0})
    scheduler.turn()
    assert is_rung(redis)


def test_two_schedulers_make_one_ticks_work(empty_redis_url: str, redis: Redis):
    every, seconds = 0.2, 2.0
    table = (Periodic(id="tick", queue=TICK, every=every),)
    end = time.monotonic() + seconds

    def run() -> None:
        with Redis.from_url(empty_redis_url) as own:
            scheduler = SafeScheduler(own, table=table)
            while time.monotonic() < end:
                scheduler.turn()
                time.sleep(0.005)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    ticks = 0
    while time.monotonic() < end:
        ticks += redis.lpop(QUEUE_KEY) is not None
        time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert 4 <= ticks <= seconds / every + 1


@pytest.mark.parametrize(
    "job",
    [
        None,
        {"data": pickle.dumps(("os.system", None, ("false",), {}))},
        {"data": b'["os.system", null, ["false"], {}]'},
        {"data": b"\x78\x9c\x00"},
        "text",
    ],
    ids=["missing", "pickle", "os_system", "corrupt", "wrong_type"],
)
def test_a_strangers_entry_goes_to_quarantine_and_the_tick_goes_on(job: dict[Any, Any] | str | None, redis: Redis):
    redis.zadd(SCHEDULE, {b"stranger": 0, b"\xff": 0})
    if isinstance(job, dict):
        redis.hset("rq:job:stranger", mapping=job)
    elif job:
        redis.set("rq:job:stranger", job)
    SafeScheduler(redis).turn()
    assert is_rung(redis)
    assert redis.zrange(SCHEDULE, 0, -1) == [b"tick"]
    assert set(redis.lrange(QUARANTINE, 0, -1)) == {b"stranger", b"\xff"}


@pytest.mark.parametrize(
    "broken",
    [
        lambda redis: redis.flushdb(),
        lambda redis: redis.delete(TICK_JOB),
        lambda redis: redis.delete(SCHEDULE),
        lambda redis: redis.set(TICK_JOB, "x"),
        lambda redis: redis.set(SCHEDULE, "x"),
        lambda redis: redis.hset(TICK_JOB, "data", b'["os.system", null, [], {}]'),
        lambda redis: redis.hset(TICK_JOB, "origin", "elsewhere"),
        lambda redis: redis.hdel(TICK_JOB, "data"),
        lambda redis: redis.zadd(SCHEDULE, {"tick": time.time() + 90_000}),
    ],
    ids=["flush", "no_job", "no_entry", "job_type", "entry_type", "function", "queue", "no_data", "clock"],
)
def test_a_spoilt_tick_is_written_anew(broken, redis: Redis):
    if redis.type(TICK_JOB) == b"string":
        redis.delete(TICK_JOB)
    scheduler = SafeScheduler(redis, table=HOURLY)
    scheduler.turn()
    is_rung(redis)
    broken(redis)
    scheduler.turn()
    assert is_rung(redis)


def test_the_lock_of_another_is_respected_and_not_taken_away(redis: Redis):
    scheduler = SafeScheduler(redis)
    redis.set(LOCK, "another", px=200)
    scheduler.turn()
    assert not is_rung(redis)
    assert scheduler.acquire_lock() is False
    wait_until(lambda: not redis.exists(LOCK))  # its owner was shot
    assert scheduler.acquire_lock()
    redis.set(LOCK, "another")  # ours ran out, somebody else works
    scheduler.remove_lock()
    assert redis.get(LOCK) == b"another"


def test_of_two_processes_one_may_be_shot(rig: Rig):
    shot, other = (rig.start("", module="worker.scheduler") for _ in range(2))
    wait_until(lambda: is_rung(rig.redis))
    shot.kill()
    for _ in range(2):
        wait_until(lambda: is_rung(rig.redis))
    began = time.monotonic()
    other.send_signal(signal.SIGTERM)
    assert other.wait(10) == 0
    assert time.monotonic() - began < 2


def test_a_scheduler_outlives_a_redis_that_is_away(mortal_rig: Rig, own_redis: Server):
    process = mortal_rig.start("", module="worker.scheduler")
    wait_until(lambda: is_rung(mortal_rig.redis))
    own_redis.stop()
    wait_until(lambda: "turn_failed" in mortal_rig.events())
    own_redis.start()
    mortal_rig.redis.flushall()
    wait_until(lambda: is_rung(mortal_rig.redis))
    assert process.poll() is None
    assert "Traceback" not in mortal_rig.events()
