"""The job `files` as a whole: making and uploading side by side, told to stop, and without Postgres or Redis."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import psycopg
import pytest
import sqlalchemy as sa
from redis import Redis

from exporters.errors import TryAgain
from models.run import RunState, UploadState
from tests.factories import route
from tests.integration.worker.file_works import NAME, FileServer, FileWorks
from tests.integration.worker.rig import Rig
from tests.integration.worker.works import NO_REDIS, wait_until
from worker.ear import Ear
from worker.files import UPLOADERS, run_files
from worker.queues import FILES, FILES_BELL, Doorbell, files_bell, job_seconds, ring_files


class SlowServer(FileServer):
    """Some hosts never answer until they are released."""

    def __init__(self) -> None:
        super().__init__()
        self.is_released = threading.Event()
        self.waiting: list[str] = []

    @contextmanager
    def folder(self, place):
        if place.host.startswith("slow"):
            self.waiting.append(place.host)
            self.is_released.wait(20)
        with super().folder(place) as folder:
            yield folder


@pytest.fixture
def slow(files: FileWorks) -> Iterator[SlowServer]:
    files.server = server = SlowServer()
    yield server
    server.is_released.set()


@contextmanager
def working(files: FileWorks, *, name: str = NAME) -> Iterator[Callable[[], None]]:
    """Have a worker of files in a thread, with connections of its own; what it lends is its SIGTERM."""
    place, told = files.workplace(), threading.Event()
    faults: list[BaseException] = []

    def work() -> None:
        try:
            run_files(place, name=name, stopping=told.is_set, door=files.server, box_seconds=60)
        except BaseException as fault:  # noqa: BLE001 -- told below
            faults.append(fault)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield told.set
    finally:
        told.set()
        thread.join(30)
    assert not thread.is_alive()
    assert not faults, faults


def is_delivered(files: FileWorks, run: int) -> bool:
    rows = files.rows("SELECT state FROM uploads WHERE run_id = :id ORDER BY id", id=run)
    return bool(rows) and rows[-1].state == UploadState.DELIVERED


def test_what_is_due_is_made_and_sent(files: FileWorks):
    profile = files.ftp(route(campaign=1), route(campaign=2))
    files.events(2, campaignId=1)
    files.events(2, campaignId=2)
    runs = files.plan(profile)
    with working(files):
        wait_until(lambda: all(is_delivered(files, run) for run in runs))
    assert len(files.server.files) == 2
    (beat,) = files.rows("SELECT name FROM heartbeats WHERE name LIKE 'files:%'")
    assert beat.name == f"files:{NAME}"


def test_a_slow_server_holds_up_neither_the_others_nor_the_making(files: FileWorks, slow: SlowServer):
    late = files.ftp(settings={"host": "slow.example.com"})
    files.events(2)
    late_runs = files.plan(late)
    files.events(2)
    late_runs += files.plan(late)
    with working(files):
        wait_until(lambda: bool(slow.waiting))
        quick = files.ftp()
        files.events(2)
        (run,) = files.plan(quick)
        wait_until(lambda: is_delivered(files, run))
        assert slow.waiting == ["slow.example.com"]  # and the second waits for the first
        slow.is_released.set()
        wait_until(lambda: all(is_delivered(files, run) for run in late_runs))


def test_more_dead_servers_than_there_are_hands_hold_up_no_fresh_file(files: FileWorks, slow: SlowServer):
    for number in range(UPLOADERS + 2):
        files.ftp(settings={"host": f"slow{number}.example.com"})
    files.events(1)
    for (profile,) in files.rows("SELECT id FROM profiles"):
        files.plan(profile)
    files.make()
    files.run("UPDATE uploads SET failures = 5")
    with working(files):
        wait_until(lambda: len(slow.waiting) >= UPLOADERS - 3)
        quick = files.ftp()
        files.events(1)
        (run,) = files.plan(quick)
        wait_until(lambda: is_delivered(files, run))
        slow.is_released.set()


def test_a_box_ends_when_it_is_over_and_not_while_a_file_is_on_its_way(files: FileWorks, slow: SlowServer):
    profile = files.ftp(settings={"host": "slow.example.com"})
    files.events(1)
    (run,) = files.plan(profile)
    threading.Timer(2.0, slow.is_released.set).start()
    began = time.monotonic()
    run_files(files.place, name=NAME, stopping=lambda: False, door=slow, box_seconds=1)
    assert time.monotonic() - began >= 2
    assert is_delivered(files, run)


def test_sigterm_lets_an_upload_go_at_once_and_the_next_worker_sends_it(files: FileWorks):
    profile = files.ftp()
    files.events(1)
    (run,) = files.plan(profile)
    begun = threading.Event()

    def dawdle(verb: str, _name: str) -> None:
        if verb == "piece":
            begun.set()
            time.sleep(0.5)

    files.server.before = dawdle
    with working(files) as sigterm:
        assert begun.wait(15)
        began = time.monotonic()
        sigterm()
    assert time.monotonic() - began < 5
    upload = files.upload(run)
    assert (upload.state, upload.failures, upload.lease_token) == (UploadState.PENDING, 0, None)
    files.server.before = lambda _verb, _name: None
    with working(files, name="another"):
        wait_until(lambda: is_delivered(files, run))


def test_an_upload_that_hears_nothing_is_free_for_the_next_worker(
    files: FileWorks, slow: SlowServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("worker.files.DRAIN_SECONDS", 0.5)
    profile = files.ftp(settings={"host": "slow.example.com"})
    files.events(1)
    (run,) = files.plan(profile)
    with working(files):
        wait_until(lambda: bool(slow.waiting))
    assert files.upload(run).state == UploadState.PENDING
    assert files.tries(run)[0].outcome == "unknown"
    slow.is_released.set()
    for thread in threading.enumerate():  # a process would have ended; here it must not outlive its database
        if thread.name.startswith("upload-"):
            thread.join(10)
    assert files.upload(run).state == UploadState.PENDING  # what it did came too late


def test_a_predecessor_s_work_is_taken_up_at_once(files: FileWorks):
    profile, sender = files.csv(), files.ftp()
    files.events(1)
    (sent,) = files.plan(sender)
    files.make()
    (begun,) = files.plan(profile)
    assert files.claim_run()
    assert files.claim_upload()
    with working(files):
        wait_until(lambda: is_delivered(files, sent), 10)
        wait_until(lambda: files.run_row(begun).state == RunState.WRITTEN, 10)


def test_work_goes_on_when_postgres_comes_back(files: FileWorks, caplog: pytest.LogCaptureFixture):
    profile = files.ftp()
    files.events(2)
    (run,) = files.plan(profile)
    with working(files):
        with files.closed_to_new_connections():
            wait_until(lambda: "postgres.away" in caplog.messages)
        wait_until(lambda: is_delivered(files, run), 30)


def test_a_connection_that_breaks_while_a_file_is_sent_costs_one_try(files: FileWorks):
    profile = files.ftp()
    files.events(2)
    (run,) = files.plan(profile)
    files.make()

    def shoot(verb: str, _name: str) -> None:
        if verb == "put" and files.server.count("put") == 0:
            files.shoot_connections()

    def is_there() -> bool:
        try:
            return is_delivered(files, run)
        except sa.exc.OperationalError:  # this test's own connection was shot, too
            return False

    files.server.before = shoot
    with working(files):
        wait_until(is_there, 30)
    assert len(files.server.files) == 1


def test_a_temporary_failure_leaves_the_job_alive(files: FileWorks):
    profile = files.ftp()
    files.events(1)
    (run,) = files.plan(profile)
    files.server.fail("login", TryAgain("421"), times=1)
    with working(files):
        wait_until(lambda: bool(files.rows("SELECT FROM uploads WHERE failures = 1")))
        files.uploads_due()
        wait_until(lambda: is_delivered(files, run))


# ---- bell and queue ------------------------------------------------------------------------------------------------


def test_the_bell_of_files_wakes_their_worker_and_no_pump(empty_redis_url: str):
    redis = Redis.from_url(empty_redis_url)
    ring_files(redis)
    pump, office = Ear(redis), Ear(redis, FILES_BELL)
    assert not pump.wait(0.1)
    assert office.wait(1)
    assert redis.llen(f"rq:queue:{FILES}") == 1
    files_bell(redis).ring()
    assert redis.llen(f"rq:queue:{FILES}") == 1  # one waits: another would be of no use
    assert office.wait(1)
    Doorbell(redis, workers=1).ring()
    assert not office.wait(0.1)
    redis.close()


def test_a_bell_without_redis_hurts_nobody():
    redis = Redis.from_url(NO_REDIS)
    ring_files(redis)
    redis.close()


def test_a_job_of_files_may_take_hours():
    assert job_seconds("worker.jobs.files") > 12 * 3600
    assert job_seconds("worker.jobs.deliver") > 12 * 3600  # while Redis is away; each box has a watch of its own
    assert job_seconds("worker.jobs.tick") < 600


@pytest.mark.slow
def test_a_flushed_redis_ends_no_run_and_the_next_one_comes_in_time(mortal_rig: Rig, files: FileWorks):
    """The real processes. The server in memory is none of theirs, so it is a file to be fetched."""
    url = files.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    profile = files.csv()
    mortal_rig.start("", module="worker", database_url=url)
    with psycopg.connect(url, autocommit=True) as connection:
        count = "SELECT count(*) FROM heartbeats WHERE name LIKE 'files:%'"
        wait_until(lambda: connection.execute(count).fetchall() == [(1,)], 20)
    keys = files.events(3)
    (first,) = files.plan(profile)
    mortal_rig.redis.flushall()
    wait_until(lambda: files.run_row(first).state == RunState.WRITTEN, 10)
    mortal_rig.redis.flushall()
    files.events(2)
    (second,) = files.plan(profile)
    wait_until(lambda: files.run_row(second).state == RunState.WRITTEN, 10)
    assert [files.run_row(run).rows for run in (first, second)] == [len(keys), 2]


@pytest.mark.slow
def test_a_worker_whose_horse_is_shot_goes_on_at_once(mortal_rig: Rig, files: FileWorks):
    url = files.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    profile = files.csv()
    process = mortal_rig.start("", module="worker", database_url=url)
    wait_until(lambda: bool(files.rows("SELECT FROM heartbeats WHERE name LIKE 'files:%'")), 20)
    for horse in _horses(process.pid):
        os.kill(horse, signal.SIGKILL)
    files.events(1)
    (run,) = files.plan(profile)
    wait_until(lambda: files.run_row(run).state == RunState.WRITTEN, 15)
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(24) == 0
    assert time.monotonic() - began < 10


def _horses(pid: int) -> list[int]:
    """The children of a supervisor's children."""
    return [horse.pid for worker in psutil.Process(pid).children() for horse in worker.children()]
