"""The doorbell: quick, bounded, and never in anybody's way."""

import select
import socket
import statistics
import threading
import time

import pytest
from redis import Redis
from rq import Queue

from dev.redis import Redis as Server
from worker.ear import Ear
from worker.queues import (
    BELL,
    DELIVER,
    JOB_SECONDS,
    TICK,
    Doorbell,
    enqueue,
    hasty_redis,
    keep_waiting,
    patient_redis,
)
from worker.rq_job import WaybillJob


@pytest.fixture
def redis(empty_redis_url: str) -> Redis:
    return patient_redis(empty_redis_url)


@pytest.fixture
def silent_url():
    """A Redis that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


NOBODY = "redis://127.0.0.1:1/0"


def test_a_ring_wakes_who_waits_at_once(redis: Redis, empty_redis_url: str):
    bell = Doorbell(hasty_redis(empty_redis_url), workers=2)
    bell.ring()
    ear = Ear(redis)
    assert ear.wait(1)
    delays = [_delay(ear, bell) for _ in range(15)]
    assert statistics.median(delays) < 0.05  # about one millisecond on an idle machine


def _delay(ear: Ear, bell: Doorbell) -> float:
    woken: list[float] = []
    waiter = threading.Thread(target=lambda: woken.append(time.monotonic() if ear.wait(1) else 1e9))
    waiter.start()
    time.sleep(0.03)
    rung = time.monotonic()
    bell.ring()
    waiter.join()
    return woken[0] - rung


def test_rings_that_nobody_hears_pile_up_no_higher_than_there_are_workers(redis: Redis):
    bell = Doorbell(redis, workers=2)
    for _ in range(20):
        bell.ring()
    assert redis.llen(BELL) == 2
    assert 0 < redis.ttl(BELL) <= 60
    assert Queue(DELIVER, connection=redis).count == 2


def test_a_rung_job_is_one_the_worker_takes_and_is_soon_forgotten(redis: Redis):
    enqueue(redis, TICK)
    [job_id] = Queue(TICK, connection=redis).job_ids
    job = WaybillJob.read(job_id.encode(), redis)
    assert job.func_name == "worker.jobs.tick"
    assert (job.timeout, job.result_ttl, job.failure_ttl, job.ttl) == (JOB_SECONDS, 0, 3600, 60)
    assert 0 < redis.ttl(job.key) <= 60
    assert redis.hget(job.key, "retries_left") is None


def test_each_worker_finds_a_job(redis: Redis):
    for _ in range(5):
        keep_waiting(redis, DELIVER, workers=3)
    assert Queue(DELIVER, connection=redis).count == 3


def test_without_a_bell_the_wait_ends_in_time(redis: Redis):
    ear = Ear(redis)
    assert not ear.rang()
    began = time.monotonic()
    assert not ear.wait(0.2)
    assert not ear.wait(0)
    assert not ear.rang()
    assert 0.15 < time.monotonic() - began < 1


def test_ringing_costs_nothing_while_redis_is_away():
    bell = Doorbell(hasty_redis(NOBODY), workers=2)
    began = time.monotonic()
    for _ in range(1000):
        bell.ring()
    assert time.monotonic() - began < 1


def test_one_ring_pays_for_a_redis_that_does_not_answer(silent_url: str):
    bell = Doorbell(hasty_redis(silent_url), workers=2)
    began = time.monotonic()
    for _ in range(1000):
        bell.ring()
    assert time.monotonic() - began < 1.5


def test_an_absence_is_told_once(caplog: pytest.LogCaptureFixture):
    bell = Doorbell(hasty_redis(NOBODY), workers=2, rest_seconds=0)
    for _ in range(3):
        bell.ring()
    assert [record.message for record in caplog.records] == ["bell.away"]


def test_a_pump_goes_on_looking_while_redis_is_away():
    ear = Ear(patient_redis(NOBODY))
    began = time.monotonic()
    assert not any(ear.wait(0.1) for _ in range(5))
    assert {ear.listen() for _ in range(1000)} == {None}
    assert 0.4 < time.monotonic() - began < 2.5


def test_the_first_ring_after_a_restart_of_redis_is_heard(own_redis: Server):
    url = own_redis.start()
    bell, redis = Doorbell(hasty_redis(url), workers=2), patient_redis(url)
    ear = Ear(redis)
    bell.ring()
    assert ear.wait(1)
    assert ear.listen() is not None  # a question is under way
    own_redis.stop()
    own_redis.start()
    redis.delete(BELL)
    bell.ring()
    assert ear.wait(1)


def test_what_is_watched_can_be_read_once_the_bell_rings(redis: Redis):
    ear = Ear(redis)
    file = ear.listen()
    assert file is not None
    assert ear.listen() == file
    assert select.select([file], [], [], 0)[0] == []
    Doorbell(redis, workers=2).ring()
    assert select.select([file], [], [], 5)[0] == [file]
    assert ear.rang()
    assert not ear.rang()


def test_a_ring_that_came_when_nobody_looked_is_kept(redis: Redis):
    ear = Ear(redis)
    ear.listen()
    Doorbell(redis, workers=2).ring()
    time.sleep(0.05)
    assert ear.wait(0)


def test_who_hangs_up_takes_no_more_tokens(redis: Redis):
    ear = Ear(redis)
    ear.listen()
    ear.close()
    Doorbell(redis, workers=2).ring()
    assert Ear(redis).wait(1)


def test_a_redis_that_does_not_answer_holds_nobody_up(silent_url: str):
    ear = Ear(Redis.from_url(silent_url, socket_timeout=0.3, socket_connect_timeout=0.3))
    began = time.monotonic()
    assert not ear.wait(0.1)
    assert not ear.rang()
    assert time.monotonic() - began < 5
