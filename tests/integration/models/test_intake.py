"""The intake: what is taken, what is a repeat, and what stands in the tables afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.intake import Refused, accept
from models.rules.bodies import read_body
from models.rules.event_document import EventFault, decode
from tests import factories
from tests.factories import accept_events, add_profile, deliveries, event_document, order_document

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)


def one(engine: sa.Engine, statement: str, **values: Any) -> Any:
    with engine.connect() as connection:
        return connection.execute(sa.text(statement), values).one()


def together(*works: Callable[[], Any]) -> list[Any]:
    """Run these at once and give their results. A deadlock is an error like any other."""
    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result(timeout=30) for future in [pool.submit(work) for work in works]]


def test_an_accepted_event_owes_a_delivery_to_each_matching_profile(engine: sa.Engine):
    first, second = add_profile(engine), add_profile(engine)
    taken = accept_events(engine, event_document("ev-1"))
    assert (taken.accepted, taken.duplicates, taken.errors, taken.due) == (1, 0, [], True)
    assert [(row.profile_id, row.event_key, row.state) for row in deliveries(engine)] == [
        (first, "ev-1", "pending"),
        (second, "ev-1", "pending"),
    ]


def test_without_a_delivery_that_is_due_nobody_needs_a_ring(engine: sa.Engine):
    assert not accept_events(engine, event_document()).due
    add_profile(engine, interval_minutes=0, delay_minutes=5)
    assert not accept_events(engine, event_document()).due


def test_bad_events_are_told_by_index_and_the_good_ones_are_taken(engine: sa.Engine):
    documents = [event_document("a"), {"eventId": "b"}, EventFault("", "the line is not JSON"), event_document("c")]
    taken = accept_events(engine, *documents, first_index=1000)
    assert taken.accepted == 2
    assert taken.errors == [
        Refused(1001, "customerType", "is required, for example New Sale"),
        Refused(1002, "", "the line is not JSON"),
    ]
    assert one(engine, "SELECT array_agg(event_key ORDER BY id) FROM events")[0] == ["a", "c"]


def test_a_batch_of_bad_events_only_changes_nothing(engine: sa.Engine):
    assert accept_events(engine, 5, None, {}).accepted == 0
    assert one(engine, "SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM customers)")[0] == 0


def test_a_repeat_within_a_batch_is_a_duplicate_and_the_first_stays(engine: sa.Engine):
    add_profile(engine)
    taken = accept_events(engine, event_document("a", firstName="Jane"), event_document("a", firstName="Joan"))
    assert (taken.accepted, taken.duplicates) == (1, 1)
    assert one(engine, "SELECT order_snapshot ->> 'firstName' FROM events")[0] == "Jane"
    assert len(deliveries(engine)) == 1


def test_a_repeat_in_a_later_batch_changes_nothing_not_even_with_other_content(engine: sa.Engine):
    add_profile(engine)
    accept_events(engine, event_document("a", "Partial", clientOrderId="B1", campaignName="One", campaignId=1))
    again = event_document("a", "New Sale", clientOrderId="B1", campaignId=1, campaignName="Two", firstName="Joan")
    taken = accept_events(engine, again, event_document("b"))
    assert (taken.accepted, taken.duplicates) == (1, 1)
    assert one(engine, "SELECT customer_type FROM events WHERE event_key = 'a'")[0] == "partial"
    assert one(engine, "SELECT completed_at FROM orders WHERE order_key = 'B1'")[0] is None
    assert one(engine, "SELECT name FROM campaigns")[0] == "One"
    assert [row.event_key for row in deliveries(engine)] == ["b"]


def test_a_good_event_after_a_bad_one_of_the_same_id_is_taken(engine: sa.Engine):
    taken = accept_events(engine, event_document("a", "Nonsense"), event_document("a"))
    assert (taken.accepted, taken.duplicates, len(taken.errors)) == (1, 0, 1)


def test_batches_of_the_same_events_at_once_take_each_event_once(engine: sa.Engine):
    profile = add_profile(engine)
    documents = [
        event_document(f"same-{number}", customerId=number % 7, campaignId=number % 5) for number in range(200)
    ]
    shuffled = [documents[::-1], documents, documents[100:] + documents[:100], documents[::2] + documents[1::2]]
    taken = together(*[lambda batch=batch: accept_events(engine, *batch) for batch in shuffled])
    assert sum(one.accepted for one in taken) == 200
    assert sum(one.duplicates for one in taken) == 600
    assert len({row.event_id for row in deliveries(engine, profile=profile)}) == len(deliveries(engine)) == 200


def test_batches_that_name_and_find_the_same_customers_do_not_deadlock(engine: sa.Engine):
    """One batch numbers a customer that the other one finds by e-mail, and the other way round."""
    people = range(40)
    accept_events(engine, *[event_document(customerId=who, emailAddress=f"{who}@example.com") for who in people])

    def batch(numbered: range) -> list[dict[str, Any]]:
        return [
            event_document(customerId=who if who in numbered else None, emailAddress=f"{who}@example.com")
            for who in people
        ]

    def run(numbered: range) -> int:
        return sum(accept_events(engine, *batch(numbered)).accepted for _ in range(15))

    assert together(lambda: run(range(20)), lambda: run(range(20, 40)), lambda: run(range(0, 40, 2))) == [600] * 3
    assert one(engine, "SELECT count(*) FROM customers")[0] == 40


def test_many_new_people_at_once_do_not_exhaust_the_locks_of_the_server(engine: sa.Engine):
    def run(name: str) -> int:
        people = [
            event_document(
                customerId=None, emailAddress=f"{name}{number}@example.com", phoneNumber=f"{number}{ord(name)}"
            )
            for number in range(1000)
        ]
        return accept_events(engine, *people).accepted

    assert together(*[lambda name=name: run(name) for name in "abcdefgh"]) == [1000] * 8


def test_exact_decimals_are_kept_in_the_snapshot(engine: sa.Engine):
    text = (
        '{"eventId":"a","customerType":"lead","order":{"text":"199.00","two":199.00,"exp":1E+2,'
        '"long":1234567890123456789012345,"small":0.10000000000000000001,"most":1e100}}'
    )
    assert accept_events(engine, decode(text)).accepted == 1
    row = one(
        engine,
        "SELECT s ->> 'text', s ->> 'two', s ->> 'exp', s ->> 'long', s ->> 'small', s ->> 'most'"
        " FROM (SELECT order_snapshot AS s FROM events) AS e",
    )
    assert tuple(row)[:5] == ("199.00", "199.00", "100", "1234567890123456789012345", "0.10000000000000000001")
    assert row[5] == "1" + "0" * 100


@pytest.mark.parametrize("number", ["1e400", "1e200000", "-1e999999999999", "1e-20000"])
def test_a_number_that_postgres_could_not_keep_is_its_own_events_fault(engine: sa.Engine, number: str):
    body = (
        f'{{"eventId":"a","customerType":"lead","order":{{"n":{number}}}}}\n'
        '{"eventId":"b","customerType":"lead","order":{}}'
    )
    taken = accept_events(engine, *read_body(body.encode(), lines=True))
    assert taken.accepted == 1
    assert taken.errors == [Refused(0, "order.n", "is a number of more than 100 digits")]


@pytest.mark.parametrize(
    "odd", ["a\x01\x1b[31m\x7fb", "💣" * 200, "x" * 200, "\u202eabc", "a'b\"c\\d", "{1,2}", "NULL"]
)
def test_odd_ids_break_nothing(engine: sa.Engine, odd: str):
    profile = add_profile(engine, factories.route("new_sale", odd, odd))
    document = event_document(
        odd,
        clientOrderId=odd,
        customerId=odd,
        campaignId=odd,
        campaignName=odd,
        items=[{"productId": odd, "name": odd}],
    )
    assert accept_events(engine, document).accepted == 1
    row = one(engine, "SELECT event_key, order_key, customer_id, campaign_id, product_ids FROM events")
    assert tuple(row) == (odd, odd, odd, odd, [odd])
    assert [row.profile_id for row in deliveries(engine)] == [profile]


def test_very_long_texts_break_nothing(engine: sa.Engine):
    long = "".join(chr(0x4E00 + number * 37 % 20_000) for number in range(10_000))
    document = event_document(
        customerId=None,
        emailAddress=long,
        phoneNumber=long,
        firstName=long,
        orderStatus=long,
        campaignId=1,
        campaignName=long,
    )
    assert accept_events(engine, document).accepted == 1


def test_an_odd_event_never_breaks_its_batch(engine: sa.Engine):
    texts = st.text() | st.sampled_from(["New Sale", "\x00", "\ud800", "2026-11-23", "0" * 16])
    values = texts | st.integers() | st.floats() | st.none() | st.booleans() | st.lists(texts, max_size=2)
    keys = st.sampled_from(
        [*order_document(), "campaignId", "campaignName", "phoneNumber", "orderTotal", "orderStatus"]
    )
    items = st.lists(st.dictionaries(st.sampled_from(["productId", "name", "sku"]), values), max_size=3)
    orders = st.builds(lambda order, items: order | {"items": items}, st.dictionaries(keys, values), items)

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(orders, min_size=1, max_size=4), texts)
    def check(orders: list[dict[str, Any]], key: str) -> None:
        documents = [
            event_document(f"{key}{number}"[-200:], "lead", order=order) for number, order in enumerate(orders)
        ]
        with engine.connect() as connection:
            taken = accept(connection, documents, now=NOW, zone=factories.UTC)
            assert taken.accepted + taken.duplicates + len(taken.errors) == len(documents)
            connection.rollback()

    check()


def test_history_only_events_are_stored_without_deliveries(engine: sa.Engine):
    add_profile(engine)
    taken = accept_events(engine, event_document("a", clientOrderId="B1"), history_only=True)
    assert (taken.accepted, taken.due) == (1, False)
    assert deliveries(engine) == []
    assert one(engine, "SELECT history_only, routed_at IS NOT NULL FROM events") == (True, True)
    assert one(engine, "SELECT completed_at IS NOT NULL FROM orders")[0]


def test_a_test_card_is_stored_and_its_deliveries_are_skipped(engine: sa.Engine):
    first, second = add_profile(engine), add_profile(engine)
    taken = accept_events(engine, event_document("a", testCard=True))
    assert (taken.accepted, taken.due) == (1, False)
    assert [(row.profile_id, row.state, row.reason) for row in deliveries(engine)] == [
        (first, "skipped", "test card"),
        (second, "skipped", "test card"),
    ]
    assert all(row.finished_at is not None for row in deliveries(engine))


def test_a_test_card_marks_the_order_later_events_included(engine: sa.Engine):
    add_profile(engine)
    accept_events(engine, event_document("a", "Partial", clientOrderId="B1", cardBin="000000", cardLast4="0000"))
    accept_events(engine, event_document("b", clientOrderId="B1"), event_document("c", clientOrderId="B2"))
    assert [(row.event_key, row.state) for row in deliveries(engine)] == [("b", "skipped"), ("c", "pending")]


def test_a_test_card_marks_the_events_before_it_in_the_same_batch(engine: sa.Engine):
    add_profile(engine)
    accept_events(
        engine, event_document("a", clientOrderId="B1"), event_document("b", clientOrderId="B1", testCard=True)
    )
    assert {row.state for row in deliveries(engine)} == {"skipped"}


def test_a_rolled_back_batch_leaves_nothing(engine: sa.Engine):
    add_profile(engine)
    with engine.connect() as connection:
        accept(connection, [event_document("a")], now=NOW, zone=factories.UTC)
        connection.rollback()
    assert deliveries(engine) == []
    assert accept_events(engine, event_document("a")).accepted == 1


def test_a_batch_waits_for_a_switch_under_way(engine: sa.Engine):
    began, done = threading.Event(), threading.Event()

    def produce() -> None:
        began.set()
        accept_events(engine, event_document("a"))
        done.set()

    with engine.connect() as switch:
        switch.execute(sa.text("SELECT pg_advisory_xact_lock(5714011)"))
        producer = threading.Thread(target=produce)
        producer.start()
        began.wait()
        assert not done.wait(0.3)
        switch.rollback()
        assert done.wait(5)
        producer.join()
