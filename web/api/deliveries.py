"""Deliveries with their attempts."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from flask import Response
from sqlalchemy.dialects.postgresql import ARRAY

from models.account import Scope
from models.base import db
from models.delivery import Attempt, Delivery
from models.event import Event
from models.finding import Wanted, newest
from models.gates import shown_reason, shown_state
from models.heartbeat import Installation
from models.profile import Gate, Profile
from models.rules import customer_types
from web.api import shapes
from web.api.answers import answer, utc
from web.api.described import describe
from web.api.door import api, require
from web.api.errors import Refusal
from web.api.queries import after_id, check_state, limit, page, texts

MOST_ATTEMPTS = 100
"""Of one delivery in a list: there is no last try, and a page must stay a page."""


@api.get("/deliveries")
@require(Scope.READ)
@describe(
    "List deliveries with their attempts.",
    answers={200: shapes.Deliveries},
    query=shapes.DeliveryFilters,
    note="The state is the shown one: behind a closed gate an open delivery is held, with the gate's reason.",
)
def list_deliveries() -> Response:
    """Give a page of deliveries, newest first."""
    filters = texts("profile", "state", "customerId", "eventId")
    check_state(filters.get("state"))
    wanted = limit()
    found = newest(db.session(), _wanted(filters, after_id()), limit=wanted + 1)
    rows = db.session.execute(_select(found)).all()
    following = str(rows[wanted - 1].id) if len(rows) > wanted else None
    shown = rows[:wanted]
    attempts = _attempts(shown)
    installation = db.session.scalar(sa.select(Installation.key)) or ""
    return answer(page([_document(row, attempts[row.id], installation) for row in shown], following))


def _wanted(filters: dict[str, str], after: int | None) -> Wanted:
    name = filters.get("profile")  # a deleted one of this name, too: its history stays
    return Wanted(
        before=after,
        profiles=None if name is None else sa.func.lower(Profile.name) == sa.func.lower(name),
        state=filters.get("state"),
        customer_id=filters.get("customerId"),
        event_key=filters.get("eventId"),
    )


def known_document(delivery_id: str) -> dict[str, Any]:
    """Find a delivery by the number in an address, and write it. Raises Refusal: 404."""
    row = None
    if re.fullmatch(r"[0-9]{1,18}", delivery_id, re.ASCII):
        row = db.session.execute(_select(sa.select(sa.literal(int(delivery_id)).label("id")).subquery())).one_or_none()
    if row is None:
        raise Refusal(404, "There is no such delivery.")
    installation = db.session.scalar(sa.select(Installation.key)) or ""
    return _document(row, _attempts([row])[row.id], installation)


def _select(found: sa.Subquery) -> sa.Select[Any]:
    return (
        sa.select(
            Delivery.id,
            Profile.name.label("profile"),
            Event.event_key,
            Event.customer_id,
            Event.customer_type,
            shown_state.label("state"),
            shown_reason.label("reason"),
            Delivery.due_at,
            Delivery.created_at,
            Delivery.tries,
        )
        .join(found, found.c.id == Delivery.id)
        .join(Event, Event.id == Delivery.event_id)
        .join(Profile, Profile.id == Delivery.profile_id)
        .join(Gate, Gate.profile_id == Profile.id)
        .order_by(Delivery.id.desc())
    )


def _attempts(rows: Sequence[sa.Row[Any]]) -> dict[int, list[Attempt]]:
    """Give the last attempts of each delivery, oldest first."""
    found: dict[int, list[Attempt]] = defaultdict(list)
    if not rows:
        return found
    ids = sa.select(sa.func.unnest(sa.cast([row.id for row in rows], ARRAY(sa.BigInteger()))).label("id")).subquery()
    last = (
        sa.select(Attempt)
        # no attempt is older than its delivery: this spares looking into the partitions before
        .where(Attempt.delivery_id == ids.c.id, Attempt.started_at >= min(row.created_at for row in rows))
        .order_by(Attempt.started_at.desc())
        .limit(MOST_ATTEMPTS)
        .lateral()
    )
    attempt = sa.orm.aliased(Attempt, last)
    query = sa.select(attempt).select_from(ids.join(last, sa.true()))
    for one in db.session.scalars(query.order_by(attempt.started_at, attempt.number)):
        found[one.delivery_id].append(one)
    return found


def _document(row: sa.Row[Any], attempts: Sequence[Attempt], installation: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "profile": row.profile,
        "eventId": row.event_key,
        "customerId": row.customer_id,
        "customerType": _label(row.customer_type),
        "state": row.state,
        "reason": row.reason,
        "dueAt": utc(row.due_at),
        "webhookId": f"wb_{installation}_{row.id}",
        "attemptCount": row.tries,
        "attempts": [_attempt(one) for one in attempts],
    }


def _attempt(one: Attempt) -> dict[str, Any]:
    return {
        "number": one.number,
        "startedAt": utc(one.started_at),
        "durationMs": one.duration_ms,
        "method": one.method,
        "url": one.url,
        "requestHeaders": one.request_headers,
        "requestBody": one.request_body,
        "status": one.status,
        "responseHeaders": one.response_headers,
        "responseBody": one.response_body,
        "error": one.error,
        "outcome": one.outcome,
        "late": one.late,
    }


def _label(slug: str) -> str:
    try:
        return customer_types.parse(slug).label
    except ValueError:  # a row that another program wrote, refused by us
        return slug
