"""Profiles: the list, and what can be done to one without opening it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from sqlalchemy.orm import selectinload

from models import routing
from models.account import Role
from models.base import db, utc_now
from models.delivery import Attempt, Delivery
from models.gates import gate_reason
from models.ledger import FILE_KINDS
from models.profile import Gate, Profile
from web import installed, profile_documents, run_acts
from web.admin import asked
from web.admin.file_states import file_states
from web.admin.page import PAGE_SIZE, Page
from web.admin.route_words import route_words
from web.admin.targets import is_clear_text, label_of, target_of
from web.guard import actor, needs

LOOK_BACK = 2_000
OPEN = ("pending", "leased", "held")


class Profiles(Page):
    """The list of profiles."""

    @expose("/")
    def index(self) -> str:
        """List profiles by name, with what waits and what became of the last try."""
        page = min(asked.number("page") or 0, 1000)
        wanted = asked.text("q")
        rows = db.session.execute(_listed(wanted).limit(PAGE_SIZE + 1).offset(page * PAGE_SIZE)).all()
        ids = [row.Profile.id for row in rows[:PAGE_SIZE]]
        return str(
            self.render(
                "admin/profiles.html",
                rows=[(row, target_of(row.Profile), label_of(row.Profile.export_type)) for row in rows[:PAGE_SIZE]],
                files=file_states([row.Profile for row in rows[:PAGE_SIZE]], utc_now()),
                is_clear_text=is_clear_text,
                routes=route_words(row.Profile for row in rows[:PAGE_SIZE]),
                waiting={row.profile_id: row.count for row in db.session.execute(waiting_of(ids))},
                last={row.profile_id: row for row in db.session.execute(_last_results())},
                wanted=wanted,
                page=page,
                has_more=len(rows) > PAGE_SIZE,
            )
        )

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


def waiting_of(profile_ids: list[int]) -> sa.Select[Any]:
    """Count the open deliveries of these profiles."""
    return (
        sa.select(Delivery.profile_id, sa.func.count().label("count"))
        .where(Delivery.profile_id.in_(profile_ids), Delivery.state == "pending")
        .group_by(Delivery.profile_id)
    )


def _listed(wanted: str) -> sa.Select[Any]:
    statement = (
        sa.select(Profile, gate_reason.label("closed"), Gate.fault, Gate.fault_message)
        .outerjoin(Gate, Gate.profile_id == Profile.id)
        .where(Profile.deleted_at.is_(None))
        .options(selectinload(Profile.mappings), selectinload(Profile.routes))
        .order_by(sa.func.lower(Profile.name))
    )
    if wanted:
        statement = statement.where(sa.func.lower(Profile.name).contains(wanted.lower(), autoescape=True))
    return statement


def _last_results() -> sa.Select[Any]:
    """Find each profile's last result among the latest attempts of all."""
    latest = sa.select(Attempt).order_by(Attempt.started_at.desc()).limit(LOOK_BACK).subquery()
    return (
        sa.select(
            Delivery.profile_id,
            Delivery.id.label("delivery_id"),
            latest.c.outcome,
            latest.c.status,
            latest.c.error,
            latest.c.started_at,
        )
        .join(Delivery, Delivery.id == latest.c.delivery_id)
        .distinct(Delivery.profile_id)
        .order_by(Delivery.profile_id, latest.c.started_at.desc())
    )
