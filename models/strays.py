"""Events that another program inserted by plain SQL: taken up by the tick, by the same rules as any other event."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import sqlalchemy as sa

from models.records import as_json, upsert_records
from models.routing import fan_out, lock_routing
from models.rules import cards
from models.rules.event_document import CardData, EventFault, NewEvent, decode, read_event

MOST = 1_000

# A time that Python cannot hold (infinity, a year before Christ) comes as NULL: reading it would end every tick.
STRAYS = sa.text(
    f"""/* strays: events that came by SQL */
    SELECT id, event_key, customer_type, test_card, order_snapshot::text AS snapshot,
        CASE WHEN occurred_at BETWEEN '0001-01-02' AND '9999-12-30' THEN occurred_at END AS occurred_at
    FROM events WHERE routed_at IS NULL ORDER BY id LIMIT {MOST} FOR UPDATE SKIP LOCKED"""  # noqa: S608 -- a constant of ours
)

ADOPT = sa.text(
    """/* strays: what the intake would have written */
    UPDATE events e SET routed_at = now(), customer_type = n.customer_type, order_key = n.order_key,
        customer_id = n.customer_id, campaign_id = n.campaign_id, product_ids = n.product_ids,
        test_card = n.test_card, order_snapshot = n.snapshot
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS n (id bigint, customer_type text, order_key text,
        customer_id text, campaign_id text, product_ids text[], test_card boolean, snapshot jsonb)
    WHERE e.id = n.id"""
)

REFUSE = sa.text(
    """/* strays: refused, with the reason; card data is wiped */
    UPDATE events e SET routed_at = now(), refusal = n.refusal,
        occurred_at = CASE WHEN n.has_time THEN e.occurred_at ELSE now() END,
        order_snapshot = CASE WHEN n.wipes THEN '{}' ELSE e.order_snapshot END,
        event_key = CASE WHEN n.wipes_key THEN 'refused-' || e.id ELSE e.event_key END
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS n (id bigint, refusal text, has_time boolean, wipes boolean, wipes_key boolean) WHERE e.id = n.id"""
)


def route_strays(connection: sa.Connection, zone: ZoneInfo, card_exempt: Collection[str] = ()) -> tuple[int, bool]:
    """Take up to MOST events that nobody has routed. Returns how many, and whether a delivery is due at once."""
    lock_routing(connection)
    rows = connection.execute(STRAYS).all()
    taken: list[tuple[int, NewEvent]] = []
    refused: list[dict[str, Any]] = []
    for row in rows:
        try:
            taken.append((row.id, _read(row, zone, card_exempt)))
        except EventFault as fault:
            refused.append(_refusal(row, fault, card_exempt))
    if refused:
        connection.execute(REFUSE, {"rows": as_json(refused)})
    return len(rows), bool(taken) and _adopt(connection, taken)


def _read(row: Any, zone: ZoneInfo, card_exempt: Collection[str]) -> NewEvent:
    if row.occurred_at is None:
        raise EventFault("occurredAt", "must be between the years 1 and 9999")
    document = {
        "eventId": row.event_key,
        "customerType": row.customer_type,
        "occurredAt": row.occurred_at.astimezone(UTC).isoformat(),
        "testCard": row.test_card,
        "order": _order(row),
    }
    return read_event(document, now=row.occurred_at, zone=zone, card_exempt=card_exempt)


def _order(row: Any) -> Any:
    try:
        return decode(row.snapshot)
    except RecursionError as error:
        raise EventFault("order", "is nested too deeply") from error


def _refusal(row: Any, fault: EventFault, card_exempt: Collection[str]) -> dict[str, Any]:
    """Say why, and what must not stay. Another fault may have been found before the card: look again."""
    where = f"{fault.path}: " if fault.path else ""
    return {
        "id": row.id,
        "refusal": where + fault.message,
        "has_time": row.occurred_at is not None,
        "wipes": isinstance(fault, CardData) or _holds_card_data(row.snapshot, card_exempt),
        "wipes_key": cards.scan_text(row.event_key) is not None,
    }


def _holds_card_data(snapshot: str, card_exempt: Collection[str]) -> bool:
    try:
        return cards.scan(decode(snapshot), snapshot, exempt=card_exempt).fault is not None
    except RecursionError:
        return True  # nobody can look through it


def _adopt(connection: sa.Connection, taken: list[tuple[int, NewEvent]]) -> bool:
    records = upsert_records(connection, [event for _, event in taken])
    rows = [
        {
            "id": id_,
            "customer_type": event.customer_type,
            "order_key": event.order_key,
            "customer_id": record.customer_id,
            "campaign_id": event.campaign_id,
            "product_ids": list(event.products),
            "test_card": record.test_card,
            "snapshot": msgspec.Raw(event.snapshot.encode()),
        }
        for (id_, event), record in zip(taken, records, strict=True)
    ]
    connection.execute(ADOPT, {"rows": as_json(rows)})
    _, due = fan_out(connection, [id_ for id_, _ in taken])
    return due
