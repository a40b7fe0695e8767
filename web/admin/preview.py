"""Preview: the exact request that an event would make, secrets as dots. Nothing is sent."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import abort, flash, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose

from models.account import Role
from models.alerts import Alert
from models.base import db, utc_now
from models.event import Event
from models.ledger import FILE_KINDS
from models.profile import Profile
from models.rules.event_document import NewEvent
from web.admin import asked
from web.admin.file_look import look_at_files
from web.admin.page import Page
from web.admin.profiles import living
from web.api.errors import Refusal
from web.api.preview import stored_event, write
from web.downloads import dry_run
from web.file_preview import NoFile
from web.guard import actor, needs
from web.test_send import sample_event, shown
from worker.plan import SAMPLE_DELIVERY

LOOK_BACK = 1_000


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
        profile, wanted = living(profile_id), asked.text("event")
        makes_files = profile.export_type in FILE_KINDS
        seen = _look_at_files(profile, wanted) if makes_files else look(profile, wanted)
        return str(
            self.render(
                "admin/preview.html",
                page_name=f"Preview: {profile.name}",
                profile=profile,
                makes_files=makes_files,
                alert=db.session.get(Alert, profile_id),
                **seen,
            )
        )

    @expose("/<int:profile_id>/dry-run/<int:route_id>", methods=("POST",))
    @needs(Role.OPERATOR)
    def dry_run(self, profile_id: int, route_id: int) -> ResponseReturnValue:
        """Download the whole next file of a route; no row is taken, nothing is sent."""
        profile = living(profile_id)
        route = next((one for one in profile.live_routes if one.id == route_id), None)
        if route is None or profile.export_type not in FILE_KINDS:
            abort(404)
        try:
            return dry_run(profile, route, actor=actor())
        except NoFile as error:
            flash(str(error), "error")
            return redirect(url_for(".one", profile_id=profile_id))


def _look_at_files(profile: Profile, wanted: str) -> dict[str, Any]:
    found = stored(profile, wanted) if wanted else None
    event = found[0] if found else None
    seen = look_at_files(profile, sample_event(profile), event=event)
    return seen | {"wanted": wanted, "event_key": event.event_key if event else None, "dry_run": True}


def look(profile: Profile, wanted: str = "") -> dict[str, Any]:
    """Give what `preview_request.html` shows: the request and the event it is for, or why there can be none."""
    found = stored(profile, wanted or _late_event(profile))
    event, delivery_id = found or (sample_event(profile), SAMPLE_DELIVERY)
    seen = {"event": event, "is_sample": found is None, "wanted": wanted, "fault": None, "request_shown": None}
    try:
        return seen | {"request_shown": shown(write(profile, event, delivery_id, utc_now()))}
    except Refusal as refusal:
        return seen | {"fault": refusal.sentence}


def stored(profile: Profile, key: str | None) -> tuple[NewEvent, int] | None:
    """Find an event by its id, else the last one of the order of this number."""
    if key is None or "\x00" in key:
        return None
    try:
        return stored_event(profile, key)
    except Refusal:
        last = sa.select(Event.event_key).where(Event.order_key == key).order_by(Event.id.desc()).limit(1)
        found = db.session.scalar(last)
        return None if found is None else stored_event(profile, found)


def _late_event(profile: Profile) -> str | None:
    types = {route.customer_type for route in profile.live_routes}
    latest = sa.select(Event.id, Event.customer_type).order_by(Event.id.desc()).limit(LOOK_BACK).subquery()
    found = sa.select(latest.c.id).where(latest.c.customer_type.in_(types)).order_by(latest.c.id.desc()).limit(1)
    return db.session.scalar(sa.select(Event.event_key).where(Event.id == found.scalar_subquery()))
