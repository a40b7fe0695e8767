"""The part of a customer's history that tells of files: one entry for each row a file profile owes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from models.event import Event
from models.gates import run_gate_reason, shown_upload_state, upload_gate_reason
from models.history_lines import FileRow, file_text
from models.profile import Gate, Profile, Route
from models.run import FileItem, Run, RunState, Upload, UploadState

FILES = 2
"""The kind of these rows in the history's order, after events and deliveries."""

_telling = (
    sa.select(Upload)
    .where(Upload.run_id == Run.id, ~Upload.looks_only)
    .order_by((Upload.state == UploadState.DELIVERED.value).desc(), Upload.id.desc())
    .limit(1)
    .correlate(Run)
    .lateral("telling_upload")
)
_upload = aliased(Upload, _telling)
_upload_state = shown_upload_state(_upload)

_IS_WRITTEN = Run.state == RunState.WRITTEN.value
_IS_WAITING = FileItem.run_id.is_(None)

# A file that nobody uploads is at its place once it is written.
_STATE = sa.case(
    (FileItem.skipped.is_not(None), sa.literal("skipped")),
    (sa.and_(_IS_WAITING, run_gate_reason.is_not(None)), sa.literal("held")),
    (_IS_WAITING, sa.literal("pending")),
    (Run.state.in_([RunState.HELD.value, RunState.CANCELLED.value]), Run.state),
    (sa.not_(_IS_WRITTEN), sa.literal("pending")),
    else_=sa.func.coalesce(_upload_state, sa.literal("delivered")),
)
_REASON = sa.case(
    (FileItem.skipped.is_not(None), FileItem.skipped),
    (_IS_WAITING, run_gate_reason),
    (Run.state.in_([RunState.HELD.value, RunState.CANCELLED.value]), sa.func.coalesce(Run.error, Run.state)),
    (sa.not_(_IS_WRITTEN), sa.literal("its file is being written")),
    (_upload.state == UploadState.LEASED.value, sa.literal("being uploaded")),
    (_upload.state == UploadState.CANCELLED.value, _upload.error),
    (_upload.state == UploadState.HELD.value, sa.func.coalesce(upload_gate_reason, sa.literal("needs a person"))),
    else_=upload_gate_reason,
)
_AT = sa.case(
    (sa.or_(FileItem.run_id.is_(None), FileItem.skipped.is_not(None)), FileItem.created_at),
    else_=sa.func.coalesce(_upload.finished_at, Run.written_at, Run.claimed_at, FileItem.created_at),
)


def in_files(customer_id: str) -> sa.Select[Any]:
    """Select the customer's rows in files, with the columns the history has of every entry."""
    return (
        sa.select(
            _AT.label("at"),
            sa.literal(FILES).label("kind"),
            FileItem.id.label("row_id"),
            Event.event_key,
            Event.customer_type,
            Event.order_key,
            Event.customer_id,
            _STATE.label("state"),
            _REASON.label("reason"),
            Profile.name.label("profile"),
            Profile.id.label("profile_id"),
            sa.cast(sa.null(), sa.DateTime(timezone=True)).label("due_at"),
            FileItem.created_at,
            sa.literal(0).label("tries"),
            sa.case((_IS_WRITTEN, FileItem.run_id), else_=sa.null()).label("run_id"),
        )
        .select_from(FileItem)
        .join(Event, Event.id == FileItem.event_id)
        .join(Route, Route.id == FileItem.route_id)
        .join(Profile, Profile.id == Route.profile_id)
        .join(Gate, Gate.profile_id == Profile.id)
        .outerjoin(Run, Run.id == FileItem.run_id)
        .outerjoin(_upload, sa.true())
        .where(Event.customer_id == customer_id)
    )


def places(session: Session, item_ids: Sequence[int]) -> dict[int, sa.Row[Any]]:
    """Say in which file these rows stand, and at which place in it; rows of no written file are left out."""
    if not item_ids:
        return {}
    before = aliased(FileItem)
    place = (
        sa.select(sa.func.count())
        .where(before.run_id == FileItem.run_id, before.event_id <= FileItem.event_id)
        .scalar_subquery()
    )
    query = (
        sa.select(
            FileItem.id,
            Run.file_name,
            place.label("place"),
            (Run.snapshot["settings"]["rowPer"].astext == "item").label("has_several"),
            sa.case((_upload.state != UploadState.DELIVERED.value, _upload.error)).label("trouble"),
        )
        .join(Run, Run.id == FileItem.run_id)
        .outerjoin(_upload, sa.true())
        .where(FileItem.id.in_(item_ids), _IS_WRITTEN)
    )
    return {row.id: row for row in session.execute(query)}


def line(row: sa.Row[Any], subject: str, found: Any) -> str:
    """Write the entry of a row, without the word View. found: its place, None when no file has it yet."""
    given: dict[str, Any] = {}
    if found is not None:
        word = "order" if found.has_several else "row"
        given = {"file": found.file_name, "place": f"{word} {found.place}", "trouble": found.trouble}
    told = FileRow(
        subject=subject, profile=row.profile, profile_id=row.profile_id, state=row.state, reason=row.reason, **given
    )
    return file_text(told)
