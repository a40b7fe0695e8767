"""Claiming runs: which rows a file takes, and that each is taken once."""

import threading
from datetime import timedelta

import psycopg
import pytest

from models.base import utc_now
from models.intake import accept
from models.run import RunState
from tests.factories import UTC, accept_events, event_document, route, unique
from tests.integration.worker.file_works import FileWorks
from worker import run_claim


def taken(works: FileWorks, run_id: int) -> list[str]:
    rows = works.rows(
        "SELECT e.event_key FROM file_items f JOIN events e ON e.id = f.event_id WHERE f.run_id = :id ORDER BY e.id",
        id=run_id,
    )
    return [row.event_key for row in rows]


def test_a_run_takes_the_rows_of_its_route_and_the_profile_as_it_is(files: FileWorks):
    profile = files.csv(route(campaign=1), route(campaign=2))
    ours, theirs = files.events(3, campaignId=1), files.events(2, campaignId=2)
    one, two = files.plan(profile)
    lease = files.claim_run()
    assert lease
    assert (lease.run_id, lease.tries) == (one, 1)
    run = files.run_row(one)
    assert (run.state, run.orders, run.snapshot["settings"]["preset"]) == (RunState.CLAIMED, 3, "standard")
    assert taken(files, one) == ours
    assert files.claim_run()
    assert taken(files, two) == theirs
    assert files.claim_run() is None


def test_a_row_whose_insert_began_before_the_claim_and_ended_after_it_is_in_the_next_run(files: FileWorks):
    profile = files.csv()
    early = files.events()
    late = unique("late")
    with files.engine.connect() as connection:
        transaction = connection.begin()
        accept(connection, [event_document(late)], now=utc_now(), zone=UTC)
        (first,) = files.plan(profile)
        files.make()
        transaction.commit()
    (second,) = files.plan(profile)
    files.make()
    assert taken(files, first) == early
    assert taken(files, second) == [late]


def test_two_workers_and_one_slot_make_one_run_per_route(files: FileWorks):
    profile = files.csv(*[route(campaign=number) for number in range(1, 7)])
    for number in range(1, 7):
        files.events(2, campaignId=number)
    files.plan(profile)
    leases: list[run_claim.Lease | None] = []

    def work(name: str) -> None:
        while (lease := files.claim_run(name)) is not None:
            leases.append(lease)

    threads = [threading.Thread(target=work, args=(f"worker-{number}",)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    while (lease := files.claim_run()) is not None:  # where both stepped aside
        leases.append(lease)
    assert len({lease.run_id for lease in leases if lease}) == len(leases) == 6
    assert {run.orders for run in files.rows("SELECT orders FROM runs")} == {2}


def test_rows_that_are_not_ready_wait_for_the_next_run(files: FileWorks):
    profile = files.csv(delay_minutes=60)
    old = files.old_event(timedelta(hours=2))
    files.events()
    (run,) = files.plan(profile)
    files.claim_run()
    assert taken(files, run) == [old]


def test_a_missed_slot_takes_only_what_was_accepted_before_it_and_the_last_takes_the_rest(files: FileWorks):
    profile = files.csv()
    keys = [files.old_event(timedelta(days=days)) for days in (3, 2, 1, 0)]
    runs = []
    for days in (2.5, 1.5):
        at = utc_now() - timedelta(days=days)
        runs += files.plan(profile, at=at, takes_before=at)
    runs += files.plan(profile)
    files.run("UPDATE runs SET due_at = now() - id * interval '1 second'")  # the last is asked for first
    assert files.make() == 3
    assert [taken(files, run) for run in runs] == [keys[:1], keys[1:2], keys[2:]]


def test_a_completed_partial_is_skipped_unless_it_was_given_back_or_the_profile_takes_it(files: FileWorks):
    profile = files.csv(route("partial"))
    careless = files.csv(route("partial"), skip_completed_partials=False)
    key, order = unique("ev"), unique("B")
    accept_events(files.engine, event_document(key, "Partial", clientOrderId=order))
    accept_events(files.engine, event_document(None, "New Sale", clientOrderId=order))
    (run,), (other,) = files.plan(profile), files.plan(careless)
    files.make()
    assert (taken(files, run), taken(files, other)) == ([], [key])
    (item,) = files.items(profile)
    assert (item.skipped, item.run_id) == ("order completed", None)
    files.run("UPDATE file_items SET skipped = NULL, forced = true WHERE id = :id", id=item.id)
    (again,) = files.plan(profile)
    files.make()
    assert taken(files, again) == [key]


def test_an_order_that_turned_out_to_be_a_test_is_in_no_file(files: FileWorks):
    profile = files.csv()
    (key,) = files.events()
    files.run(
        "UPDATE orders SET test_card = true WHERE order_key = (SELECT order_key FROM events WHERE event_key = :key)",
        key=key,
    )
    (run,) = files.plan(profile)
    files.make()
    assert taken(files, run) == []
    assert files.items(profile)[0].skipped == "test card"


@pytest.mark.parametrize("change", ["paused = true", "enabled = false", "deleted_at = now()"])
def test_nothing_is_claimed_for_a_profile_that_is_off(files: FileWorks, change: str):
    profile = files.csv()
    files.events()
    files.plan(profile)
    files.run(f"UPDATE profiles SET {change}")
    assert files.claim_run() is None


def test_a_run_whose_lease_is_over_is_taken_over_with_the_same_rows_and_snapshot(files: FileWorks):
    profile = files.csv()
    first = files.events(2)
    (run,) = files.plan(profile)
    lost = files.claim_run()
    assert lost
    files.set(profile, kind="csv", delimiter=";")
    files.events()
    assert files.claim_run("another") is None
    files.end_file_leases()
    lease = files.claim_run("another")
    assert lease
    assert (lease.run_id, lease.tries) == (run, 2)
    assert lease.token != lost.token
    assert taken(files, run) == first
    assert files.run_row(run).snapshot["settings"]["delimiter"] == ","


def test_a_run_that_never_comes_to_its_end_waits_for_a_person(files: FileWorks):
    profile = files.csv()
    files.events()
    (run,) = files.plan(profile)
    for _ in range(run_claim.MOST_TRIES):
        assert files.claim_run()
        files.end_file_leases()
    assert files.claim_run() is None
    row = files.run_row(run)
    assert row.state == RunState.HELD
    assert "begun 5 times" in row.error


def test_more_rows_than_a_file_may_have_make_parts_with_whole_orders(files: FileWorks):
    settings = {"maxRows": 2, "rowPer": "item", "fileName": "orders_{date}"}
    profile = files.csv(settings=settings)
    item = {"productId": 4, "name": "Widget", "qty": 1, "price": "1.00"}
    keys = [unique("ev") for _ in range(4)]
    for key, count in zip(keys, (0, 1, 3, 1), strict=True):
        accept_events(files.engine, event_document(key, items=[item] * count))
    files.plan(profile, "2026-11-23/1")
    assert files.make() == 3
    rows = files.rows("SELECT * FROM runs ORDER BY part")
    assert [(row.part, row.slot, row.state, row.orders, row.rows) for row in rows] == [
        (1, "2026-11-23/1", "written", 2, 2),
        (2, "2026-11-23/1", "written", 1, 3),
        (3, "2026-11-23/1", "written", 1, 1),
    ]
    assert [taken(files, row.id) for row in rows] == [keys[:2], keys[2:3], keys[3:]]
    assert [row.file_name.rpartition("-p")[2] for row in rows] == ["1.csv", "2.csv", "3.csv"]
    assert len({row.snapshot["uuid"] for row in rows}) == 1


def test_settings_that_make_no_file_hold_the_run_and_the_third_stops_the_schedule(files: FileWorks):
    profile = files.csv()
    files.run("UPDATE mappings SET field = 'nonsense' WHERE profile_id = :id", id=profile)
    files.events()
    for number in range(1, 4):
        (run,) = files.plan(profile)
        assert files.claim_run() is None
        row = files.run_row(run)
        assert row.state == RunState.HELD
        assert "nonsense" in row.error
        assert (files.gate(profile).fault == "making") is (number == 3)
    (run,) = files.plan(profile)
    assert files.claim_run() is None
    assert files.run_row(run).state == RunState.PLANNED


def test_a_profile_that_no_check_let_through_holds_its_run_and_the_others_go(files: FileWorks):
    profile, other = files.csv(), files.csv()
    files.events()
    (run,), (fine,) = files.plan(profile), files.plan(other)
    files.run("UPDATE profiles SET time_zone = 'Nowhere/Land' WHERE id = :id", id=profile)
    assert files.make() == 1
    assert "internal error" in files.run_row(run).error
    assert files.run_row(fine).state == RunState.WRITTEN


def test_a_claim_does_not_keep_the_intake_waiting(files: FileWorks):
    profile = files.csv()
    files.events()
    files.plan(profile)
    url = files.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as other:
        other.execute("SELECT FROM routes WHERE profile_id = %s FOR NO KEY UPDATE", [profile])
        files.events()  # the lock of a claim: a new ledger row refers to this route
        assert files.claim_run() is None  # and another claim steps aside
    assert files.claim_run()
