"""Once only, from the ledger through planning to the claim: late commits, two ticks and two workers, days of downtime."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from models import run_plans
from models.base import utc_now
from models.intake import accept
from models.profile import Profile, Route
from tests.factories import UTC, event_document, route
from tests.integration.worker.works import Works
from worker import run_claim
from worker.tick import run_tick

DAY = timedelta(days=1)
HALF_A_DAY_AGO = utc_now() - DAY / 2

ROWS_BY_RUN = """SELECT w.id, array_remove(array_agg(e.event_key ORDER BY e.event_key), NULL) AS keys FROM runs w
    LEFT JOIN file_items f ON f.run_id = w.id LEFT JOIN events e ON e.id = f.event_id
    GROUP BY w.id ORDER BY w.slot_at, w.id"""


def add(works: Works, *, catch_up: str = "one") -> int:
    """A profile whose three last slots were two and a half, one and a half and half a day ago; none is planned."""
    return add_profile(works, catch_up=catch_up, since=HALF_A_DAY_AGO - 2.5 * DAY)


def add_profile(works: Works, *more: Route, since: datetime, catch_up: str = "one") -> int:
    """A CSV profile of all Partials whose slot was half a day ago, planned up to `since`."""
    settings = {"schedule": f"daily {HALF_A_DAY_AGO:%H:%M}", "catchUp": catch_up}
    routes = [route("partial"), *more]
    return works.profile(export_type="csv", settings=settings, planned_until=since, routes=routes)


def press(works: Works, profile: int) -> list[int]:
    """Press Run now."""
    with Session(works.engine) as session, session.begin():
        loaded = session.get_one(Profile, profile)
        return run_plans.run_now(session, loaded, actor="olga", account_time_zone="UTC")


def claim_all(works: Works) -> list[int]:
    """Claim until nothing is due; gives the runs in order."""
    claimed = []
    while lease := run_claim.claim(works.engine, name="files", account_time_zone="UTC"):
        claimed.append(lease.run_id)
    return claimed


def rows(works: Works) -> list[list[str]]:
    """The events of each run, by slot."""
    return [row.keys for row in works.rows(ROWS_BY_RUN)]


def partials(works: Works, *ages: timedelta) -> list[str]:
    """Accept a Partial for each age, so long ago; gives their keys."""
    keys = works.events(len(ages), "Partial")
    for key, age in zip(keys, ages, strict=True):
        works.run("UPDATE events SET accepted_at = accepted_at - :age WHERE event_key = :key", key=key, age=age)
    works.run("UPDATE file_items f SET ready_at = e.accepted_at FROM events e WHERE e.id = f.event_id")
    return keys


# ---- F1


def test_an_event_begun_before_and_committed_after_the_claim_is_in_the_next_run_once(works: Works):
    profile = add(works)
    (early,) = partials(works, 9 * DAY)
    with works.engine.connect() as slow, slow.begin():
        accept(slow, [event_document("late", "Partial")], now=utc_now(), zone=UTC)
        run_tick(works.place)
        assert len(claim_all(works)) == 1
    assert rows(works) == [[early]]
    press(works, profile)
    assert len(claim_all(works)) == 1
    press(works, profile)
    assert len(claim_all(works)) == 1
    assert rows(works) == [[early], ["late"], []]


# ---- F2: the planning half


def test_two_ticks_and_two_workers_make_one_run_per_route_of_one_slot(works: Works):
    add_profile(works, route("lead"), since=HALF_A_DAY_AGO - timedelta(minutes=5))
    keys = partials(works, *[9 * DAY] * 50)
    places = [works.workplace() for _ in range(4)]

    def work(number: int) -> list[int]:
        run_tick(places[number])
        engine, claimed = places[number].engine, []
        while lease := run_claim.claim(engine, name=f"files {number}", account_time_zone="UTC"):
            claimed.append(lease.run_id)
        return claimed

    with ThreadPoolExecutor(4) as pool:
        claimed = list(chain.from_iterable(pool.map(work, range(4))))
    assert len(claimed) == len(set(claimed)) == 2
    assert sorted(rows(works)) == [[], sorted(keys)]


# ---- F5


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [("one", [[0, 1, 2, 3, 4]]), ("each", [[0, 1], [2], [3, 4]]), ("skip", [])],
)
def test_after_three_days_without_a_tick_no_policy_loses_or_doubles_a_row(
    works: Works, policy: str, wanted: list[list[int]]
):
    profile = add(works, catch_up=policy)
    keys = partials(works, 9 * DAY, 2.6 * DAY, 2 * DAY, 1 * DAY, timedelta(0))
    run_tick(works.place)
    assert len(claim_all(works)) == len(wanted)
    assert rows(works) == [sorted(keys[number] for number in numbers) for numbers in wanted]
    press(works, profile)
    claim_all(works)
    assert sorted(chain.from_iterable(rows(works))) == sorted(keys)


def test_each_is_claimed_in_the_order_of_the_slots_whoever_comes(works: Works):
    add(works, catch_up="each")
    partials(works, 9 * DAY)
    run_tick(works.place)
    due: Sequence[Any] = works.rows("SELECT id FROM runs ORDER BY slot_at")
    assert claim_all(works) == [row.id for row in due]
    with works.engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM file_items WHERE run_id = :id"), {"id": due[0].id}) == 1
