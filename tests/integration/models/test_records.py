"""The CRM's records: customers, orders, campaigns and products as events bring them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from tests.factories import accept_events, event_document

EARLY, LATE = "2026-11-22T10:00:00Z", "2026-11-23T10:00:00Z"


def rows(engine: sa.Engine, statement: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement))]


def owners(engine: sa.Engine) -> dict[str, str]:
    """Whose each event is."""
    return {str(key): str(owner) for key, owner in rows(engine, "SELECT event_key, customer_id FROM events")}


def nameless(event_id: str, **fields: Any) -> dict[str, Any]:
    return event_document(event_id, customerId=None, **({"emailAddress": None} | fields))


# Campaigns and products


def test_campaigns_and_products_are_named_by_the_first_event_and_renamed_by_a_later_one(engine: sa.Engine):
    item = {"productId": 4, "name": "Widget", "sku": "W-1"}
    accept_events(engine, event_document(campaignId=1, campaignName="Lander", items=[item]))
    assert rows(engine, "SELECT campaign_id, name FROM campaigns") == [("1", "Lander")]
    assert rows(engine, "SELECT product_id, name, sku FROM products") == [("4", "Widget", "W-1")]
    accept_events(engine, event_document(campaignId="1", campaignName="New", items=[{"productId": "4", "name": "Wid"}]))
    assert rows(engine, "SELECT campaign_id, name FROM campaigns") == [("1", "New")]
    assert rows(engine, "SELECT product_id, name, sku FROM products") == [("4", "Wid", "W-1")]


def test_an_event_without_a_name_takes_none_away(engine: sa.Engine):
    accept_events(engine, event_document(campaignId=1), event_document(campaignId=1, campaignName="Lander"))
    accept_events(engine, event_document(campaignId=1), event_document(campaignId=1, campaignName=""))
    assert rows(engine, "SELECT campaign_id, name FROM campaigns") == [("1", "Lander")]


def test_within_a_batch_the_last_name_wins(engine: sa.Engine):
    accept_events(
        engine,
        event_document(campaignId=1, campaignName="One", items=[{"productId": 4, "name": "A", "sku": "S"}]),
        event_document(campaignId=1, campaignName="Two", items=[{"productId": 4, "name": "B"}, {"productId": 5}]),
    )
    assert rows(engine, "SELECT name FROM campaigns") == [("Two",)]
    assert rows(engine, "SELECT product_id, name, sku FROM products ORDER BY 1") == [("4", "B", "S"), ("5", None, None)]


# Customers


def test_a_customer_is_kept_by_its_number(engine: sa.Engine):
    accept_events(engine, event_document(customerId=77, firstName="Jane", lastName="Doe", phoneNumber="(650) 555-1212"))
    assert rows(engine, "SELECT customer_id, email, phone, phone_digits, first_name, last_name FROM customers") == [
        ("77", "jane@example.com", "(650) 555-1212", "6505551212", "Jane", "Doe")
    ]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_later_event_wins_and_an_older_one_only_fills_what_is_empty(engine: sa.Engine, at_once: bool):
    documents = [
        event_document("late", occurredAt=LATE, firstName="Joan", emailAddress=None),
        event_document("early", occurredAt=EARLY, firstName="Jane", lastName="Doe", emailAddress="old@example.com"),
    ]
    for batch in [documents] if at_once else [[document] for document in documents]:
        accept_events(engine, *batch)
    assert rows(engine, "SELECT first_name, last_name, email, last_seen_at::text FROM customers") == [
        ("Joan", "Doe", "old@example.com", "2026-11-23 10:00:00+00")
    ]


def test_an_empty_value_takes_nothing_away(engine: sa.Engine):
    accept_events(engine, event_document(firstName="Jane"), event_document(firstName="", emailAddress=""))
    assert rows(engine, "SELECT first_name, email FROM customers") == [("Jane", "jane@example.com")]


def test_without_a_number_a_customer_is_found_by_e_mail_in_any_case(engine: sa.Engine):
    accept_events(engine, event_document("a", customerId=77, emailAddress="Jane@Example.com"))
    accept_events(engine, nameless("b", emailAddress="jane@example.COM "))
    assert owners(engine) == {"a": "77", "b": "77"}


@pytest.mark.parametrize("email", ["İSTANBUL@example.com", "ΣΊΣΥΦΟΣ@example.com", "STRAẞE@example.com"])
def test_e_mails_beyond_ascii_are_found_again(engine: sa.Engine, email: str):
    accept_events(engine, nameless("a", emailAddress=email))
    accept_events(engine, nameless("b", emailAddress=email), nameless("c", emailAddress=email))
    assert set(owners(engine).values()) == {"w-1"}


@pytest.mark.parametrize("at_once", [True, False])
def test_of_several_with_one_e_mail_the_one_seen_last_is_taken(engine: sa.Engine, at_once: bool):
    documents = [
        event_document("a", customerId=1, occurredAt=LATE),
        event_document("b", customerId=2, occurredAt=EARLY),
        nameless("c", emailAddress="jane@example.com"),
    ]
    for batch in [documents] if at_once else [[document] for document in documents]:
        accept_events(engine, *batch)
    assert owners(engine)["c"] == "1"


def test_a_customer_of_the_same_batch_is_found_wherever_it_stands(engine: sa.Engine):
    accept_events(engine, nameless("a", emailAddress="jane@example.com"), event_document("b", customerId=77))
    assert owners(engine) == {"a": "77", "b": "77"}


def test_without_an_e_mail_a_customer_is_found_by_the_digits_of_the_phone(engine: sa.Engine):
    accept_events(engine, event_document("a", customerId=77, phoneNumber="(650) 555-1212"))
    accept_events(
        engine,
        nameless("b", phoneNumber="650.555.1212"),
        nameless("c", emailAddress="other@example.com", phoneNumber="6505551212"),
    )
    assert owners(engine) == {"a": "77", "b": "77", "c": "77"}


def test_the_e_mail_counts_before_the_phone(engine: sa.Engine):
    accept_events(
        engine,
        event_document("a", customerId=1, emailAddress="one@example.com", phoneNumber="1"),
        event_document("b", customerId=2, emailAddress="two@example.com", phoneNumber="2"),
    )
    accept_events(engine, nameless("c", emailAddress="two@example.com", phoneNumber="1"))
    assert owners(engine)["c"] == "2"


def test_a_new_person_gets_a_number_of_our_own(engine: sa.Engine):
    accept_events(
        engine,
        nameless("a", emailAddress="a@example.com"),
        nameless("b", emailAddress="A@example.com", phoneNumber="5"),
        nameless("c", phoneNumber="5"),
        nameless("d"),
        nameless("e", phoneNumber="none"),
    )
    found = owners(engine)
    assert found["a"] == found["b"] == found["c"] == "w-1"
    assert found["d"] == "w-2"
    assert found["e"] == "w-3"
    assert len(rows(engine, "SELECT FROM customers")) == 3


def test_batches_at_once_with_the_same_unknown_people_make_each_once(engine: sa.Engine):
    def produce(name: str) -> None:
        people = [nameless(f"{name}{number}", emailAddress=f"{number}@example.com") for number in range(50)]
        for start in range(0, 50, 10):
            accept_events(engine, *people[start : start + 10])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(produce, "abcdef"))
    assert len(rows(engine, "SELECT FROM customers")) == 50
    assert len(rows(engine, "SELECT FROM events")) == 300


# Orders


def test_an_order_is_kept_by_its_text_id(engine: sa.Engine):
    accept_events(
        engine,
        event_document(
            None, "Partial", clientOrderId="B1", orderId=9, campaignId=1, orderTotal="199.00", currencyCode="USD"
        ),
    )
    assert rows(
        engine,
        "SELECT order_key, order_id, customer_id, campaign_id, order_total, currency_code, test_card, completed_at"
        " FROM orders",
    ) == [("B1", "9", "77", "1", "199.00", "USD", False, None)]


@pytest.mark.parametrize(
    ("kind", "status", "completes"),
    [
        ("New Sale", None, True),
        ("Upsell", None, True),
        ("Subscription Started", None, True),
        ("Capture", None, True),
        ("QA Pending", None, True),
        ("COD Pending", None, True),
        ("Partial", "COMPLETE", True),
        ("Partial", "PARTIAL", False),
        ("Decline", "DECLINED", False),
    ],
)
def test_an_order_is_complete_once_an_event_says_so(engine: sa.Engine, kind: str, status: str | None, completes: bool):
    accept_events(engine, event_document(None, kind, clientOrderId="B1", orderStatus=status))
    assert rows(engine, "SELECT completed_at IS NOT NULL FROM orders") == [(completes,)]


def test_a_complete_order_and_a_test_order_stay_so(engine: sa.Engine):
    accept_events(engine, event_document(None, "New Sale", clientOrderId="B1", testCard=True))
    (completed,) = rows(engine, "SELECT completed_at FROM orders")
    accept_events(engine, event_document(None, "Partial", clientOrderId="B1"))
    assert rows(engine, "SELECT completed_at, test_card FROM orders") == [(completed[0], True)]


@pytest.mark.parametrize("at_once", [True, False])
def test_an_older_event_does_not_turn_an_order_back(engine: sa.Engine, at_once: bool):
    documents = [
        event_document("late", occurredAt=LATE, clientOrderId="B1", orderStatus="REFUNDED"),
        event_document("early", occurredAt=EARLY, clientOrderId="B1", orderStatus="COMPLETE", currencyCode="USD"),
    ]
    for batch in [documents] if at_once else [[document] for document in documents]:
        accept_events(engine, *batch)
    assert rows(engine, "SELECT order_status, currency_code, last_event_at::text FROM orders") == [
        ("REFUNDED", "USD", "2026-11-23 10:00:00+00")
    ]


def test_an_event_without_an_order_makes_none(engine: sa.Engine):
    accept_events(engine, event_document(None, "Lead", clientOrderId=None))
    assert rows(engine, "SELECT FROM orders") == []
    assert rows(engine, "SELECT order_key FROM events") == [(None,)]
