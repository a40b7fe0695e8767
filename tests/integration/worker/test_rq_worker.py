"""The worker's processes: asked to end, shot, and left without Redis."""

import os
import signal
import time

import psycopg
import pytest

from dev.redis import Redis as Server
from tests.integration.worker.rig import Rig, is_running, wait_until
from tests.integration.worker.stand_ins import StandInJob
from worker.queues import JOB_SECONDS
from worker.rq_worker import SEEN_IN_REDIS


def test_five_sigterms_to_everybody_let_the_work_end_once(rig: Rig):
    process = rig.start("worker")
    rig.enqueue("pump")
    horse = rig.wait_for_horse()
    for _ in range(5):
        os.kill(horse, signal.SIGTERM)
        process.terminate()
        time.sleep(0.02)
    assert process.wait(10) == 0
    assert rig.notes("drained") == [str(horse)]
    assert rig.notes("left")
    assert not is_running(horse)


def test_sigterm_to_the_parent_alone_reaches_the_horse(rig: Rig):
    process = rig.start("worker")
    rig.enqueue("pump")
    horse = rig.wait_for_horse()
    process.terminate()
    assert process.wait(10) == 0
    assert rig.notes("drained") == [str(horse)]


def test_an_idle_worker_leaves_at_once(rig: Rig):
    process = rig.start("worker")
    rig.enqueue("mark", "x")
    rig.wait_for("mark")
    time.sleep(0.1)
    began = time.monotonic()
    process.terminate()
    assert process.wait(10) == 0
    assert time.monotonic() - began < 1.5


def test_a_horse_whose_parent_was_shot_drains(rig: Rig):
    process = rig.start("worker")
    rig.enqueue("pump")
    horse = rig.wait_for_horse()
    process.kill()
    rig.wait_for("drained")
    wait_until(lambda: not is_running(horse))


def test_a_team_whose_supervisor_was_shot_drains_too(rig: Rig):
    process = rig.start("team")
    rig.enqueue("pump")
    horse = rig.wait_for_horse()
    process.kill()
    os.kill(horse, signal.SIGTERM)  # or its time box would end
    rig.wait_for("drained")
    rig.wait_for("left")


def test_a_team_ends_together(rig: Rig):
    process = rig.start("team")
    rig.enqueue("pump")
    horse = rig.wait_for_horse()
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(10) == 0
    assert rig.notes("drained") == [str(horse)]
    assert rig.notes("left")


def test_the_horse_after_one_that_was_shot_has_the_same_name(rig: Rig):
    rig.start("worker")
    rig.enqueue("pump")
    horse = rig.wait_for_horse()
    os.kill(horse, signal.SIGKILL)
    rig.enqueue("mark", "next")
    [after] = rig.wait_for("mark")
    assert after.split()[1] == rig.notes("pump")[0].split()[1]
    assert "horse.died" in rig.events()


def test_a_job_that_fails_is_told_of_in_the_log_and_not_in_redis(rig: Rig):
    rig.start("worker")
    rig.enqueue("fail")
    rig.enqueue("mark", "next")
    rig.wait_for("mark")
    assert "canary-4711" in rig.events()
    assert rig.events().count("job.failed") == 1
    [job_id] = rig.queue.failed_job_registry.get_job_ids()
    failed = StandInJob.read(job_id.encode(), rig.redis)
    told = failed.latest_result()
    assert told
    assert told.exc_string == SEEN_IN_REDIS
    assert not rig.redis.hexists(failed.key, "exc_info")
    assert 0 < rig.redis.ttl(failed.key) <= 60


def test_a_fault_that_stays_does_not_eat_a_core(rig: Rig):
    rig.start("worker")
    for _ in range(20):
        rig.enqueue("die")
    rig.wait_for("die")
    time.sleep(1.5)
    assert len(rig.notes("die")) <= 4


def test_nothing_of_a_job_stays_behind(rig: Rig):
    rig.start("worker")
    rig.enqueue("mark", "x")
    rig.wait_for("mark")
    wait_until(lambda: not list(rig.redis.scan_iter("rq:job:*")))
    rig.enqueue("pump")
    horse = rig.wait_for_horse()
    [key] = rig.redis.scan_iter("rq:job:*")
    assert rig.redis.ttl(key) > 0  # RQ would keep it for ever, were we shot now
    os.kill(horse, signal.SIGTERM)


def test_a_flushed_redis_stops_nobody(mortal_rig: Rig):
    process = mortal_rig.start("worker")
    mortal_rig.enqueue("mark", "before")
    mortal_rig.wait_for("mark")
    mortal_rig.redis.flushall()
    mortal_rig.redis.script_flush()
    mortal_rig.enqueue("mark", "after")
    mortal_rig.wait_for("mark", 2)
    assert process.poll() is None


def test_a_worker_at_work_outlives_a_redis_that_is_shot(mortal_rig: Rig, own_redis: Server):
    process = mortal_rig.start("worker")
    mortal_rig.enqueue("pump")
    horse = mortal_rig.wait_for_horse()
    assert own_redis.pid
    os.kill(own_redis.pid, signal.SIGKILL)
    os.kill(horse, signal.SIGTERM)
    mortal_rig.wait_for("drained")  # the work ends without Redis, its book-keeping waits
    time.sleep(0.5)
    own_redis.start()
    mortal_rig.enqueue("mark", "after")
    mortal_rig.wait_for("mark")
    assert process.poll() is None


def test_an_idle_worker_outlives_it_too_and_may_be_ended_meanwhile(mortal_rig: Rig, own_redis: Server):
    process = mortal_rig.start("worker")
    mortal_rig.enqueue("mark", "before")
    mortal_rig.wait_for("mark")
    own_redis.stop()
    time.sleep(1)
    own_redis.start()
    mortal_rig.enqueue("mark", "after")
    mortal_rig.wait_for("mark", 2)
    own_redis.stop()
    time.sleep(0.5)
    process.terminate()
    assert process.wait(10) == 0


def test_a_worker_at_work_may_be_ended_while_redis_is_away(mortal_rig: Rig, own_redis: Server):
    process = mortal_rig.start("worker")
    mortal_rig.enqueue("pump")
    horse = mortal_rig.wait_for_horse()
    own_redis.stop()
    began = time.monotonic()
    process.terminate()
    assert process.wait(10) == 0
    assert time.monotonic() - began < 5
    assert mortal_rig.notes("drained") == [str(horse)]


def test_a_worker_whose_books_wait_for_redis_may_be_ended_too(mortal_rig: Rig, own_redis: Server):
    process = mortal_rig.start("worker")
    mortal_rig.enqueue("nap")
    [horse] = mortal_rig.wait_for("nap")
    own_redis.stop()
    time.sleep(1.5)
    assert is_running(int(horse))
    process.terminate()
    assert process.wait(10) == 0
    assert not is_running(int(horse))


def test_a_flush_while_a_job_runs_is_no_failure(mortal_rig: Rig):
    mortal_rig.start("worker")
    mortal_rig.enqueue("pump")
    horse = mortal_rig.wait_for_horse()
    mortal_rig.redis.flushall()
    os.kill(horse, signal.SIGTERM)
    mortal_rig.enqueue("mark", "after")
    mortal_rig.wait_for("mark")
    assert mortal_rig.notes("drained")
    assert "job.failed" not in mortal_rig.events()
    wait_until(lambda: not list(mortal_rig.redis.scan_iter("rq:job:*")))


def test_what_rq_notes_about_a_job_lasts_as_long_as_the_job_may(rig: Rig):
    rig.start("worker")
    rig.enqueue("pump")
    horse = rig.wait_for_horse()
    for key in rig.redis.scan_iter("rq:execution*"):
        assert rig.redis.ttl(key) > JOB_SECONDS
        rig.redis.delete(key)
    os.kill(horse, signal.SIGTERM)
    rig.enqueue("mark", "after")
    rig.wait_for("mark")
    assert "job.failed" not in rig.events()


def test_who_ends_is_started_again_whatever_his_exit(rig: Rig):
    process = rig.start("family")
    rig.wait_for("short", 3)
    [first] = rig.wait_for("long")
    os.kill(int(first), signal.SIGKILL)
    _, second = rig.wait_for("long", 2)
    assert second != first
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGTERM)
    process.terminate()
    assert process.wait(10) == 0
    assert time.monotonic() - began < 2
    assert not is_running(int(second))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_real_thing_begins_to_pump_by_itself_and_ends_in_time(
    number: signal.Signals, rig: Rig, fresh_database_url: str
):
    process = rig.start("", module="worker", database_url=fresh_database_url)
    with psycopg.connect(fresh_database_url, autocommit=True) as connection:
        count = "SELECT count(*) FROM heartbeats WHERE name LIKE 'deliver:%'"
        wait_until(lambda: connection.execute(count).fetchall() == [(2,)])
    time.sleep(0.3)
    began = time.monotonic()
    os.killpg(process.pid, number)
    assert process.wait(24) == 0
    assert time.monotonic() - began < 5
