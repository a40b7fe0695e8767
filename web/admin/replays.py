"""Replays: something is done to many deliveries as a job. Counted before, watched, paused, stopped."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from markupsafe import Markup

from models import replay
from models.account import Role
from models.base import db
from models.by_hand import Deed
from models.job import ENDED, Job
from models.profile import Profile
from web import audit, installed, zone
from web.admin import asked
from web.admin.page import PAGE_SIZE, Page
from web.admin.shown import when
from web.audit import Act
from web.delivery_acts import ACTS, WORDS
from web.forms.replay import ReplayForm
from web.guard import actor, needs

MOVES = {"pause": replay.pause, "resume": replay.go_on, "stop": replay.stop}
OF_MANY = ACTS | {Deed.SEND_AGAIN: Act.REPLAYED}
DONE = {"pause": "It rests now.", "resume": "It goes on.", "stop": "It is stopped; what it has made due stays due."}


class Replays(Page):
    """The list, a new one, and one under way."""

    @expose("/")
    def index(self) -> str:
        """List replays, newest first."""
        query = sa.select(Job).where(Job.kind == "replay").order_by(Job.id.desc()).limit(PAGE_SIZE + 1)
        if (before := asked.number("before")) is not None:
            query = query.where(Job.id < before)
        found = db.session.scalars(query).all()
        older = found[PAGE_SIZE - 1].id if len(found) > PAGE_SIZE else None
        jobs = [(job, in_words(job)) for job in found[:PAGE_SIZE]]
        return str(self.render("admin/replays.html", jobs=jobs, older=older))

    @expose("/new", methods=("GET", "POST"))
    @needs(Role.OPERATOR)
    def new(self) -> ResponseReturnValue:
        """Ask which deliveries, count them, and start when the count was seen."""
        form = ReplayForm(formdata=request.form if request.method == "POST" else request.args)
        form.profile.choices = _profile_choices()
        matched = None
        if request.method == "POST" and form.validate():
            filters = form.filters(zone.of_person())
            deed = Deed(form.deed.data)
            matched = replay.count(db.session(), filters, deed)
            if request.form.get("seen") == f"{deed} {matched}" and matched:
                return self._start(filters, matched, form)
        return str(
            self.render(
                "admin/replay_new.html",
                page_name="Many deliveries",
                form=form,
                matched=matched,
                deeds=WORDS,
                back=url_for(".index"),
            )
        )

    @expose("/<int:job_id>")
    def one(self, job_id: int) -> str:
        """Show how far a replay is; the page renews itself until the end."""
        job = _known(job_id)
        return str(
            self.render(
                "admin/replay.html",
                page_name=f"Replay {job.id}",
                job=job,
                words=in_words(job),
                has_ended=job.state in ENDED,
                share=round(100 * job.done / job.total) if job.total else 100,
            )
        )

    @expose("/<int:job_id>/<any(pause, resume, stop):move>", methods=("POST",))
    @needs(Role.OPERATOR)
    def move(self, job_id: int, move: str) -> ResponseReturnValue:
        """Pause, go on, or stop."""
        job = _known(job_id, for_update=True)
        try:
            MOVES[move](job)
        except replay.NotPossible as error:
            flash(str(error), "error")
        else:
            audit.note(Act.CHANGED, str(job), actor=actor(), text=move)
            db.session.commit()
            flash(DONE[move], "success")
        return redirect(url_for(".one", job_id=job_id))

    @staticmethod
    def _start(filters: replay.Filters, matched: int, form: ReplayForm) -> ResponseReturnValue:
        deed, reason = Deed(form.deed.data), (form.reason.data or "").strip()
        job = replay.start(
            db.session(), filters, actor=actor(), matched=matched, per_second=form.pace, deed=deed, reason=reason
        )
        text = f"{matched} deliveries{f': {reason}' if reason else ''}"
        audit.note(OF_MANY[deed], str(job), actor=actor(), text=text, after=filters.document())
        number = job.id
        db.session.commit()
        installed.ring()
        return redirect(url_for(".one", job_id=number))


def in_words(job: Job) -> Markup:
    """Say which deliveries a replay takes."""
    given: dict[str, Any] = job.arguments.get("filters", {})
    deed = Deed(job.arguments.get("deed", Deed.SEND_AGAIN))
    parts: list[str] = [
        f"{WORDS[deed]}:",
        f"{given['state']} deliveries" if "state" in given else "deliveries",
        f'of "{given["profile"]}"' if "profile" in given else "of all profiles",
    ]
    for key, words in (
        ("customer_id", "of customer {}"),
        ("event_id", "of event {}"),
        ("order_key", "of order {}"),
        ("status", "refused with {}"),
        ("delivery_id", "number {}"),
    ):
        if key in given:
            parts.append(words.format(given[key]))
    for key, words in (("since", "accepted from {}"), ("until", "accepted before {}")):
        if key in given:
            parts.append(Markup(words).format(when(datetime.fromisoformat(given[key]))))  # noqa: S704 -- words of ours
    if reason := job.arguments.get("reason"):
        parts.append(f"because: {reason},")
    if pace := job.arguments.get("per_second"):
        parts.append(f"at {float(pace):g} a second")
    return Markup(" ").join(parts)


def _known(job_id: int, *, for_update: bool = False) -> Job:
    job = db.session.get(Job, asked.row_id(job_id), with_for_update=for_update or None)
    if job is None or job.kind != "replay":
        abort(404)
    return job


def _profile_choices() -> list[tuple[str, str]]:
    names = db.session.scalars(
        sa.select(Profile.name)
        .where(Profile.deleted_at.is_(None), Profile.export_type == "postback")
        .order_by(sa.func.lower(Profile.name))
    )
    return [("", "All profiles"), *((name, name) for name in names)]
