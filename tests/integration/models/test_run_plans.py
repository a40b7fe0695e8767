"""Planning of runs: each slot once, by the profile's own clock and its policy for missed slots."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from models import run_plans
from models.base import utc_now
from models.profile import Profile, Route
from tests.factories import add_profile, route

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
SIX = MONDAY.replace(hour=6)


def add(engine: sa.Engine, *routes: Route, since: datetime = MONDAY, **more: Any) -> int:
    """Save a CSV profile, daily at six UTC unless told, with its slots planned up to Monday 0:00."""
    settings = {"schedule": more.pop("schedule", "daily 06:00"), "catchUp": more.pop("catch_up", "one")}
    columns: dict[str, Any] = {"export_type": "csv", "settings": settings, "planned_until": since} | more
    return add_profile(engine, *routes, **columns)


def plan(engine: sa.Engine, now: datetime, zone: str = "UTC") -> int:
    return run_plans.plan_runs(engine, now, zone)


def runs(engine: sa.Engine, profile: int | None = None) -> Sequence[sa.Row[Any]]:
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT * FROM runs ORDER BY slot_at, id")).all()
    return [row for row in rows if profile in {None, row.profile_id}]


def slots(engine: sa.Engine, profile: int | None = None) -> list[str]:
    return [row.slot for row in runs(engine, profile)]


def planned_until(engine: sa.Engine, profile: int) -> datetime:
    with Session(engine) as session:
        return session.get_one(Profile, profile).planned_until


def run(engine: sa.Engine, statement: str, **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(statement), values)


# ---- slots


def test_a_slot_has_one_run_for_each_route_that_is_on(engine: sa.Engine):
    profile = add(engine, route("new_sale"), route("partial"), Route(customer_type="lead", enabled=False))
    assert plan(engine, SIX - MINUTE) == 0
    assert plan(engine, SIX + MINUTE) == 2
    assert plan(engine, SIX + 2 * MINUTE) == 0
    first, second = runs(engine)
    assert (first.slot, first.slot_at, first.period, first.part) == ("2026-11-23 #1", SIX, date(2026, 11, 23), 1)
    assert (first.state, first.due_at, first.takes_before, first.created_by) == ("planned", SIX, None, None)
    assert first.route_id != second.route_id
    assert planned_until(engine, profile) == SIX + MINUTE


def test_the_clock_is_the_profiles_own_else_the_accounts(engine: sa.Engine):
    own, account = add(engine, time_zone="Asia/Tokyo"), add(engine)
    plan(engine, MONDAY + DAY, "America/New_York")
    assert [(row.slot_at.hour, row.period.day) for row in runs(engine, own)] == [(21, 24)]
    assert [(row.slot_at.hour, row.period.day) for row in runs(engine, account)] == [(11, 23)]


def test_two_ticks_at_once_plan_one_run_per_route(engine: sa.Engine):
    for _ in range(3):
        add(engine, route("new_sale"), route("partial"))
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: plan(engine, SIX + MINUTE), range(16)))
    assert sum(made) == 6
    assert len({(row.route_id, row.slot) for row in runs(engine)}) == len(runs(engine)) == 6


def test_a_slot_that_was_planned_by_somebody_whose_note_of_it_is_lost_is_not_doubled(engine: sa.Engine):
    profile = add(engine)
    plan(engine, SIX + MINUTE)
    run(engine, "UPDATE profiles SET planned_until = :until", until=MONDAY)
    assert plan(engine, SIX + MINUTE) == 0
    assert len(runs(engine, profile)) == 1


def test_a_clock_that_is_set_back_plans_nothing(engine: sa.Engine):
    add(engine)
    plan(engine, SIX + MINUTE)
    assert plan(engine, SIX - DAY) == 0


def test_a_time_moved_on_the_same_day_has_no_second_run(engine: sa.Engine):
    profile = add(engine)
    plan(engine, SIX + MINUTE)
    run(engine, """UPDATE profiles SET settings = settings || '{"schedule": "daily 18:00"}'""")
    assert plan(engine, SIX + DAY - MINUTE) == 0
    assert plan(engine, SIX + DAY + timedelta(hours=13)) == 1
    assert slots(engine, profile) == ["2026-11-23 #1", "2026-11-24 #1"]


@pytest.mark.parametrize(
    ("columns", "change"),
    [
        ({"enabled": False}, ""),
        ({"paused": True}, ""),
        ({"deleted_at": MONDAY}, ""),
        ({"export_type": "postback"}, ""),
        ({"schedule": "manual"}, ""),
        ({}, "UPDATE gates SET fault = 'making', fault_since = now()"),
    ],
)
def test_what_may_not_make_files_has_no_runs(engine: sa.Engine, columns: dict[str, Any], change: str):
    add(engine, **columns)
    if change:
        run(engine, change)
    assert plan(engine, MONDAY + 3 * DAY) == 0
    assert runs(engine) == []


def test_stopped_uploads_do_not_stop_the_schedule(engine: sa.Engine):
    add(engine, export_type="ftp")
    run(engine, "UPDATE gates SET fault = 'upload', fault_since = now()")
    assert plan(engine, SIX + MINUTE) == 1


def test_a_profile_that_is_being_saved_is_left_to_the_next_tick(engine: sa.Engine):
    saved, other = add(engine), add(engine)
    with Session(engine) as session:
        session.get_one(Profile, saved, with_for_update={"key_share": True})
        assert plan(engine, SIX + MINUTE) == 1
        assert runs(engine, saved) == []
        session.rollback()
    assert plan(engine, SIX + MINUTE) == 1
    assert len(runs(engine, other)) == 1


@pytest.mark.parametrize(
    "columns",
    [{"schedule": "now and then"}, {"schedule": ""}, {"time_zone": "Mars/Olympus"}, {"time_zone": "../etc/passwd"}],
)
def test_a_schedule_that_cannot_be_read_keeps_no_other_profile_from_its_files(
    engine: sa.Engine, columns: dict[str, Any]
):
    add(engine, **columns)
    good = add(engine)
    assert plan(engine, SIX + MINUTE) == 1
    assert len(runs(engine, good)) == 1


def test_without_a_schedule_it_is_the_documented_one(engine: sa.Engine):
    profile = add(engine)
    run(engine, "UPDATE profiles SET settings = settings - 'schedule'")
    assert plan(engine, SIX + MINUTE) == 1
    with Session(engine) as session:
        (coming,) = run_plans.next_runs(session.get_one(Profile, profile), SIX, "UTC", 1)
    assert coming.at == SIX + DAY


def test_a_schedule_that_comes_seldom_is_not_read_back_to_last_year(engine: sa.Engine):
    profile = add(engine, schedule="cron 0 6 24 12 *", since=MONDAY - 300 * DAY)
    assert plan(engine, MONDAY) == 0
    assert planned_until(engine, profile) == MONDAY
    plan(engine, MONDAY + MINUTE)
    assert planned_until(engine, profile) == MONDAY


# ---- F5: after a downtime


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        ("one", [("2026-11-25 #1", None)]),
        ("each", [("2026-11-23 #1", 0), ("2026-11-24 #1", 1), ("2026-11-25 #1", None)]),
        ("skip", []),
    ],
)
def test_after_three_days_without_a_tick_the_policy_decides(engine: sa.Engine, policy: str, wanted: list[Any]):
    add(engine, catch_up=policy)
    back = SIX + 2 * DAY + timedelta(hours=4)
    assert plan(engine, back) == len(wanted)
    expected = [(slot, days if days is None else SIX + days * DAY) for slot, days in wanted]
    assert [(row.slot, row.takes_before) for row in runs(engine)] == expected
    assert plan(engine, back + MINUTE) == 0
    assert plan(engine, SIX + 3 * DAY + MINUTE) == 1
    assert slots(engine)[-1] == "2026-11-26 #1"


def test_each_catches_up_with_31_slots_at_most_the_first_of_which_takes_all_before(engine: sa.Engine):
    add(engine, catch_up="each", since=MONDAY - 300 * DAY)
    assert plan(engine, SIX + MINUTE) == 31
    made = runs(engine)
    assert [row.takes_before for row in made] == [row.slot_at for row in made[:-1]] + [None]
    assert made[0].slot_at == SIX - 30 * DAY


@pytest.mark.parametrize(("late", "made"), [(15 * MINUTE, 1), (16 * MINUTE, 0)])
def test_a_slot_is_missed_after_a_quarter_of_an_hour(engine: sa.Engine, late: timedelta, made: int):
    add(engine, catch_up="skip")
    assert plan(engine, SIX + late) == made


def test_a_profile_that_was_paused_catches_up_by_its_policy(engine: sa.Engine):
    add(engine, catch_up="each", paused=True)
    plan(engine, SIX + DAY + MINUTE)
    run(engine, "UPDATE profiles SET paused = false")
    assert plan(engine, SIX + DAY + 2 * MINUTE) == 2


# ---- by hand


def by_hand(engine: sa.Engine, profile: int, zone: str = "UTC") -> list[int]:
    with Session(engine) as session, session.begin():
        return run_plans.run_now(session, session.get_one(Profile, profile), actor="olga", account_time_zone=zone)


def test_a_run_by_hand_makes_a_file_of_each_route_at_once(engine: sa.Engine):
    profile = add(engine, route("new_sale"), route("partial"), Route(customer_type="lead", enabled=False))
    made = by_hand(engine, profile, "Pacific/Kiritimati")
    assert [row.id for row in runs(engine)] == made
    assert {(row.slot, row.state, row.created_by, row.takes_before) for row in runs(engine)} == {
        ("manual-1", "planned", "olga", None)
    }
    assert {row.due_at <= utc_now() for row in runs(engine)} == {True}
    assert {row.period for row in runs(engine)} == {(utc_now() + timedelta(hours=14)).date()}


def test_who_presses_twice_gets_the_same_runs_until_they_are_claimed(engine: sa.Engine):
    profile = add(engine, route("new_sale"), route("partial"))
    first = by_hand(engine, profile)
    assert by_hand(engine, profile) == first
    run(engine, "UPDATE runs SET state = 'claimed' WHERE id = :id", id=first[0])
    second = by_hand(engine, profile)
    assert first[1] in second
    assert len(second) == 2
    assert sorted(slots(engine)) == ["manual-1", "manual-1", "manual-2"]


def test_two_who_press_at_once_get_the_same_runs(engine: sa.Engine):
    profile = add(engine, route("new_sale"), route("partial"))
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda _: by_hand(engine, profile), range(6)))
    assert made == [made[0]] * 6
    assert len(runs(engine)) == 2


def test_a_run_by_hand_is_no_slot_of_the_schedule(engine: sa.Engine):
    profile = add(engine)
    by_hand(engine, profile)
    assert plan(engine, SIX + MINUTE) == 1
    assert sorted(slots(engine)) == ["2026-11-23 #1", "manual-1"]


def test_a_profile_without_routes_has_nothing_to_run(engine: sa.Engine):
    assert by_hand(engine, add(engine, Route(customer_type="lead", enabled=False))) == []


# ---- what comes next, and what is missing


def test_the_next_runs_are_told_in_the_profiles_zone(engine: sa.Engine):
    profile = add(engine, time_zone="Europe/Berlin")
    with Session(engine) as session:
        loaded = session.get_one(Profile, profile)
        coming = run_plans.next_runs(loaded, datetime(2026, 3, 28, tzinfo=UTC), "UTC", 2)
    assert [slot.at.hour for slot in coming] == [5, 4]


def test_a_day_that_has_had_its_file_is_not_told_to_have_another(engine: sa.Engine):
    profile = add(engine)
    plan(engine, SIX + MINUTE)
    run(engine, """UPDATE profiles SET settings = settings || '{"schedule": "daily 18:00"}'""")
    with Session(engine) as session:
        coming = run_plans.next_runs(session.get_one(Profile, profile), SIX + MINUTE, "UTC", 2)
    assert [slot.period.day for slot in coming] == [24, 25]


def test_a_last_slot_without_its_runs_is_found(engine: sa.Engine):
    add(engine, route("new_sale"), created_at=MONDAY - DAY, updated_at=MONDAY - DAY)
    run(engine, "UPDATE routes SET created_at = :then", then=MONDAY - DAY)
    noon = MONDAY + DAY / 2
    (told,) = run_plans.slots_without_runs(engine, noon, "UTC")
    assert told.endswith("2026-11-23 #1")
    assert run_plans.slots_without_runs(engine, SIX + MINUTE, "UTC") == []
    plan(engine, noon)
    assert run_plans.slots_without_runs(engine, noon, "UTC") == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE profiles SET updated_at = :later",
        "UPDATE profiles SET paused = true",
        """UPDATE profiles SET settings = settings || '{"catchUp": "skip"}'""",
        """UPDATE profiles SET settings = settings || '{"schedule": "nonsense"}'""",
        "UPDATE routes SET created_at = :later",
        "UPDATE routes SET enabled = false",
    ],
)
def test_a_slot_that_is_not_owed_is_not_missed(engine: sa.Engine, change: str):
    add(engine, created_at=MONDAY - DAY, updated_at=MONDAY - DAY)
    run(engine, "UPDATE routes SET created_at = :then", then=MONDAY - DAY)
    run(engine, change, **({"later": SIX + MINUTE} if ":later" in change else {}))
    assert run_plans.slots_without_runs(engine, MONDAY + DAY / 2, "UTC") == []
