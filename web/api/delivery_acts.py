"""What programs do to single deliveries: send again, put aside, release, cancel."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from models.account import Scope
from models.base import db
from models.by_hand import Deed
from models.rules.mapping import Fault
from web import delivery_acts, installed
from web.api import shapes
from web.api.answers import answer
from web.api.bodies import read_object
from web.api.deliveries import known_document
from web.api.described import describe
from web.api.door import actor, api, require
from web.api.errors import Refusal
from web.profiles.faults import unknown_keys


@api.post("/deliveries/<delivery_id>/send-again")
@require(Scope.OPERATE)
@describe(
    "Send a delivery once more.",
    answers={200: shapes.Delivery, 409: shapes.Error},
    note="Due now, under the same key. 409 while it is on its way, when its profile is deleted, for an order of a test card.",
)
def send_delivery_again(delivery_id: str) -> Response:
    """Make it due now."""
    return _do(Deed.SEND_AGAIN, delivery_id)


@api.post("/deliveries/<delivery_id>/hold")
@require(Scope.OPERATE)
@describe(
    "Put a delivery aside.",
    body=shapes.Reason,
    answers={200: shapes.Delivery, 409: shapes.Error},
    note="Nothing is tried until it is released, sent again or cancelled by somebody; resuming its profile leaves it aside.",
)
def hold_delivery(delivery_id: str) -> Response:
    """Hold it until somebody releases it."""
    return _do(Deed.HOLD, delivery_id)


@api.post("/deliveries/<delivery_id>/release")
@require(Scope.OPERATE)
@describe("Release a delivery that was put aside.", answers={200: shapes.Delivery, 409: shapes.Error})
def release_delivery(delivery_id: str) -> Response:
    """Let it go on."""
    return _do(Deed.RELEASE, delivery_id)


@api.post("/deliveries/<delivery_id>/cancel")
@require(Scope.OPERATE)
@describe(
    "Cancel a delivery that is open.",
    body=shapes.Reason,
    answers={200: shapes.Delivery, 409: shapes.Error},
    note="A try under way may still succeed.",
)
def cancel_delivery(delivery_id: str) -> Response:
    """Give it up."""
    return _do(Deed.CANCEL, delivery_id)


def _do(deed: Deed, delivery_id: str) -> Response:
    number = known_document(delivery_id)["id"]
    reason = _reason() if deed.needs_reason else ""
    try:
        delivery_acts.act_on_one(db.session(), deed, number, actor=actor(), reason=reason)
    except delivery_acts.NotPossible as error:
        raise Refusal(409, str(error)) from error
    db.session.commit()
    installed.ring()
    return answer(known_document(delivery_id))


def _reason() -> str:
    body: dict[str, Any] = read_object() if request.content_length else {}
    reason = delivery_acts.reason_of(body.get("reason") or "no reason given")
    faults = list(unknown_keys(body, ("reason",)))
    if reason is None:
        faults.append(Fault("reason", f"Give a text of at most {delivery_acts.MOST_REASON} characters."))
    if faults or reason is None:
        raise Refusal(422, "The body is refused; see the details.", faults)
    return reason
