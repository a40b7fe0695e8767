"""Files: the runs of file profiles, newest first; a run's page has its uploads, their tries, and what can be done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from sqlalchemy.orm import selectinload

from models.account import Role
from models.audit import differences
from models.base import db, utc_now
from models.gates import shown_run_state
from models.ledger import FILE_KINDS
from models.profile import Gate, Profile
from models.run import Run, RunState, Upload, UploadState
from models.snapshots import take
from web import installed, run_acts, runs
from web.admin import asked
from web.admin.page import PAGE_SIZE, Page
from web.downloads import Gone, NotYet, attachment
from web.guard import actor, needs

STATES = {
    "planned": "planned: waits for its time",
    "claimed": "claimed: being written",
    "written": "written",
    "empty": "empty: no rows, no file",
    "held": "held: waits for its profile or a person",
    "cancelled": "cancelled",
}
UPLOADS = {
    "failing": "failing: tried, not there yet",
    "pending": "pending: waits for its time",
    "leased": "leased: on its way",
    "held": "held: waits for its profile or a person",
    "delivered": "delivered",
    "cancelled": "cancelled",
}
MOST_TRIES = 50
UNTOLD = frozenset({"version", "uuid"})
"""Keys of a snapshot that differ by themselves."""

OPEN_UPLOADS = frozenset({UploadState.PENDING, UploadState.LEASED, UploadState.HELD})


class Runs(Page):
    """The list, the page of one, and what an operator may do to it."""

    @expose("/")
    def index(self) -> str:
        """List runs by profile, state and upload; pages are cut by id, never counted."""
        before = asked.number("before")
        rows = db.session.execute(_filtered(before).limit(PAGE_SIZE + 1)).all()
        return str(
            self.render(
                "admin/runs.html",
                rows=[(row, runs.route_line(row), runs.error_of(row)) for row in rows[:PAGE_SIZE]],
                older=rows[PAGE_SIZE - 1].id if len(rows) > PAGE_SIZE else None,
                is_newest=before is None,
                profiles=db.session.execute(_profiles()).all(),
                states=STATES,
                uploads=UPLOADS,
                asked={name: asked.text(name) for name in ("profile", "state", "upload")},
            )
        )

    @expose("/<int:run_id>")
    def one(self, run_id: int) -> str:
        """Show one run: its file, its uploads with every try, the settings it was made with."""
        row = db.session.execute(runs.listed().where(Run.id == asked.row_id(run_id))).one_or_none() or abort(404)
        run = db.session.get_one(Run, run_id)
        gate = db.session.get(Gate, run.profile_id)
        uploads = _uploads(run_id)
        return str(
            self.render(
                "admin/run.html",
                page_name=run.file_name or f"Run {run.id}",
                row=row,
                run=run,
                route=runs.route_line(row),
                error=runs.error_of(row),
                fault=gate.fault_message if gate else None,
                is_due=row.state == RunState.PLANNED and run.due_at <= utc_now(),
                is_stopped=bool(gate and gate.fault) and run.profile.deleted_at is None,
                uploads=uploads,
                most_tries=MOST_TRIES,
                parts=_parts(run),
                may_do=_may_do(run, uploads),
                changes=_changes(run),
            )
        )

    @expose("/<int:run_id>/file", methods=("POST",))
    @needs(Role.OPERATOR)
    def file(self, run_id: int) -> ResponseReturnValue:
        """Download the file."""
        try:
            return attachment(_existing(run_id), actor=actor())
        except (NotYet, Gone) as error:
            flash(str(error), "error")
            return redirect(url_for(".one", run_id=run_id))

    @expose("/<int:run_id>/again", methods=("POST",))
    @needs(Role.OPERATOR)
    def again(self, run_id: int) -> ResponseReturnValue:
        """Upload the same bytes once more."""
        return _do(run_id, _send_again)

    @expose("/<int:run_id>/make", methods=("POST",))
    @needs(Role.OPERATOR)
    def make(self, run_id: int) -> ResponseReturnValue:
        """Make a new file of the same rows with today's settings."""
        return _do(run_id, _make_again)

    @expose("/<int:run_id>/back", methods=("POST",))
    @needs(Role.OPERATOR)
    def back(self, run_id: int) -> ResponseReturnValue:
        """Let the rows go into the next run."""
        return _do(run_id, _give_back)

    @expose("/<int:run_id>/cancel", methods=("POST",))
    @needs(Role.OPERATOR)
    def cancel(self, run_id: int) -> ResponseReturnValue:
        """Give it up, in the name of the person who says why."""
        return _do(run_id, _cancel)


def _do(run_id: int, act: Callable[[Run], str]) -> ResponseReturnValue:
    """Do what a person asked for, commit, ring and say it; what is not possible is said, too."""
    run = _existing(run_id)
    try:
        done = act(run)
    except run_acts.NotPossible as error:
        db.session.rollback()
        flash(str(error), "error")
    else:
        db.session.commit()
        installed.ring_files()
        flash(done, "success")
    return redirect(url_for(".one", run_id=run_id))


def _send_again(run: Run) -> str:
    run_acts.send_again(db.session(), run, actor=actor())
    return "The same bytes are uploaded again."


def _make_again(run: Run) -> str:
    made = run_acts.make_again(db.session(), run, actor=actor())
    if made.id == run.id:
        return "The file is made again, of the same rows, with today's settings."
    return f"A new file of the same rows is made with today's settings: run {made.id}."


def _give_back(run: Run) -> str:
    count = run_acts.give_back(db.session(), run, actor=actor())
    return f"{count} {'order waits' if count == 1 else 'orders wait'} for the next run again."


def _cancel(run: Run) -> str:
    run_acts.cancel(db.session(), run, actor=actor(), reason=request.form.get("reason", ""))
    return "Cancelled."


def _existing(run_id: int) -> Run:
    return db.session.get(Run, asked.row_id(run_id)) or abort(404)


def _may_do(run: Run, uploads: list[Upload]) -> dict[str, bool]:
    """Say which buttons make sense; the moves themselves have the last word."""
    has_bytes = run.state == RunState.WRITTEN and run.bytes_gone_at is None
    was_seen = run.downloaded_at is not None or any(upload.renaming_at is not None for upload in uploads)
    is_open = run.state in {RunState.PLANNED, RunState.CLAIMED, RunState.HELD}
    return {
        "download": has_bytes,
        "again": has_bytes and run.profile.export_type == "ftp" and run.profile.deleted_at is None,
        "make": run.state in {RunState.WRITTEN, RunState.HELD} and run.profile.deleted_at is None,
        "back": run.state in {RunState.WRITTEN, RunState.HELD} and run.source_id is None and not was_seen,
        "cancel": is_open or any(upload.state in OPEN_UPLOADS for upload in uploads),
    }


def _uploads(run_id: int) -> list[Upload]:
    """Give a run's uploads, the last first."""
    query = sa.select(Upload).where(Upload.run_id == run_id).order_by(Upload.id.desc())
    return list(db.session.scalars(query.options(selectinload(Upload.attempts))))


def _parts(run: Run) -> list[sa.Row[Any]]:
    """Name the other parts of the same file."""
    same = (Run.route_id == run.route_id, Run.slot == run.slot, Run.id != run.id)
    return list(db.session.execute(sa.select(Run.id, Run.part, Run.file_name).where(*same).order_by(Run.part)))


def _changes(run: Run) -> list[tuple[str, Any, Any]]:
    """List what is set otherwise today than when the file was made."""
    if run.snapshot is None or run.profile.deleted_at is not None:
        return []
    today = take(run.profile, run.route, account_time_zone=installed.config().account_time_zone)
    then, now = ({key: value for key, value in one.items() if key not in UNTOLD} for one in (run.snapshot, today))
    return differences(then, now)


def _filtered(before: int | None) -> sa.Select[Any]:
    statement = runs.listed().order_by(Run.id.desc())
    if before is not None:
        statement = statement.where(Run.id < before)
    if (profile_id := asked.number("profile")) is not None:
        statement = statement.where(Run.profile_id == profile_id)
    if state := asked.one_of("state", STATES):
        statement = statement.where(shown_run_state == state)
    if (upload := asked.one_of("upload", UPLOADS)) == "failing":
        statement = statement.where(runs.last_upload.state == "pending", runs.last_upload.failures > 0)
    elif upload:
        statement = statement.where(runs.upload_state == upload)
    return statement


def _profiles() -> sa.Select[Any]:
    return (
        sa.select(Profile.id, Profile.name, Profile.deleted_at)
        .where(Profile.export_type.in_(FILE_KINDS))
        .order_by(Profile.deleted_at.is_not(None), sa.func.lower(Profile.name))
    )
