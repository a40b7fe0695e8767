"""Preview: what a profile would send for an event. Sends nothing, stores nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask import Response, request

from exporters.base import Request
from exporters.errors import NeedsPerson
from models.account import Scope
from models.base import db, utc_now
from models.delivery import Delivery
from models.event import Event
from models.ledger import FILE_KINDS
from models.mapping_rows import UnreadableMappings
from models.profile import Profile
from models.rules.bodies import UnreadableBody, read_body
from models.rules.event_document import EventFault, NewEvent, read_event
from models.rules.mapping import Fault
from web import installed
from web.api import shapes
from web.api.answers import answer
from web.api.described import describe
from web.api.door import api, require
from web.api.errors import Refusal
from web.api.profiles import known
from web.file_preview import NoFile, of_event
from web.profiles.faults import is_storable
from web.test_send import shown
from worker.plan import SAMPLE_DELIVERY, preview


@api.post("/profiles/<name>/preview")
@require(Scope.READ)
@describe(
    "Preview what a profile would send.",
    body=shapes.Event,
    answers={200: shapes.Preview | shapes.FilePreview},
    note='The body is an event document, or {"eventId": ..} for a stored event. Secrets are shown as dots.',
)
def preview_profile(name: str) -> Response:
    """Write the request, or the name and lines of the file, and show it."""
    profile = known(name)
    document = _body()
    if isinstance(document, dict) and set(document) == {"eventId"}:
        event, delivery_id = stored_event(profile, document["eventId"])
    else:
        event, delivery_id = _given_event(document), SAMPLE_DELIVERY
    if profile.export_type in FILE_KINDS:
        return answer(_file(profile, event))
    return answer({"request": shown(write(profile, event, delivery_id, utc_now()))})


def _file(profile: Profile, event: NewEvent) -> dict[str, Any]:
    try:
        name, lines = of_event(profile, event, utc_now())
    except NoFile as error:
        raise Refusal(422, str(error)) from error
    return {"fileName": name, "lines": lines}


def write(profile: Profile, event: NewEvent, delivery_id: int, now: datetime) -> Request:
    """Write the request that this event would make. Raises Refusal when there can be none."""
    try:
        return preview(
            profile,
            event,
            db.session.connection(),
            seal=installed.seal(),
            account_time_zone=installed.config().account_time_zone,
            now=now,
            delivery_id=delivery_id,
        )
    except (NeedsPerson, UnreadableMappings) as error:
        raise Refusal(422, f"No request can be made: {error}.") from error


def stored_event(profile: Profile, event_key: object) -> tuple[NewEvent, int]:
    """Read a stored event, and the delivery that this profile owes of it, if there is one. Raises Refusal: 404."""
    row = None
    if isinstance(event_key, str) and is_storable(event_key):
        row = db.session.execute(
            sa.select(Event, sa.cast(Event.order_snapshot, sa.Text).label("snapshot"), Delivery.id.label("delivery_id"))
            .outerjoin(Delivery, sa.and_(Delivery.event_id == Event.id, Delivery.profile_id == profile.id))
            .where(Event.event_key == event_key)
        ).one_or_none()
    if row is None:
        raise Refusal(404, "There is no event with this eventId.", [Fault("eventId", "It is not known.")])
    event: Event = row.Event
    return _as_new(event, row.snapshot), row.delivery_id or SAMPLE_DELIVERY


def _as_new(event: Event, snapshot: str) -> NewEvent:
    return NewEvent(
        event_key=event.event_key,
        customer_type=event.customer_type,
        occurred_at=event.occurred_at,
        test_card=event.test_card,
        snapshot=snapshot,
        order_key=event.order_key,
        order_id=None,
        customer_id=event.customer_id,
        email=None,
        phone=None,
        first_name=None,
        last_name=None,
        campaign_id=event.campaign_id,
        campaign_name=None,
        order_status=None,
        order_total=None,
        currency_code=None,
        completes=False,
    )


def _body() -> Any:
    try:
        documents = read_body(request.get_data(cache=False), lines=False)
    except UnreadableBody as error:
        raise Refusal(400, f"{str(error)[0].upper()}{str(error)[1:]}.") from error
    if len(documents) != 1:
        raise Refusal(400, "Give one event.")
    return documents[0]


def _given_event(document: Any) -> NewEvent:
    try:
        zone, exempt = ZoneInfo(installed.config().account_time_zone), installed.config().card_scan_exempt
        return read_event(document, now=utc_now(), zone=zone, card_exempt=exempt)
    except EventFault as fault:
        raise Refusal(422, "The event is refused.", [Fault(fault.path, fault.message)]) from fault
