"""Preview: the exact request that an event would make, secrets as dots. Nothing is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask import redirect, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose

from exporters.base import Request
from exporters.errors import ExporterError
from exporters.masking import mask_body, mask_headers, mask_text
from models.base import db, utc_now
from models.event import Event
from models.mapping_rows import UnreadableMappings
from models.profile import Profile
from models.rules.catalogue import FIELDS, ITEM_FIELDS, Place
from models.rules.customer_types import CustomerType
from models.rules.event_document import NewEvent, read_event
from web import installed
from web.admin import asked
from web.admin.page import Page
from web.admin.profiles import living
from worker.plan import preview

LOOK_BACK = 1_000


@dataclass(frozen=True, slots=True)
class Shown:
    """A request as people may see it."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: str | None


class Preview(Page):
    """One profile's request for a stored event, or for the sample order."""

    def is_visible(self) -> bool:
        """It is reached from the list of profiles."""
        return False

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """There is no preview without a profile."""
        return redirect(url_for("profiles.index"))

    @expose("/<int:profile_id>")
    def one(self, profile_id: int) -> str:
        """Show the request for the event that was asked for, else for a late one of the routes, else for the sample."""
        profile = living(profile_id)
        wanted = asked.text("event")
        event = _event(wanted) if wanted else _late_event(profile)
        given = _as_new(event) if event else sample_event(profile)
        request, fault = None, None
        try:
            request = _shown(
                preview(
                    profile,
                    given,
                    db.session.connection(),
                    seal=installed.seal(),
                    account_time_zone=installed.config().account_time_zone,
                    now=utc_now(),
                )
            )
        except (ExporterError, UnreadableMappings) as error:
            fault = str(error)
        return str(
            self.render(
                "admin/preview.html",
                page_name=f"Preview: {profile.name}",
                profile=profile,
                request_shown=request,
                fault=fault,
                event=event,
                wanted=wanted,
            )
        )


def sample_event(profile: Profile) -> NewEvent:
    """Make an event of the catalogue's samples, of the first type the profile has a route for."""
    slug = next((route.customer_type for route in profile.live_routes), CustomerType.NEW_SALE.value)
    order: dict[str, Any] = {field.name: field.sample for field in FIELDS.values() if field.place is Place.ORDER}
    order["items"] = [{key: field.sample for key, field in ITEM_FIELDS.items()}]
    order["customFields"] = {"favouriteColour": "blue"}
    document = {"eventId": "sample", "customerType": slug, "order": order}
    zone = ZoneInfo(installed.config().account_time_zone)
    return read_event(document, now=utc_now(), zone=zone)


def _event(key: str) -> Event | None:
    return db.session.scalar(sa.select(Event).where(Event.event_key == key))


def _late_event(profile: Profile) -> Event | None:
    types = {route.customer_type for route in profile.live_routes}
    latest = sa.select(Event.id, Event.customer_type).order_by(Event.id.desc()).limit(LOOK_BACK).subquery()
    found = sa.select(latest.c.id).where(latest.c.customer_type.in_(types)).order_by(latest.c.id.desc()).limit(1)
    return db.session.scalar(sa.select(Event).where(Event.id == found.scalar_subquery()))


def _as_new(event: Event) -> NewEvent:
    """Give a stored event as the renderer wants it; what concerns the tables only is left empty."""
    snapshot = db.session.scalar(sa.select(sa.cast(Event.order_snapshot, sa.Text)).where(Event.id == event.id))
    nothing: dict[str, Any] = dict.fromkeys(_TABLES_ONLY)
    return NewEvent(
        event_key=event.event_key,
        customer_type=event.customer_type,
        occurred_at=event.occurred_at,
        test_card=event.test_card,
        snapshot=snapshot or "{}",
        completes=False,
        **nothing,
    )


_TABLES_ONLY = (
    "order_key",
    "order_id",
    "customer_id",
    "email",
    "phone",
    "first_name",
    "last_name",
    "campaign_id",
    "campaign_name",
    "order_status",
    "order_total",
    "currency_code",
)


def _shown(request: Request) -> Shown:
    return Shown(
        method=request.method,
        url=mask_text(request.url, request.secrets),
        headers=mask_headers(request.headers, request.secrets),
        body=None if request.body is None else mask_body(request.body, request.secrets),
    )
