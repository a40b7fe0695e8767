"""The ledger of files: which events are owed to which routes, when they are ready, and that none is owed twice."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from models import jobs, ledger
from models.base import utc_now
from models.profile import Profile, Route
from models.routing import backfill_later, retime
from models.strays import route_strays
from tests.factories import ALL, UTC, accept_events, add_profile, deliveries, event_document, route, unique

ITEMS = sa.text(
    """SELECT e.event_key, r.profile_id, r.product_id, f.*, f.ready_at - e.accepted_at AS age
    FROM file_items f JOIN events e ON e.id = f.event_id JOIN routes r ON r.id = f.route_id ORDER BY e.id, r.id"""
)


def items(engine: sa.Engine) -> Sequence[sa.Row[Any]]:
    with engine.connect() as connection:
        return connection.execute(ITEMS).all()


def keys(engine: sa.Engine) -> list[str]:
    return [row.event_key for row in items(engine)]


def run(engine: sa.Engine, statement: str, **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(statement), values)


def switch_on(engine: sa.Engine, profile: int) -> None:
    """Switch a profile on, and carry its back-fill out."""
    with Session(engine) as session, session.begin():
        session.get_one(Profile, profile).enabled = True
        backfill_later(session, profile, utc_now())
    while jobs.run_one_batch(engine):
        pass


@pytest.mark.parametrize("kind", ["csv", "ftp"])
def test_an_event_is_owed_once_to_each_route_that_takes_it(engine: sa.Engine, kind: str):
    add_profile(engine, route("new_sale"), route("new_sale", 1, 4), route("new_sale", ALL, 5), export_type=kind)
    accept_events(
        engine,
        event_document("both", campaignId=1, items=[{"productId": 4}, {"productId": 4}]),
        event_document("all", campaignId=2, items=[{"productId": 4}]),
        event_document("none", "Partial"),
    )
    assert [(row.event_key, row.product_id) for row in items(engine)] == [("both", None), ("both", "4"), ("all", None)]
    assert deliveries(engine) == []


def test_files_and_postbacks_are_owed_the_same_events(engine: sa.Engine):
    postback, file = add_profile(engine), add_profile(engine, export_type="csv")
    taken = accept_events(engine, event_document("a"), event_document("b"))
    assert [row.event_key for row in deliveries(engine, profile=postback)] == ["a", "b"]
    assert [(row.event_key, row.profile_id) for row in items(engine)] == [("a", file), ("b", file)]
    assert taken.due


def test_a_row_of_the_ledger_rings_no_bell_of_the_postbacks(engine: sa.Engine):
    add_profile(engine, export_type="csv")
    assert not accept_events(engine, event_document()).due


def test_a_row_is_ready_the_profiles_delay_after_its_acceptance(engine: sa.Engine):
    add_profile(engine, export_type="csv", delay_minutes=90, interval_minutes=10_080)
    accept_events(engine, event_document(occurredAt="2020-01-01T00:00:00Z"))
    (row,) = items(engine)
    assert (row.age, row.run_id, row.skipped, row.forced) == (timedelta(minutes=90), None, None, False)


def test_orders_of_a_test_card_are_skipped_with_the_reason(engine: sa.Engine):
    add_profile(engine, export_type="csv")
    accept_events(engine, event_document("test", testCard=True), event_document("real"))
    assert [(row.event_key, row.skipped) for row in items(engine)] == [("test", "test card"), ("real", None)]


def test_what_is_switched_off_gets_nothing_and_a_paused_profile_does(engine: sa.Engine):
    add_profile(engine, export_type="csv", enabled=False)
    add_profile(engine, export_type="csv", deleted_at=utc_now())
    add_profile(engine, Route(customer_type="new_sale", enabled=False), export_type="csv")
    paused = add_profile(engine, export_type="csv", paused=True)
    accept_events(engine, event_document())
    accept_events(engine, event_document("history"), history_only=True)
    assert [row.profile_id for row in items(engine)] == [paused]


def test_a_repeated_event_and_a_second_back_fill_owe_nothing_twice(engine: sa.Engine):
    profile = add_profile(engine, export_type="csv")
    accept_events(engine, event_document("a"))
    accept_events(engine, event_document("a"), event_document("b"))
    switch_on(engine, profile)
    switch_on(engine, profile)
    assert keys(engine) == ["a", "b"]


def test_intakes_and_back_fills_at_once_owe_each_event_once_and_wait_for_each_other(engine: sa.Engine):
    profile = add_profile(engine, export_type="csv")
    wanted = [unique("at-once") for _ in range(120)]

    def take(number: int) -> None:
        documents = [event_document(key) for key in wanted[number % 3 :: 2]]
        accept_events(engine, *documents)
        if number % 3 == 0:
            switch_on(engine, profile)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(take, range(12)))
    assert sorted(keys(engine)) == sorted(wanted)


def test_events_that_came_by_sql_are_owed_too(engine: sa.Engine):
    add_profile(engine, export_type="csv")
    run(
        engine,
        """INSERT INTO events (event_key, customer_type, order_snapshot)
        VALUES ('stray', 'new_sale', '{"clientOrderId": "B1", "customerId": "1"}'), ('bad', 'nonsense', '{}')""",
    )
    with engine.begin() as connection:
        route_strays(connection, UTC)
    assert keys(engine) == ["stray"]


def test_a_back_fill_takes_the_24_hours_before(engine: sa.Engine):
    profile = add_profile(engine, export_type="csv", enabled=False, delay_minutes=5)
    for key, hours in (("old", 25), ("young", 23)):
        accept_events(engine, event_document(key, occurredAt=(utc_now() - timedelta(hours=hours)).isoformat()))
    switch_on(engine, profile)
    assert [(row.event_key, row.age) for row in items(engine)] == [("young", timedelta(minutes=5))]
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT done FROM jobs")) == 1


def test_a_route_that_was_off_keeps_its_rows_and_takes_up_where_it_was(engine: sa.Engine):
    profile = add_profile(engine, export_type="csv")
    accept_events(engine, event_document("before"))
    run(engine, "UPDATE file_items SET run_id = 7")
    run(engine, "UPDATE routes SET enabled = false")
    accept_events(engine, event_document("meanwhile"))
    run(engine, "UPDATE routes SET enabled = true")
    switch_on(engine, profile)
    assert [(row.event_key, row.run_id) for row in items(engine)] == [("before", 7), ("meanwhile", None)]


# ---- what waits


def test_a_new_delay_holds_for_what_waits_unless_it_is_ready_by_both(engine: sa.Engine):
    profile, other = (add_profile(engine, export_type="csv", delay_minutes=60) for _ in range(2))
    accept_events(engine, *[event_document(key) for key in ("waits", "taken", "skipped", "old")])
    for key, change in (("taken", "run_id = 1"), ("skipped", "skipped = 'order completed'")):
        run(
            engine,
            f"UPDATE file_items SET {change} WHERE event_id = (SELECT id FROM events WHERE event_key = :key)",
            key=key,
        )
    run(engine, "UPDATE events SET accepted_at = accepted_at - interval '9 days' WHERE event_key = 'old'")
    run(
        engine,
        "UPDATE file_items SET ready_at = ready_at - interval '9 days'"
        " WHERE event_id = (SELECT id FROM events WHERE event_key = 'old')",
    )
    with Session(engine) as session, session.begin():
        loaded = session.get_one(Profile, profile)
        loaded.delay_minutes = 5
        retime(session, loaded)
    ages = {(row.profile_id, row.event_key): row.age / timedelta(minutes=1) for row in items(engine)}
    assert [ages[profile, key] for key in ("waits", "taken", "skipped", "old")] == [5, 60, 60, 60]
    assert {ages[other, key] for key in ("waits", "taken", "skipped", "old")} == {60}


def test_a_longer_delay_makes_what_was_ready_wait(engine: sa.Engine):
    profile = add_profile(engine, export_type="csv")
    accept_events(engine, event_document())
    with Session(engine) as session, session.begin():
        loaded = session.get_one(Profile, profile)
        loaded.delay_minutes = 30
        retime(session, loaded)
    assert [row.age for row in items(engine)] == [timedelta(minutes=30)]


def test_the_waiting_rows_are_counted_by_route(engine: sa.Engine):
    profile = add_profile(engine, route("new_sale"), route("partial"), route("lead"), export_type="csv")
    accept_events(engine, *[event_document() for _ in range(4)], event_document(testCard=True))
    accept_events(engine, event_document(customer_type="Partial"))
    run(engine, "UPDATE file_items SET run_id = 1 WHERE id = (SELECT min(id) FROM file_items)")
    with Session(engine) as session:
        loaded = session.get_one(Profile, profile)
        new_sale, partial, lead = (one.id for one in loaded.routes)
        assert ledger.waiting(session, loaded) == {new_sale: 3, partial: 1, lead: 0}


def test_counting_a_million_waiting_rows_stops_early(engine: sa.Engine):
    profile = add_profile(engine, export_type="csv")
    run(
        engine,
        """WITH made AS (INSERT INTO events (event_key, customer_type, order_snapshot, routed_at, refusal)
            SELECT 'e' || n, 'lead', '{}', now(), 'no' FROM generate_series(1, :count) n RETURNING id)
        INSERT INTO file_items (route_id, event_id, ready_at) SELECT (SELECT min(id) FROM routes), id, now() FROM made""",
        count=ledger.MOST_COUNTED + 5,
    )
    with Session(engine) as session:
        loaded = session.get_one(Profile, profile)
        assert list(ledger.waiting(session, loaded).values()) == [ledger.MOST_COUNTED]


@pytest.mark.parametrize(
    ("customer_type", "campaign", "product"),
    [("new_sale", ALL, ALL), ("new_sale", 1, ALL), ("new_sale", ALL, 4), ("new_sale", 1, 4), ("all_refunds", ALL, ALL)],
)
def test_a_new_route_says_beforehand_how_many_rows_its_back_fill_gives(
    engine: sa.Engine, customer_type: str, campaign: Any, product: Any
):
    old = (utc_now() - timedelta(hours=25)).isoformat()
    accept_events(
        engine,
        event_document(campaignId=1, items=[{"productId": 4}, {"productId": 5}]),
        event_document(campaignId=2, items=[{"productId": 4}]),
        event_document(campaignId=1, occurredAt=old),
        event_document(customer_type="Partial refunds"),
        event_document(customer_type="All refunds"),
    )
    accept_events(engine, event_document(), history_only=True)
    profile = add_profile(engine, route(customer_type, campaign, product), export_type="csv", enabled=False)
    since = utc_now() - timedelta(hours=24)
    with Session(engine) as session:
        foretold = ledger.last_day(session, route(customer_type, campaign, product), since=since)
    switch_on(engine, profile)
    assert foretold == len([row for row in items(engine) if not row.skipped]) > 0


def test_nothing_waits_for_a_closed_ledger(engine: sa.Engine):
    profile, other = (add_profile(engine, export_type="csv") for _ in range(2))
    accept_events(engine, event_document("taken"), event_document("test", testCard=True), event_document("waits"))
    run(engine, "UPDATE file_items SET run_id = 1 WHERE event_id = (SELECT id FROM events WHERE event_key = 'taken')")
    with Session(engine) as session, session.begin():
        ledger.close(session, session.get_one(Profile, profile))
    told = [(row.event_key, row.skipped) for row in items(engine) if row.profile_id == profile]
    assert told == [("taken", None), ("test", "test card"), ("waits", "profile deleted")]
    assert [row.skipped for row in items(engine) if row.profile_id == other] == [None, "test card", None]
