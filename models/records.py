"""The CRM's records, upserted from events: campaigns, products, customers, orders, by one statement a batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from models.rules.event_document import NewEvent

_JSON = msgspec.json.Encoder()


def _later_wins(table: str, seen: str, *columns: str) -> str:
    """Give the SET of an upsert in which a later event's values win, an older one's only fill what is empty."""
    return ",\n        ".join(
        f"{name} = CASE WHEN excluded.{seen} >= {table}.{seen} THEN coalesce(excluded.{name}, {table}.{name})"
        f" ELSE coalesce({table}.{name}, excluded.{name}) END"
        for name in columns
    )


_OF_ORDERS = ("order_id", "campaign_id", "order_status", "order_total", "currency_code", "test_card", "completes")
_NEWER_CUSTOMER = _later_wins("c", "last_seen_at", "email", "phone", "phone_digits", "first_name", "last_name")
_NEWER_ORDER = _later_wins(
    "o", "last_event_at", "order_id", "customer_id", "campaign_id", "order_status", "order_total", "currency_code"
)

# One statement for all four, because a post of a single event costs little else than its round trips. Each waits for the one
# before it: campaigns, products, customers, orders, each by key, so that two batches that share rows never deadlock.
# Names that would not change are left alone: an upsert that changes nothing still locks and dirties its row.
UPSERT_RECORDS = sa.text(
    f"""/* records: campaigns, products, customers, orders */
    WITH campaigns_named AS (INSERT INTO campaigns AS c (campaign_id, name)
        SELECT n.id, n.name FROM jsonb_to_recordset(CAST(:campaigns AS jsonb)) AS n (id text, name text)
        WHERE NOT EXISTS (SELECT FROM campaigns k WHERE k.campaign_id = n.id
            AND (n.name IS NULL OR k.name IS NOT DISTINCT FROM n.name))
        ORDER BY n.id
        ON CONFLICT (campaign_id) DO UPDATE SET name = coalesce(excluded.name, c.name) RETURNING 1),
    after_campaigns AS MATERIALIZED (SELECT count(*) >= 0 AS done FROM campaigns_named),
    products_named AS (INSERT INTO products AS p (product_id, name, sku)
        SELECT n.id, n.name, n.sku
        FROM jsonb_to_recordset(CAST(:products AS jsonb)) AS n (id text, name text, sku text)
        WHERE (SELECT done FROM after_campaigns) AND NOT EXISTS (SELECT FROM products k WHERE k.product_id = n.id
            AND (n.name IS NULL OR k.name IS NOT DISTINCT FROM n.name)
            AND (n.sku IS NULL OR k.sku IS NOT DISTINCT FROM n.sku))
        ORDER BY n.id
        ON CONFLICT (product_id) DO UPDATE SET name = coalesce(excluded.name, p.name),
            sku = coalesce(excluded.sku, p.sku) RETURNING 1),
    after_products AS MATERIALIZED (SELECT count(*) >= 0 AS done FROM products_named),
    customers_seen AS (INSERT INTO customers AS c
        (customer_id, email, phone, phone_digits, first_name, last_name, last_seen_at)
        SELECT n.customer_id, n.email, n.phone, n.phone_digits, n.first_name, n.last_name, n.seen
        FROM jsonb_to_recordset(CAST(:customers AS jsonb)) AS n (customer_id text, email text, phone text,
            phone_digits text, first_name text, last_name text, seen timestamptz)
        WHERE (SELECT done FROM after_products)
        ORDER BY n.customer_id
        ON CONFLICT (customer_id) DO UPDATE SET
        {_NEWER_CUSTOMER},
        last_seen_at = greatest(c.last_seen_at, excluded.last_seen_at) RETURNING 1),
    after_customers AS MATERIALIZED (SELECT count(*) >= 0 AS done FROM customers_seen)
    INSERT INTO orders AS o (order_key, order_id, customer_id, campaign_id, order_status, order_total, currency_code,
        test_card, completed_at, last_event_at)
    SELECT n.order_key, n.order_id, n.customer_id, n.campaign_id, n.order_status, n.order_total, n.currency_code,
        n.test_card, CASE WHEN n.completes THEN now() END, n.seen
    FROM jsonb_to_recordset(CAST(:orders AS jsonb)) AS n (order_key text, order_id text, customer_id text,
        campaign_id text, order_status text, order_total text, currency_code text, test_card boolean,
        completes boolean, seen timestamptz)
    WHERE (SELECT done FROM after_customers)
    ORDER BY n.order_key
    ON CONFLICT (order_key) DO UPDATE SET
        {_NEWER_ORDER},
        test_card = o.test_card OR excluded.test_card,
        completed_at = coalesce(o.completed_at, excluded.completed_at),
        last_event_at = greatest(o.last_event_at, excluded.last_event_at)
    RETURNING order_key, test_card"""  # noqa: S608 -- constants of ours
)
"""What once was a test or complete stays so."""

# Few keys, however many people: each advisory lock takes a place in the server's lock table, which is small.
LOCK_PEOPLE = sa.text(
    """/* records: two batches must not both invent a number for one person */
    SELECT pg_advisory_xact_lock(5714012, k) FROM (SELECT DISTINCT hashtext(p) & 127 AS k
        FROM unnest(CAST(:people AS text[])) AS p ORDER BY 1) AS keys"""
)

FIND_BY_EMAIL = sa.text(
    """/* records: the customer seen last with an e-mail address; only Postgres knows how the index folds letters */
    SELECT n.person, c.customer_id, c.last_seen_at FROM unnest(CAST(:people AS text[])) AS n (person)
    CROSS JOIN LATERAL (SELECT customer_id, last_seen_at FROM customers WHERE lower(email) = lower(n.person)
        ORDER BY last_seen_at DESC LIMIT 1) AS c"""
)

FIND_BY_PHONE = sa.text(
    """/* records: the customer seen last with a phone number */
    SELECT n.person, c.customer_id, c.last_seen_at FROM unnest(CAST(:people AS text[])) AS n (person)
    CROSS JOIN LATERAL (SELECT customer_id, last_seen_at FROM customers WHERE phone_digits = n.person
        ORDER BY last_seen_at DESC LIMIT 1) AS c"""
)

NEW_NUMBERS = sa.text("SELECT 'w-' || nextval('customer_numbers') FROM generate_series(1, :count)")


@dataclass(frozen=True, slots=True)
class Record:
    """What an event's records say: whose it is, and whether its order was paid with a test card."""

    customer_id: str
    test_card: bool


def upsert_records(connection: sa.Connection, events: Sequence[NewEvent]) -> list[Record]:
    """Upsert the records of these events. Returns one Record for each event, in their order."""
    customer_ids = _whose(connection, events)
    values = {
        "campaigns": as_json(_campaigns(events)),
        "products": as_json(_products(events)),
        "customers": as_json(_customers(events, customer_ids)),
        "orders": as_json(_orders(events, customer_ids)),
    }
    test_orders = {row.order_key for row in connection.execute(UPSERT_RECORDS, values) if row.test_card}
    return [
        Record(customer_id, event.test_card or event.order_key in test_orders)
        for event, customer_id in zip(events, customer_ids, strict=True)
    ]


def as_json(rows: Sequence[dict[str, Any]]) -> str:
    """Write rows for jsonb_to_recordset: one parameter, which psycopg sends as it is."""
    return _JSON.encode(rows).decode()


def _campaigns(events: Iterable[NewEvent]) -> list[dict[str, Any]]:
    found: dict[str, str | None] = {}
    for event in events:
        if event.campaign_id is not None:
            found[event.campaign_id] = event.campaign_name or found.get(event.campaign_id)
    return [{"id": id_, "name": name} for id_, name in found.items()]


def _products(events: Iterable[NewEvent]) -> list[dict[str, Any]]:
    found: dict[str, tuple[str | None, str | None]] = {}
    for event in events:
        for product_id, (name, sku) in event.products.items():
            known_name, known_sku = found.get(product_id, (None, None))
            found[product_id] = (name or known_name, sku or known_sku)
    return [{"id": id_, "name": name, "sku": sku} for id_, (name, sku) in found.items()]


def _whose(connection: sa.Connection, events: Sequence[NewEvent]) -> list[str]:
    """Give the customer of each event."""
    found = _find_people(connection, events) if any(event.customer_id is None for event in events) else {}
    return [event.customer_id or found[event.event_key] for event in events]


def _in_time(events: Sequence[NewEvent], customer_ids: Sequence[str]) -> list[tuple[NewEvent, str]]:
    return sorted(zip(events, customer_ids, strict=True), key=lambda pair: pair[0].occurred_at)


def _customers(events: Sequence[NewEvent], customer_ids: Sequence[str]) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for event, customer_id in _in_time(events, customer_ids):
        row = rows.setdefault(customer_id, {"customer_id": customer_id})
        _fill(row, event, ("email", "phone", "first_name", "last_name"))
        row["phone_digits"] = _digits(row["phone"])
        row["seen"] = event.occurred_at
    return list(rows.values())


def _orders(events: Sequence[NewEvent], customer_ids: Sequence[str]) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for event, customer_id in _in_time(events, customer_ids):
        if event.order_key is not None:
            row = rows.setdefault(event.order_key, {"order_key": event.order_key})
            _fill(row, event, _OF_ORDERS)
            row.update(customer_id=customer_id, seen=event.occurred_at)
    return list(rows.values())


def _fill(row: dict[str, Any], event: NewEvent, names: Iterable[str]) -> None:
    """Let a later event's values win, but never by an empty one."""
    for name in names:
        value = getattr(event, name)
        row[name] = value or row.get(name, value)


def _digits(phone: str | None) -> str | None:
    return "".join(char for char in phone or "" if char in "0123456789") or None


def _find_people(connection: sa.Connection, events: Sequence[NewEvent]) -> dict[str, str]:
    """Say whose each event without a customerId is: found by e-mail, else by phone, else a number of Waybill's own.

    Whom the batch names itself is found, too. Returns event key -> customer id.
    """
    nameless = [event for event in events if event.customer_id is None]
    emails = {event.email for event in nameless if event.email}
    phones = {digits for event in nameless if (digits := _digits(event.phone))}
    people = [email.lower() for email in emails] + list(phones)
    connection.execute(LOCK_PEOPLE, {"people": people})
    by_email, by_phone = _People(), _People()
    for email, customer_id, seen in connection.execute(FIND_BY_EMAIL, {"people": list(emails)}):
        by_email.see(email.lower(), customer_id, seen)
    for phone, customer_id, seen in connection.execute(FIND_BY_PHONE, {"people": list(phones)}):
        by_phone.see(phone, customer_id, seen)
    for event in events:
        if event.customer_id is not None:
            by_email.see((event.email or "").lower(), event.customer_id, event.occurred_at)
            by_phone.see(_digits(event.phone) or "", event.customer_id, event.occurred_at)
    numbers = iter(connection.scalars(NEW_NUMBERS, {"count": len(nameless)}).all())
    found: dict[str, str] = {}
    for event in nameless:
        email, phone = (event.email or "").lower(), _digits(event.phone) or ""
        customer_id = by_email.seen_last(email) or by_phone.seen_last(phone) or next(numbers)
        found[event.event_key] = customer_id
        by_email.add(email, customer_id, event.occurred_at)
        by_phone.add(phone, customer_id, event.occurred_at)
    return found


class _People:
    """Who was seen last with an e-mail address or a phone number. The empty one is nobody's."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[datetime, str]] = {}

    def see(self, person: str, customer_id: str, seen: datetime) -> None:
        """Take note of a customer; the one seen last stays."""
        if person:
            self._last[person] = max(self._last.get(person, (seen, customer_id)), (seen, customer_id))

    def add(self, person: str, customer_id: str, seen: datetime) -> None:
        """Take note of a customer where nobody is known yet."""
        if person:
            self._last.setdefault(person, (seen, customer_id))

    def seen_last(self, person: str) -> str | None:
        """Give the customer's id."""
        return self._last[person][1] if person in self._last else None
