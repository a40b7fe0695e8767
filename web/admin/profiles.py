"""Profiles: the list, and what can be done to one without opening it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose

from exporters.registry import KINDS
from models import routing
from models.account import Role
from models.base import db, utc_now
from models.delivery import Delivery
from models.gates import gate_reason
from models.ledger import FILE_KINDS
from models.profile import Gate, Profile, Route
from models.rules.customer_types import CustomerType
from web import installed, profile_documents, run_acts
from web.admin import asked
from web.admin.page import PAGE_SIZE, Page
from web.admin.profile_states import listed, states_of, waiting
from web.admin.route_words import route_words
from web.guard import actor, needs

STATES: dict[str, tuple[str, sa.ColumnElement[bool]]] = {
    "on": ("on", gate_reason.is_(None)),
    "trouble": ("in trouble", sa.and_(Profile.enabled, ~Profile.paused, Gate.fault.is_not(None))),
    "paused": ("paused", sa.and_(Profile.enabled, Profile.paused)),
    "off": ("switched off", Profile.enabled.is_(False)),
}
FILTERS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "type": ("Type", [(exporter.kind, exporter.label) for exporter in KINDS]),
    "state": ("State", [(name, words) for name, (words, _) in STATES.items()]),
    "customers": ("Customer type", [(kind.value, kind.label) for kind in CustomerType]),
}
OPEN = ("pending", "leased", "held")


class Profiles(Page):
    """The list of profiles."""

    @expose("/")
    def index(self) -> str:
        """List profiles by name, with what waits and what became of the last try."""
        page = min(asked.number("page") or 0, 1000)
        wanted = {name: asked.text(name) for name in ("q", *FILTERS)}
        rows = db.session.execute(_listed(wanted).limit(PAGE_SIZE + 1).offset(page * PAGE_SIZE)).all()
        shown = rows[:PAGE_SIZE]
        return str(
            self.render(
                "admin/profiles.html",
                states=states_of(shown, waiting()),
                routes=route_words(row.Profile for row in shown),
                filters=[(name, label, choices) for name, (label, choices) in FILTERS.items()],
                asked=wanted,
                is_filtered=any(wanted.values()),
                now=utc_now(),
                page=page,
                has_more=len(rows) > PAGE_SIZE,
            )
        )

    @expose("/<int:profile_id>/switch", methods=("POST",))
    @needs(Role.EDITOR)
    def switch(self, profile_id: int) -> ResponseReturnValue:
        """Switch a profile on or off, as saving it does: what forbids that is told."""
        profile = living(profile_id)
        is_on = bool(request.form.get("on"))
        document = {**profile_documents.document_of(profile), "enabled": is_on}
        try:
            profile_documents.save(db.session(), document, actor=actor(), profile=profile)
        except profile_documents.Refused as refused:
            db.session.rollback()
            for fault in refused.faults:
                flash(f"{fault.path}: {fault.message}", "error")
            return redirect(url_for("profile.edit", profile_id=profile_id))
        except profile_documents.Busy as busy:
            db.session.rollback()
            flash(str(busy), "error")
            return redirect(url_for(".index"))
        db.session.commit()
        installed.ring()
        installed.ring_files()
        on = "is on: the last 24 hours are made up for" if is_on else "is off: nothing is collected for it"
        flash(f'"{profile.name}" {on}.', "success")
        return redirect(url_for(".index"))

    @expose("/<int:profile_id>/run", methods=("POST",))
    @needs(Role.OPERATOR)
    def run(self, profile_id: int) -> ResponseReturnValue:
        """Make everything that waits due now, or files of it."""
        profile = living(profile_id)
        if profile.export_type in FILE_KINDS:
            return _make_files(profile)
        due = routing.run_now(db.session(), profile.id)
        db.session.commit()
        installed.ring()
        flash(f'"{profile.name}" runs now: {due} due.', "success")
        return redirect(url_for(".index"))

    @expose("/<int:profile_id>/pause", methods=("POST",))
    @needs(Role.OPERATOR)
    def pause(self, profile_id: int) -> ResponseReturnValue:
        """Hold everything; events go on being collected."""
        return self._switch(profile_id, paused=True)

    @expose("/<int:profile_id>/resume", methods=("POST",))
    @needs(Role.OPERATOR)
    def resume(self, profile_id: int) -> ResponseReturnValue:
        """Let go what was held, and try again what waits for a person."""
        return self._switch(profile_id, paused=False)

    @expose("/<int:profile_id>/delete", methods=("GET", "POST"))
    @needs(Role.EDITOR)
    def delete(self, profile_id: int) -> ResponseReturnValue:
        """Say what deleting means; a POST does it."""
        profile = living(profile_id)
        if request.method == "POST":
            return self._delete(profile)
        is_open = (Delivery.profile_id == profile.id, Delivery.state.in_(OPEN))
        waiting = db.session.scalar(sa.select(sa.func.count()).where(*is_open))
        return str(
            self.render("admin/profile_delete.html", page_name="Delete a profile", profile=profile, waiting=waiting)
        )

    @staticmethod
    def _switch(profile_id: int, *, paused: bool) -> ResponseReturnValue:
        profile = living(profile_id)
        if paused:
            profile.paused = True
            profile.version += 1
        else:
            run_acts.resume(db.session(), profile, actor=actor())
        db.session.commit()
        installed.ring()
        installed.ring_files()
        done = "is paused: what comes in is held" if paused else "goes on"
        flash(f'"{profile.name}" {done}.', "success")
        return redirect(url_for("profiles.index"))

    @staticmethod
    def _delete(profile: Profile) -> ResponseReturnValue:
        name = profile.name
        try:
            cancelled = profile_documents.delete(db.session(), profile, actor=actor())
        except profile_documents.Busy as busy:
            db.session.rollback()
            flash(str(busy), "error")
            return redirect(url_for("profiles.index"))
        db.session.commit()
        what = "1 waiting delivery was" if cancelled == 1 else f"{cancelled} waiting deliveries were"
        flash(f'"{name}" is deleted. {what} cancelled in your name.', "success")
        return redirect(url_for(".index"))


def _make_files(profile: Profile) -> ResponseReturnValue:
    try:
        made = run_acts.make_now(db.session(), profile, actor=actor())
    except run_acts.NotPossible as error:
        db.session.rollback()
        flash(str(error), "error")
        return redirect(url_for("profiles.index"))
    db.session.commit()
    installed.ring_files()
    flash(f'"{profile.name}" runs now: {"1 file is" if len(made) == 1 else f"{len(made)} files are"} made.', "success")
    return redirect(url_for("runs.index", profile=profile.id))


def living(profile_id: int) -> Profile:
    """Give a profile that is not deleted; 404 otherwise."""
    profile = db.session.get(Profile, asked.row_id(profile_id))
    if profile is None or profile.deleted_at is not None:
        abort(404)
    return profile


def _listed(wanted: dict[str, str]) -> sa.Select[Any]:
    statement = listed().order_by(sa.func.lower(Profile.name), Profile.id)
    if wanted["q"]:
        statement = statement.where(sa.func.lower(Profile.name).contains(wanted["q"].lower(), autoescape=True))
    if wanted["type"]:
        statement = statement.where(Profile.export_type == wanted["type"])
    if wanted["customers"]:
        takes = sa.exists().where(
            Route.profile_id == Profile.id, Route.enabled, Route.customer_type == wanted["customers"]
        )
        statement = statement.where(takes)
    if wanted["state"]:
        statement = statement.where(STATES.get(wanted["state"], ("", sa.false()))[1])
    return statement
