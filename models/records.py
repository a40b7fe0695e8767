"""The CRM's records, upserted from events: campaigns, products, customers, orders, each by one statement a batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from models.rules.event_document import NewEvent

_JSON = msgspec.json.Encoder()

# Rows that would not change are left alone: an upsert that changes nothing still locks and dirties its row.
NAME_CAMPAIGNS = sa.text(
    """/* records: campaigns seen for the first time, or named anew */
    INSERT INTO campaigns AS c (campaign_id, name)
    SELECT n.id, n.name FROM unnest(CAST(:ids AS text[]), CAST(:names AS text[])) AS n (id, name)
    WHERE NOT EXISTS (SELECT FROM campaigns k WHERE k.campaign_id = n.id
        AND (n.name IS NULL OR k.name IS NOT DISTINCT FROM n.name))
    ORDER BY n.id
    ON CONFLICT (campaign_id) DO UPDATE SET name = coalesce(excluded.name, c.name)"""
)

NAME_PRODUCTS = sa.text(
    """/* records: products seen for the first time, or named anew */
    INSERT INTO products AS p (product_id, name, sku)
    SELECT n.id, n.name, n.sku
    FROM unnest(CAST(:ids AS text[]), CAST(:names AS text[]), CAST(:skus AS text[])) AS n (id, name, sku)
    WHERE NOT EXISTS (SELECT FROM products k WHERE k.product_id = n.id
        AND (n.name IS NULL OR k.name IS NOT DISTINCT FROM n.name)
        AND (n.sku IS NULL OR k.sku IS NOT DISTINCT FROM n.sku))
    ORDER BY n.id
    ON CONFLICT (product_id) DO UPDATE SET name = coalesce(excluded.name, p.name), sku = coalesce(excluded.sku, p.sku)"""
)

UPSERT_CUSTOMERS = sa.text(
    """/* records: customers; an older event never overwrites what a later one said */
    INSERT INTO customers AS c (customer_id, email, phone, phone_digits, first_name, last_name, last_seen_at)
    SELECT n.customer_id, n.email, n.phone, n.phone_digits, n.first_name, n.last_name, n.seen
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS n (customer_id text, email text, phone text, phone_digits text,
        first_name text, last_name text, seen timestamptz)
    ORDER BY n.customer_id
    ON CONFLICT (customer_id) DO UPDATE SET
        email = coalesce(excluded.email, c.email),
        phone = coalesce(excluded.phone, c.phone),
        phone_digits = coalesce(excluded.phone_digits, c.phone_digits),
        first_name = coalesce(excluded.first_name, c.first_name),
        last_name = coalesce(excluded.last_name, c.last_name),
        last_seen_at = excluded.last_seen_at
    WHERE excluded.last_seen_at >= c.last_seen_at"""
)

UPSERT_ORDERS = sa.text(
    """/* records: orders; what once was a test or complete stays so */
    INSERT INTO orders AS o (order_key, order_id, customer_id, campaign_id, order_status, order_total, currency_code,
        test_card, completed_at, last_event_at)
    SELECT n.order_key, n.order_id, n.customer_id, n.campaign_id, n.order_status, n.order_total, n.currency_code,
        n.test_card, CASE WHEN n.completes THEN now() END, n.seen
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS n (order_key text, order_id text, customer_id text,
        campaign_id text, order_status text, order_total text, currency_code text, test_card boolean,
        completes boolean, seen timestamptz)
    ORDER BY n.order_key
    ON CONFLICT (order_key) DO UPDATE SET
        order_id = coalesce(excluded.order_id, o.order_id),
        customer_id = excluded.customer_id,
        campaign_id = coalesce(excluded.campaign_id, o.campaign_id),
        order_status = coalesce(excluded.order_status, o.order_status),
        order_total = coalesce(excluded.order_total, o.order_total),
        currency_code = coalesce(excluded.currency_code, o.currency_code),
        test_card = o.test_card OR excluded.test_card,
        completed_at = coalesce(o.completed_at, excluded.completed_at),
        last_event_at = greatest(o.last_event_at, excluded.last_event_at)
    RETURNING order_key, test_card"""
)

LOCK_PEOPLE = sa.text(
    """/* records: two batches must not both invent a number for one person */
    SELECT pg_advisory_xact_lock(5714012, k) FROM (SELECT DISTINCT hashtext(p) AS k FROM unnest(CAST(:people AS text[]))
        AS p ORDER BY 1) AS keys"""
)

FIND_BY_EMAIL = sa.text(
    """/* records: the customer seen last with an e-mail address */
    SELECT DISTINCT ON (lower(email)) lower(email) AS person, customer_id FROM customers
    WHERE lower(email) = ANY(CAST(:people AS text[])) ORDER BY lower(email), last_seen_at DESC"""
)

FIND_BY_PHONE = sa.text(
    """/* records: the customer seen last with a phone number */
    SELECT DISTINCT ON (phone_digits) phone_digits AS person, customer_id FROM customers
    WHERE phone_digits = ANY(CAST(:people AS text[])) ORDER BY phone_digits, last_seen_at DESC"""
)

NEW_NUMBERS = sa.text("SELECT 'w-' || nextval('customer_numbers') FROM generate_series(1, :count)")


@dataclass(frozen=True, slots=True)
class Record:
    """What an event's records say: whose it is, and whether its order was paid with a test card."""

    customer_id: str
    test_card: bool


def upsert_records(connection: sa.Connection, events: Sequence[NewEvent]) -> list[Record]:
    """Upsert the records of these events. Returns one Record for each event, in their order."""
    _name_campaigns(connection, events)
    _name_products(connection, events)
    customer_ids = _customers(connection, events)
    test_orders = _orders(connection, events, customer_ids)
    return [
        Record(customer_id, event.test_card or event.order_key in test_orders)
        for event, customer_id in zip(events, customer_ids, strict=True)
    ]


def as_json(rows: Sequence[dict[str, Any]]) -> str:
    """Write rows for jsonb_to_recordset: one parameter, which psycopg sends as it is."""
    return _JSON.encode(rows).decode()


def _name_campaigns(connection: sa.Connection, events: Iterable[NewEvent]) -> None:
    names: dict[str, str | None] = {}
    for event in events:
        if event.campaign_id is not None:
            names[event.campaign_id] = event.campaign_name or names.get(event.campaign_id)
    if names:
        connection.execute(NAME_CAMPAIGNS, {"ids": list(names), "names": list(names.values())})


def _name_products(connection: sa.Connection, events: Iterable[NewEvent]) -> None:
    found: dict[str, tuple[str | None, str | None]] = {}
    for event in events:
        for product_id, (name, sku) in event.products.items():
            known_name, known_sku = found.get(product_id, (None, None))
            found[product_id] = (name or known_name, sku or known_sku)
    if found:
        names, skus = zip(*found.values(), strict=True)
        connection.execute(NAME_PRODUCTS, {"ids": list(found), "names": list(names), "skus": list(skus)})


def _customers(connection: sa.Connection, events: Sequence[NewEvent]) -> list[str]:
    """Upsert the customers. Those with a number come first, so that the nameless of the same batch find them."""
    _upsert_customers(connection, [(event, event.customer_id) for event in events if event.customer_id is not None])
    nameless = [event for event in events if event.customer_id is None]
    found = _find_people(connection, nameless) if nameless else {}
    _upsert_customers(connection, [(event, found[event.event_key]) for event in nameless])
    return [event.customer_id or found[event.event_key] for event in events]


def _upsert_customers(connection: sa.Connection, events: Sequence[tuple[NewEvent, str]]) -> None:
    rows: dict[str, dict[str, Any]] = {}
    for event, customer_id in sorted(events, key=lambda pair: pair[0].occurred_at):
        row = rows.setdefault(customer_id, {"customer_id": customer_id})
        _fill(row, event, ("email", "phone", "first_name", "last_name"))
        row["phone_digits"] = _digits(row["phone"])
        row["seen"] = event.occurred_at
    if rows:
        connection.execute(UPSERT_CUSTOMERS, {"rows": as_json(list(rows.values()))})


def _fill(row: dict[str, Any], event: NewEvent, names: Iterable[str]) -> None:
    """Let a later event's values win, but never by an empty one."""
    for name in names:
        value = getattr(event, name)
        row[name] = value or row.get(name, value)


def _digits(phone: str | None) -> str | None:
    return "".join(char for char in phone or "" if char in "0123456789") or None


def _find_people(connection: sa.Connection, events: Sequence[NewEvent]) -> dict[str, str]:
    """Say whose each event without a customerId is: found by e-mail, else by phone, else a number of Waybill's own.

    Returns event key -> customer id.
    """
    emails = [event.email.lower() for event in events if event.email]
    phones = [digits for event in events if (digits := _digits(event.phone))]
    connection.execute(LOCK_PEOPLE, {"people": emails + phones})
    by_email: dict[str, str] = dict(connection.execute(FIND_BY_EMAIL, {"people": emails}).tuples().all())
    by_phone: dict[str, str] = dict(connection.execute(FIND_BY_PHONE, {"people": phones}).tuples().all())
    numbers = iter(connection.scalars(NEW_NUMBERS, {"count": len(events)}).all())
    found: dict[str, str] = {}
    for event in events:
        email, phone = (event.email or "").lower(), _digits(event.phone) or ""
        customer_id = by_email.get(email) or by_phone.get(phone) or next(numbers)
        found[event.event_key] = customer_id
        if email:
            by_email.setdefault(email, customer_id)
        if phone:
            by_phone.setdefault(phone, customer_id)
    return found


def _orders(connection: sa.Connection, events: Sequence[NewEvent], customer_ids: Sequence[str]) -> set[str]:
    """Upsert the orders. Returns the keys of those that were paid with a test card."""
    rows: dict[str, dict[str, Any]] = {}
    for event, customer_id in sorted(zip(events, customer_ids, strict=True), key=lambda pair: pair[0].occurred_at):
        if event.order_key is not None:
            row = rows.setdefault(event.order_key, {"order_key": event.order_key})
            names = (
                "order_id",
                "campaign_id",
                "order_status",
                "order_total",
                "currency_code",
                "test_card",
                "completes",
            )
            _fill(row, event, names)
            row.update(customer_id=customer_id, seen=event.occurred_at)
    if not rows:
        return set()
    upserted = connection.execute(UPSERT_ORDERS, {"rows": as_json(list(rows.values()))})
    return {row.order_key for row in upserted if row.test_card}
