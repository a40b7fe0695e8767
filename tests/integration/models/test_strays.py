"""Events that another program inserts by plain SQL: taken up by the same rules as any other event."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from models.strays import MOST, route_strays
from tests.factories import UTC, accept_events, add_profile, deliveries, event_document, order_document, route

VISA = "4111111111111111"


def insert(engine: sa.Engine, key: str, customer_type: str = "new_sale", snapshot: Any = None, **more: Any) -> None:
    """What another program does: the three columns it must give, and more if told."""
    order = order_document() if snapshot is None else snapshot
    values = {
        "event_key": key,
        "customer_type": customer_type,
        "order_snapshot": order if isinstance(order, str) else json.dumps(order),
        **more,
    }
    names = ", ".join(values)
    places = ", ".join(f":{name}" for name in values)
    with engine.begin() as connection:
        connection.execute(sa.text(f"INSERT INTO events ({names}) VALUES ({places})"), values)


def tick(engine: sa.Engine, *card_exempt: str) -> tuple[int, bool]:
    with engine.begin() as connection:
        return route_strays(connection, UTC, card_exempt)


def stored(engine: sa.Engine, key: str) -> Any:
    with engine.connect() as connection:
        return connection.execute(sa.text("SELECT * FROM events WHERE event_key = :key"), {"key": key}).one()


def test_a_row_of_three_columns_is_an_event_like_any_other(engine: sa.Engine):
    profile = add_profile(engine, route("new_sale", 1, 4))
    insert(
        engine,
        "a",
        snapshot=order_document(clientOrderId="B1", campaignId=1, campaignName="Lander", items=[{"productId": 4}]),
    )
    assert tick(engine) == (1, True)
    assert [(row.profile_id, row.event_key, row.state) for row in deliveries(engine)] == [(profile, "a", "pending")]
    event = stored(engine, "a")
    assert (event.order_key, event.customer_id, event.campaign_id, event.product_ids) == ("B1", "77", "1", ["4"])
    assert event.routed_at is not None
    assert event.refusal is None
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT completed_at IS NOT NULL FROM orders WHERE order_key = 'B1'"))
        assert connection.scalar(sa.text("SELECT name FROM campaigns WHERE campaign_id = '1'")) == "Lander"
    assert tick(engine) == (0, False)


def test_a_label_stands_for_its_slug(engine: sa.Engine):
    add_profile(engine, route("fulfillment_delivered"))
    insert(engine, "a", "Fulfillment delivered")
    tick(engine)
    assert stored(engine, "a").customer_type == "fulfillment_delivered"
    assert len(deliveries(engine)) == 1


def test_a_test_card_and_an_import_without_exports_are_respected(engine: sa.Engine):
    add_profile(engine)
    insert(engine, "test", test_card=True)
    insert(engine, "card", snapshot=order_document(cardBin="000000", cardLast4="0000"))
    insert(engine, "history", history_only=True)
    tick(engine)
    assert [(row.event_key, row.state) for row in deliveries(engine)] == [("test", "skipped"), ("card", "skipped")]


def test_an_event_that_was_inserted_is_a_duplicate_for_the_intake(engine: sa.Engine):
    add_profile(engine)
    insert(engine, "a")
    assert accept_events(engine, event_document("a")).duplicates == 1
    tick(engine)
    assert len(deliveries(engine)) == 1


def test_exact_decimals_stay_exact(engine: sa.Engine):
    insert(engine, "a", snapshot='{"clientOrderId": "B1", "orderTotal": 199.00, "n": 1234567890123456789012345}')
    tick(engine)
    with engine.connect() as connection:
        text = connection.scalar(sa.text("SELECT order_snapshot::text FROM events"))
    assert text == '{"n": 1234567890123456789012345, "orderTotal": 199.00, "clientOrderId": "B1"}'


@pytest.mark.parametrize(
    ("customer_type", "snapshot", "refusal"),
    [
        ("nonsense", None, 'customerType: "nonsense" is not a customer type.'),
        ("new_sale", {}, "order.clientOrderId: is required for New Sale: clientOrderId, or else orderId"),
        ("new_sale", {"clientOrderId": "x" * 201}, "order.clientOrderId: may have at most 200 characters"),
        ("lead", '{"n": 1e500}', "order.n: is a number of more than 100 digits"),
        ("lead", '{"a":' + "[" * 30 + "]" * 30 + "}", "order: is nested deeper than 20 levels"),
        ("lead", '{"a":' + "[" * 3000 + "]" * 3000 + "}", "order: is nested too deeply"),
    ],
)
def test_what_the_intake_would_refuse_is_refused_with_the_reason_and_holds_nobody_up(
    engine: sa.Engine, customer_type: str, snapshot: Any, refusal: str
):
    add_profile(engine)
    insert(engine, "bad", customer_type, snapshot)
    insert(engine, "good")
    assert tick(engine) == (2, True)
    assert stored(engine, "bad").refusal == refusal
    assert stored(engine, "bad").routed_at is not None
    assert [row.event_key for row in deliveries(engine)] == ["good"]
    assert tick(engine) == (0, False)


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "0044-03-15 BC", "12026-01-01"])
def test_a_time_that_no_program_can_hold_is_refused_and_holds_nobody_up(engine: sa.Engine, moment: str):
    add_profile(engine)
    insert(engine, "bad", occurred_at=moment)
    insert(engine, "good")
    assert tick(engine) == (2, True)
    assert stored(engine, "bad").refusal == "occurredAt: must be between the years 1 and 9999"
    assert [row.event_key for row in deliveries(engine)] == ["good"]


@pytest.mark.parametrize(
    ("customer_type", "snapshot"),
    [
        ("new_sale", {"clientOrderId": "B1", "agentNote": VISA}),
        ("new_sale", {"clientOrderId": "B1", "cvv": "123", "x": VISA}),
        ("nonsense", {"clientOrderId": "B1", "agentNote": f"card {VISA}"}),
        ("new_sale", {"agentNote": VISA}),
    ],
)
def test_card_data_is_wiped_whatever_else_is_wrong(engine: sa.Engine, customer_type: str, snapshot: Any):
    insert(engine, "bad", customer_type, snapshot)
    tick(engine)
    event = stored(engine, "bad")
    assert event.refusal
    assert event.order_snapshot == {}
    assert VISA not in str(tuple(event))


def test_a_card_number_as_the_key_is_wiped_too(engine: sa.Engine):
    insert(engine, VISA)
    tick(engine)
    with engine.connect() as connection:
        event = connection.execute(sa.text("SELECT * FROM events")).one()
    assert event.event_key == f"refused-{event.id}"
    assert VISA not in str(tuple(event))


def test_what_is_never_stored_is_dropped_from_the_snapshot(engine: sa.Engine):
    insert(
        engine,
        "a",
        snapshot=order_document(
            clientOrderId="B1", cardNumber="0000000000000000", cardMonth="09", cavv="x", city="Troy"
        ),
    )
    tick(engine)
    event = stored(engine, "a")
    assert event.test_card
    assert set(event.order_snapshot) == {"clientOrderId", "customerId", "firstName", "emailAddress", "city"}


def test_strays_are_taken_a_thousand_at_a_time(engine: sa.Engine):
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO events (event_key, customer_type, order_snapshot)"
                " SELECT 'e' || n, 'lead', '{}' FROM generate_series(1, :count) n"
            ),
            {"count": MOST + 5},
        )
    assert [tick(engine)[0] for _ in range(3)] == [MOST, 5, 0]


def test_two_ticks_at_once_route_each_stray_once(engine: sa.Engine):
    add_profile(engine, route("lead"))
    for number in range(300):
        insert(engine, f"e{number}", "lead", {"emailAddress": f"{number % 10}@example.com"})
    start = threading.Barrier(3)

    def work() -> int:
        start.wait()
        return tick(engine)[0]

    with ThreadPoolExecutor(3) as pool:
        taken = [future.result() for future in [pool.submit(work) for _ in range(3)]]
    assert sum(taken) == 300
    assert len({row.event_id for row in deliveries(engine)}) == len(deliveries(engine)) == 300
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM customers")) == 10


def test_a_tick_that_dies_leaves_its_strays_to_the_next_one(engine: sa.Engine):
    add_profile(engine)
    insert(engine, "a")
    with engine.connect() as connection:
        assert route_strays(connection, UTC)[0] == 1
        connection.rollback()
    assert deliveries(engine) == []
    assert tick(engine)[0] == 1
    assert len(deliveries(engine)) == 1


def test_a_field_that_may_look_like_a_card_is_taken_and_kept(engine: sa.Engine):
    insert(engine, "a", snapshot=order_document(trackingNumber=VISA))
    insert(engine, "b", snapshot=order_document(trackingNumber=VISA, agentNote=VISA))
    tick(engine, "trackingNumber")
    assert stored(engine, "a").refusal is None
    assert stored(engine, "a").order_snapshot["trackingNumber"] == VISA
    assert stored(engine, "b").refusal
    assert stored(engine, "b").order_snapshot == {}


def test_what_is_refused_for_another_fault_keeps_its_exempted_field(engine: sa.Engine):
    insert(engine, "a", "no such type", order_document(trackingNumber=VISA))
    tick(engine, "trackingNumber")
    assert stored(engine, "a").refusal
    assert stored(engine, "a").order_snapshot["trackingNumber"] == VISA
