"""A worker that was stopped for a while blames nobody else for it, and goes on at once."""

from __future__ import annotations

from pathlib import Path
from time import monotonic, sleep

from tests.factories import route
from tests.integration.worker.machines import machine
from tests.integration.worker.works import Works, wait_until
from tests.receivers import Receiver

ASLEEP_SECONDS = 5.0


def test_a_worker_that_was_stopped_reads_what_came_meanwhile_and_opens_no_breaker(
    works_with_redis: Works, fresh_database_url: str, redis_url: str, tmp_path: Path
):
    works = works_with_redis
    with (
        Receiver() as well,
        Receiver() as silent,
        machine(fresh_database_url, redis_url, log=tmp_path / "log") as worker,
    ):
        settings = {"timeoutSeconds": 4, "maxInFlight": 100}
        good = works.profile(well.url("slow/2"), routes=[route(campaign=1)], settings=settings)
        mute = works.profile(silent.url("silent"), routes=[route(campaign=2)], settings=settings)
        works.events(20, campaignId=1)
        works.events(20, campaignId=2)
        wait_until(lambda: len(well.seen) == len(silent.seen) == 20)
        worker.fall_asleep()
        sleep(ASLEEP_SECONDS)
        worker.wake_up()
        began = monotonic()
        wait_until(lambda: works.is_done(good))
        assert len(well.seen) == 20  # what was answered is not sent again
        assert works.gate(good).fault is None
        works.events(1, campaignId=1)
        wait_until(lambda: works.is_done(good))

        assert monotonic() - began < 10  # an open breaker shuts for 12 s at least, and then starts slowly
        wait_until(lambda: len(silent.seen) > 20)
        first = works.rows("SELECT outcome, error FROM attempts WHERE profile_id = :p AND number = 1", p=mute)
        assert {row.outcome for row in first} == {"unknown"}
        assert all("our own process was stopped or busy for" in row.error for row in first)
