"""Test send: one request of a postback profile, really sent, and all that came back. No delivery is marked by it.

It goes through the same renderer, door, guard and judgement as a delivery; its `webhook-id` says that it is a test.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from exporters import transfer
from exporters.base import RecordExporter, Reply, Request, Timing
from exporters.errors import ExporterError, NeedsPerson
from exporters.masking import mask_body, mask_headers, mask_text
from models.base import db, utc_now
from models.mapping_rows import UnreadableMappings
from models.profile import Profile
from models.rules.catalogue import FIELDS, ITEM_FIELDS, Place
from models.rules.customer_types import CustomerType
from models.rules.event_document import NewEvent, read_event
from web import audit, installed
from web.audit import Act
from web.test_pace import take_turn
from worker.plan import trial

SAMPLE = "sample"


class CannotSend(Exception):
    """There is no request to send; the message is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What went out and what came back, secrets as dots. ok: a delivery would be delivered. reply: None without a status."""

    ok: bool
    message: str
    duration_ms: int
    request: dict[str, Any]
    reply: dict[str, Any] | None
    timing: Timing | None

    def document(self) -> dict[str, Any]:
        """Write it as in the API: the one step of a postback's test, and the exchange."""
        step = {"stage": "request", "ok": self.ok, "durationMs": self.duration_ms, "message": self.message}
        return {
            "ok": self.ok,
            "steps": [step | {"hint": None, "hostKey": None}],
            "exchange": {"request": self.request, "reply": self.reply, "timing": _shown_timing(self.timing)},
        }


def send_test(profile: Profile, event: NewEvent, *, target: str, actor: str) -> Exchange:
    """Send what this event would make. Ends the transaction before it dials: the profile may be a draft.

    Raises CannotSend, and TooManyTests. target is what the record calls the profile.
    """
    try:
        exporter, made = trial(
            profile,
            event,
            db.session.connection(),
            seal=installed.seal(),
            account_time_zone=installed.config().account_time_zone,
            now=utc_now(),
            key=f"test_{secrets.token_hex(6)}",
        )
    except (NeedsPerson, UnreadableMappings) as error:
        raise CannotSend(f"No request can be made: {error}.") from error
    to = exporter.target()
    db.session.rollback()
    take_turn(db.session(), actor)
    audit.note(Act.TESTED, target, actor=actor, text=to)
    db.session.commit()
    reply = transfer.send(installed.guard(), made)
    ok, message = _judge(exporter, made, reply)
    return Exchange(ok, message, reply.duration_ms, shown(made), _shown_reply(made, reply), reply.timing)


def sample_event(profile: Profile) -> NewEvent:
    """Make an event of the catalogue's samples, of the first type the profile has a route for."""
    slug = next((route.customer_type for route in profile.live_routes), CustomerType.NEW_SALE.value)
    order: dict[str, Any] = {field.name: field.sample for field in FIELDS.values() if field.place is Place.ORDER}
    order["items"] = [{key: field.sample for key, field in ITEM_FIELDS.items()}]
    order["customFields"] = {"favouriteColour": "blue"}
    document = {"eventId": SAMPLE, "customerType": slug, "order": order}
    zone = ZoneInfo(installed.config().account_time_zone)
    return read_event(document, now=utc_now(), zone=zone)


def shown(made: Request) -> dict[str, Any]:
    """Show a request without its secrets."""
    return {
        "method": made.method,
        "url": mask_text(made.url, made.secrets),
        "headers": [list(pair) for pair in mask_headers(made.headers, made.secrets)],
        "body": None if made.body is None else mask_body(made.body, made.secrets),
    }


def _judge(exporter: RecordExporter, made: Request, reply: Reply) -> tuple[bool, str]:
    try:
        return True, exporter.judge(reply).message
    except ExporterError as error:
        return False, mask_text(str(error), made.secrets)


def _shown_timing(timing: Timing | None) -> dict[str, Any] | None:
    if timing is None:
        return None
    return {
        "nameMs": timing.name_ms,
        "connectedMs": timing.connected_ms,
        "securedMs": timing.secured_ms,
        "firstByteMs": timing.first_byte_ms,
    }


def _shown_reply(made: Request, reply: Reply) -> dict[str, Any] | None:
    if reply.status is None:
        return None
    return {
        "status": reply.status,
        "headers": [list(pair) for pair in mask_headers(reply.headers, made.secrets)],
        "body": mask_body(reply.body, made.secrets, is_cut=reply.is_cut),
        "durationMs": reply.duration_ms,
    }
