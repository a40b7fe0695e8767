"""What a person does to files: send again, make again, give rows back, cancel, resume. Their names go into the row.

The caller owns the transaction: commit, then ring. Every move locks its run first, so that no two meet.
"""

from __future__ import annotations

import logging

import sqlalchemy as sa
from sqlalchemy.orm import Session

from models import routing, run_plans
from models.base import utc_now
from models.profile import Profile, Route
from models.run import FileItem, Run, RunState, Upload, UploadState

log = logging.getLogger(__name__)

_OPEN = (UploadState.PENDING, UploadState.LEASED, UploadState.HELD)
_BEFORE_THE_END = (RunState.PLANNED, RunState.CLAIMED, RunState.HELD)


class NotPossible(Exception):
    """The move cannot be made; one sentence says why."""


def send_again(session: Session, run: Run, *, actor: str) -> Upload:
    """Upload the same bytes once more. An upload that still waits is due now instead. Raises NotPossible."""
    _lock(session, run)
    _refuse_deleted(session, run)
    uploads = _uploads(session, run)
    if run.state != RunState.WRITTEN:
        raise NotPossible(f"This file is {run.state}: there is nothing to send yet.")
    if not uploads:
        raise NotPossible("Files of this profile are fetched by download, not uploaded.")
    if run.bytes_gone_at is not None:
        raise NotPossible("The bytes of this file are gone: its retention is over.")
    last = uploads[-1]
    if last.state == UploadState.LEASED:
        raise NotPossible("This file is being uploaded right now.")
    if last.state in _OPEN:
        _try_afresh(session, Upload.id == last.id)
        session.refresh(last)
    else:
        last = Upload(run_id=run.id, profile_id=run.profile_id, created_by=actor)
        session.add(last)
    session.flush()  # its id is told
    log.info("run.sent_again", extra={"run_id": run.id, "upload_id": last.id, "actor": actor})
    return last


def make_again(session: Session, run: Run, *, actor: str) -> Run:
    """Make a new file of the same rows with today's settings; the ledger keeps the first. Raises NotPossible.

    A file that could not be made has nothing to keep: it is planned again itself, with its rows.
    """
    session.execute(sa.select(Route.id).where(Route.id == run.route_id).with_for_update(key_share=True))
    _lock(session, run)
    _refuse_deleted(session, run)
    if run.state == RunState.HELD:
        replan(session, Run.id == run.id)
        session.refresh(run)
        again = run
    elif run.state == RunState.WRITTEN:
        again = _copy(session, run, actor)
    else:
        raise NotPossible(f"This file is {run.state}: there is nothing to make again.")
    log.info("run.made_again", extra={"run_id": run.id, "new_run_id": again.id, "actor": actor})
    return again


def give_back(session: Session, run: Run, *, actor: str) -> int:
    """Give a run's rows back to the ledger, for the next run. Returns how many. Raises NotPossible.

    Only rows that nobody can have seen: no upload came to its renaming, and nobody downloaded the file, nor another
    one made of the same rows.
    """
    _lock(session, run)
    _refuse_deleted(session, run)
    if run.source_id is not None:
        raise NotPossible(f"The rows of this file belong to run {run.source_id}: give them back there.")
    if run.state == RunState.CLAIMED:
        raise NotPossible("This file is being made right now: cancel it first.")
    family = session.scalars(
        sa.select(Run).where(sa.or_(Run.id == run.id, Run.source_id == run.id)).order_by(Run.id).with_for_update()
    ).all()
    for one in family:
        _refuse_seen(session, one)
        if one.id != run.id and one.state != RunState.CANCELLED:
            raise NotPossible(f"Run {one.id} was made of the same rows: cancel it first.")
    given = session.execute(
        sa.update(FileItem)
        .where(FileItem.run_id == run.id)
        .values(run_id=None, forced=True)
        .returning(FileItem.id)
        .execution_options(synchronize_session=False)
    ).all()
    if not given:
        raise NotPossible("This file has no rows.")
    reason = f"rows given back by {actor}"
    _cancel_uploads(session, Upload.run_id == run.id, reason)
    _cancel_run(session, run, reason)
    log.info("run.given_back", extra={"run_id": run.id, "rows": len(given), "actor": actor})
    return len(given)


def cancel(session: Session, run: Run, *, actor: str, reason: str) -> None:
    """End what is still open: the file before it is written, or its upload before the renaming. Raises NotPossible.

    The rows stay with the run: they are not exported any more unless they are given back.
    """
    _lock(session, run)
    text = f"cancelled by {actor}: {reason}"
    if run.state in _BEFORE_THE_END:
        _cancel_run(session, run, text)
    else:
        uploads = [upload for upload in _uploads(session, run) if upload.state in _OPEN]
        if any(upload.state == UploadState.LEASED and upload.phase == "renaming" for upload in uploads):
            raise NotPossible("This file is getting its final name right now.")
        if not uploads and not _is_unseen_copy(session, run):
            raise NotPossible("There is nothing open to cancel.")
        _cancel_uploads(session, Upload.run_id == run.id, text)
        if run.source_id is not None and _is_unseen_copy(session, run):
            _cancel_run(session, run, text)
    log.info("run.cancelled", extra={"run_id": run.id, "actor": actor, "reason": reason})


def resume(session: Session, profile: Profile, *, actor: str) -> None:
    """Let a profile go on: pause and gate end, held uploads and files that could not be made are tried afresh."""
    profile.paused = False
    profile.version += 1
    session.flush()  # what follows reads the row
    routing.release_held(session, profile.id)
    release(session, profile.id)
    log.info("profile.resumed", extra={"profile_id": profile.id, "actor": actor})


def release(session: Session, profile_id: int) -> None:
    """Try afresh what waits for a person, or for an hour that a server asked for. The gate is the caller's matter."""
    _try_afresh(session, Upload.profile_id == profile_id, Upload.state.in_((UploadState.PENDING, UploadState.HELD)))
    replan(session, Run.profile_id == profile_id, Run.state == RunState.HELD)


def end_all(session: Session, profile_id: int, *, reason: str) -> None:
    """Cancel all that is open of a profile that goes. Its rows stay with their runs."""
    _cancel_uploads(session, Upload.profile_id == profile_id, reason)
    _cancel_runs(session, reason, Run.profile_id == profile_id, Run.state.in_(_BEFORE_THE_END))


def replan(session: Session, *which: sa.ColumnElement[bool]) -> None:
    """Plan runs again: they keep their rows and take today's settings."""
    session.execute(
        sa.update(Run)
        .where(*which)
        .values(state=RunState.PLANNED.value, snapshot=None, error=None, tries=0, due_at=sa.func.now())
        .execution_options(synchronize_session=False)
    )


def downloaded(session: Session, run: Run, *, actor: str) -> None:
    """Note that somebody has the file now: its rows cannot be given back any more."""
    session.execute(
        sa.update(Run)
        .where(Run.id == run.id)
        .values(downloaded_at=sa.func.now())
        .execution_options(synchronize_session=False)
    )
    log.info("run.downloaded", extra={"run_id": run.id, "actor": actor})


def _copy(session: Session, run: Run, actor: str) -> Run:
    """Plan a run over the rows of another. It is a file of the same time, under a slot of its own."""
    source = run.source_id or run.id
    has_rows = session.scalar(sa.select(sa.exists().where(FileItem.run_id == source)))
    if not has_rows:
        raise NotPossible("This file has no rows to make it of.")
    again = Run(
        profile_id=run.profile_id,
        route_id=run.route_id,
        slot=run_plans.next_manual(session, run.profile_id),
        slot_at=run.slot_at,
        period=run.period,
        source_id=source,
        due_at=utc_now(),
        created_by=actor,
    )
    session.add(again)
    session.flush()  # its id is told
    return again


def _lock(session: Session, run: Run) -> None:
    """Hold the run to the end of the transaction and read it anew. Not FOR UPDATE: chunks being written refer to it."""
    session.refresh(run, with_for_update={"key_share": True})


def _refuse_deleted(session: Session, run: Run) -> None:
    if session.scalar(sa.select(Profile.deleted_at).where(Profile.id == run.profile_id)) is not None:
        raise NotPossible("The profile of this file is deleted.")


def _refuse_seen(session: Session, run: Run) -> None:
    if run.downloaded_at is not None:
        raise NotPossible(f"Run {run.id} was downloaded: its rows may be in use already.")
    for upload in _uploads(session, run):
        if upload.state == UploadState.DELIVERED or upload.renaming_at is not None:
            raise NotPossible(f"An upload of run {run.id} came to its final name: its rows may be in use already.")
        if upload.state == UploadState.LEASED:
            raise NotPossible(f"Run {run.id} is being uploaded right now: cancel it first.")


def _is_unseen_copy(session: Session, run: Run) -> bool:
    """Say whether a run was made of another one's rows, and nobody has its file."""
    if run.source_id is None or run.state == RunState.CANCELLED or run.downloaded_at is not None:
        return False
    uploads = _uploads(session, run)
    return not any(one.state == UploadState.DELIVERED or one.renaming_at is not None for one in uploads)


def _uploads(session: Session, run: Run) -> list[Upload]:
    """Give a run's uploads, oldest first, as they are now, held to the end of the transaction."""
    statement = sa.select(Upload).where(Upload.run_id == run.id).order_by(Upload.id).with_for_update()
    return list(session.scalars(statement.execution_options(populate_existing=True)))


def _try_afresh(session: Session, *which: sa.ColumnElement[bool]) -> None:
    session.execute(
        sa.update(Upload)
        .where(*which)
        .values(state=UploadState.PENDING.value, failures=0, login_failures=0, error=None, due_at=sa.func.now())
        .execution_options(synchronize_session=False)
    )


def _cancel_uploads(session: Session, which: sa.ColumnElement[bool], reason: str) -> None:
    """Cancel open uploads. One under way loses its lease, and with it the right to begin its renaming."""
    session.execute(
        sa.update(Upload)
        .where(which, Upload.state.in_(_OPEN))
        .values(
            state=UploadState.CANCELLED.value,
            error=reason,
            finished_at=sa.func.now(),
            lease_token=None,
            lease_until=None,
            leased_by=None,
        )
        .execution_options(synchronize_session=False)
    )


def _cancel_run(session: Session, run: Run, reason: str) -> None:
    _cancel_runs(session, reason, Run.id == run.id)
    session.refresh(run)


def _cancel_runs(session: Session, reason: str, *which: sa.ColumnElement[bool]) -> None:
    """Cancel runs. One being written loses its lease, and with it the right to finish."""
    session.execute(
        sa.update(Run)
        .where(*which)
        .values(state=RunState.CANCELLED.value, error=reason, lease_token=None, lease_until=None, leased_by=None)
        .execution_options(synchronize_session=False)
    )
