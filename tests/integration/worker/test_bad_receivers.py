"""Receivers that mean harm: each try ends, its record says why, memory stays flat, and the neighbour gets its own."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from tests.factories import route
from tests.integration.worker.machines import machine
from tests.integration.worker.works import Works, wait_until
from tests.receivers import Receiver

COUNT = 40
TIMEOUT_SECONDS = 2
BUSY_SECONDS = 10
"""How late a try may end on a machine that is busy: without a deadline it would never."""

FLAT_BYTES = 40 * 1024 * 1024
"""Forty answers read without a bound would be gigabytes, or the 400 megabytes of forty bombs."""


def memory_of(pid: int) -> int:
    """Give what the largest process of a worker has for itself."""
    boss, sizes = psutil.Process(pid), [0]
    for one in [boss, *boss.children(recursive=True)]:
        try:
            sizes.append(one.memory_full_info().uss)
        except psutil.Error:  # it has just ended
            continue
    return max(sizes)


@pytest.mark.parametrize(
    ("path", "timeout", "said"),
    [
        ("silent", TIMEOUT_SECONDS, "timed out"),
        ("drip", TIMEOUT_SECONDS, "timed out"),
        ("endless_hundreds", TIMEOUT_SECONDS, "timed out"),
        # What comes as fast as it can must be too large before it is too late, however busy the machine is.
        ("endless_body", 60, "answer too large"),
        ("endless_headers", 60, "answer too large"),
        ("gzip_bomb", 60, "does not hold"),
    ],
)
def test_a_bad_receiver_harms_nobody_and_the_record_says_what_it_did(
    works_with_redis: Works,
    fresh_database_url: str,
    redis_url: str,
    tmp_path: Path,
    path: str,
    timeout: int,
    said: str,
):
    works = works_with_redis
    with Receiver() as bad, Receiver() as good, machine(fresh_database_url, redis_url, log=tmp_path / "log") as worker:
        well = works.profile(good.url(), routes=[route(campaign=2)])
        works.events(20, campaignId=2)
        wait_until(lambda: works.is_done(well))
        before = memory_of(worker.pid)
        settings = {"timeoutSeconds": timeout, "maxInFlight": 20, "successBody": {"contains": "thank you"}}
        ill = works.profile(bad.url(path), routes=[route(campaign=1)], settings=settings)
        works.events(COUNT, campaignId=1)
        wait_until(lambda: len(bad.seen) > 0)
        works.events(20, campaignId=2)
        sizes: list[int] = []

        def has_ended() -> bool:
            sizes.append(memory_of(worker.pid))
            return len(works.rows("SELECT FROM attempts WHERE profile_id = :p LIMIT 5", p=ill)) == 5

        wait_until(lambda: works.is_done(well))
        wait_until(has_ended, timeout + 2 * BUSY_SECONDS)
        assert len(good.seen) == 40
        attempts = works.rows("SELECT * FROM attempts WHERE profile_id = :p", p=ill)
    assert {attempt.outcome for attempt in attempts} == {"failed"}
    for attempt in attempts:
        assert said in attempt.error.lower(), attempt.error
        assert attempt.duration_ms < (timeout + BUSY_SECONDS) * 1000
        assert len(attempt.response_body or "") <= 64 * 1024
    assert max(sizes) - before < FLAT_BYTES
    assert works.states(ill)["delivered"] == 0
