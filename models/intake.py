"""Accept events: all tables in one transaction, statement by statement over the whole batch, never row by row.

A 2xx of the intake means that the transaction has been committed: the event, its customer, order, campaign and
products, and every delivery it is owed. The producer's own eventId makes repeats safe: a repeat changes nothing,
not even with other content.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import sqlalchemy as sa

from models.records import Record, as_json, upsert_records
from models.routing import ROUTING_LOCK, fan_out
from models.rules.event_document import EventFault, NewEvent, read_event

BATCH = 1_000
"""Events in one transaction: more would hold the routing lock too long."""

# Ids follow the order of arrival; the rows go in by key, so that two batches that share keys wait for each other and
# never deadlock.
INSERT_EVENTS = sa.text(
    """/* intake: the batch's events; a key that is there already wins */
    INSERT INTO events (id, event_key, customer_type, occurred_at, accepted_at, routed_at, order_key, customer_id,
        campaign_id, product_ids, test_card, history_only, order_snapshot)
    SELECT n.id, n.event_key, n.customer_type, n.occurred_at, now(), now(), n.order_key, n.customer_id, n.campaign_id,
        n.product_ids, n.test_card, :history_only, n.snapshot
    FROM (SELECT nextval('events_id_seq') AS id, r.*
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (event_key text, customer_type text, occurred_at timestamptz,
            order_key text, customer_id text, campaign_id text, product_ids text[], test_card boolean, snapshot jsonb)
        ) AS n
    ORDER BY n.event_key
    ON CONFLICT (event_key) DO NOTHING
    RETURNING id"""
)

# One question less for each post. A repeat that comes in while this one waits for the lock meets the unique key.
LOCK_AND_KNOWN_KEYS = sa.text(
    f"""/* intake: hold the routing lock, shared; which are repeats? */
    SELECT CAST(pg_advisory_xact_lock_shared({ROUTING_LOCK}) AS text)
    UNION ALL SELECT event_key FROM events WHERE event_key = ANY(:keys)"""  # noqa: S608 -- a constant of ours
)


@dataclass(frozen=True, slots=True)
class Refused:
    """One event of a batch that was not taken: its place in the batch, the field's path, one sentence."""

    index: int
    field: str
    message: str


@dataclass(slots=True)
class Accepted:
    """What became of a batch. due: some delivery may be sent at once, so ring after the commit."""

    accepted: int = 0
    duplicates: int = 0
    errors: list[Refused] = field(default_factory=list)
    due: bool = False

    def add(self, other: Accepted) -> None:
        """Count another batch of the same body in."""
        self.accepted += other.accepted
        self.duplicates += other.duplicates
        self.errors += other.errors
        self.due = self.due or other.due


def accept(
    connection: sa.Connection,
    documents: Sequence[Any],
    *,
    now: datetime,
    zone: ZoneInfo,
    card_exempt: Collection[str] = (),
    first_index: int = 0,
    history_only: bool = False,
) -> Accepted:
    """Take up to BATCH decoded event documents within the caller's transaction.

    A document that is an EventFault already (a line that was no JSON) is told like any other fault. Bad events are
    told by index, the good ones are taken. history_only events are stored and never exported.
    """
    taken = Accepted()
    events: dict[str, NewEvent] = {}
    for index, document in enumerate(documents, first_index):
        try:
            if isinstance(document, EventFault):
                raise document
            event = read_event(document, now=now, zone=zone, card_exempt=card_exempt)
        except EventFault as fault:
            taken.errors.append(Refused(index, fault.path, fault.message))
            continue
        if event.event_key in events:
            taken.duplicates += 1
        else:
            events[event.event_key] = event
    if events:
        _store(connection, events, taken, history_only=history_only)
    return taken


def _store(connection: sa.Connection, events: dict[str, NewEvent], taken: Accepted, *, history_only: bool) -> None:
    known = set(connection.scalars(LOCK_AND_KNOWN_KEYS, {"keys": list(events)}))
    new = [event for key, event in events.items() if key not in known]
    if new:
        records = upsert_records(connection, new)
        rows = [_row(event, record) for event, record in zip(new, records, strict=True)]
        ids = connection.scalars(INSERT_EVENTS, {"rows": as_json(rows), "history_only": history_only}).all()
        taken.accepted += len(ids)
        if ids and not history_only:
            _, taken.due = fan_out(connection, ids)
    taken.duplicates += len(events) - taken.accepted


def _row(event: NewEvent, record: Record) -> dict[str, Any]:
    return {
        "event_key": event.event_key,
        "customer_type": event.customer_type,
        "occurred_at": event.occurred_at,
        "order_key": event.order_key,
        "customer_id": record.customer_id,
        "campaign_id": event.campaign_id,
        "product_ids": list(event.products),
        "test_card": record.test_card,
        "snapshot": msgspec.Raw(event.snapshot.encode()),
    }
