"""Customers: what happened to them."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, request

from models import history
from models.account import Scope
from models.base import db, utc_now
from models.customer import Customer
from models.rules.mapping import Fault
from web import installed
from web.api import shapes
from web.api.answers import answer, utc
from web.api.described import describe
from web.api.door import api, require
from web.api.errors import Refusal
from web.api.queries import limit, page, texts
from web.profiles.faults import is_storable


@api.get("/customers/<customer_id>/history")
@require(Scope.READ)
@describe("Read a customer's history.", answers={200: shapes.History}, query=shapes.Page)
def customer_history(customer_id: str) -> Response:
    """Give a page of what the history page shows."""
    texts()
    if not is_storable(customer_id) or db.session.get(Customer, customer_id) is None:
        raise Refusal(404, "There is no customer with this id.")
    entries, following = history.of_customer(
        db.session(),
        customer_id,
        limit=limit(),
        after=_after(),
        now=utc_now(),
        zone=ZoneInfo(installed.config().account_time_zone),
    )
    return answer(page([_document(entry) for entry in entries], str(following) if following else None))


def _after() -> history.Cursor | None:
    text = request.args.get("after")
    if not text:
        return None
    cursor = history.Cursor.read(text)
    if cursor is None:
        raise Refusal(400, "The query cannot be read.", [Fault("after", "Give the `next` of the page before.")])
    return cursor


def _document(entry: history.Entry) -> dict[str, Any]:
    return {
        "at": utc(entry.at),
        "kind": entry.kind.value,
        "customerType": entry.customer_type,
        "profile": entry.profile,
        "result": entry.result,
        "message": entry.message,
        "deliveryId": entry.delivery_id,
        "runId": entry.run_id,
    }
