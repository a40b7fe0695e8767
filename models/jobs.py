"""Carry out the jobs that are written down, a batch in a transaction. What dies half way goes on where it was."""

from __future__ import annotations

import logging
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.orm import Session

from models import backfill, replay
from models.job import GOING, Job

log = logging.getLogger(__name__)

KINDS: dict[str, Callable[[Session, Job], bool]] = {"backfill": backfill.run_batch, "replay": replay.run_batch}


def run_one_batch(engine: sa.Engine) -> bool:
    """Do the next batch of the oldest open job nobody else is at. Returns whether there was one."""
    with Session(engine) as session, session.begin():
        job = session.scalars(
            sa.select(Job)
            .where(Job.state.in_(GOING), Job.next_at <= sa.func.now())
            .order_by(Job.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        ).one_or_none()
        if job is None:
            return False
        try:
            with session.begin_nested():
                has_more = KINDS[job.kind](session, job)
        except (
            sa.exc.OperationalError,
            sa.exc.InterfaceError,
        ):  # no connection, no lock in time: the next tick goes on with it
            raise
        except Exception:  # it would fail for ever, and no other job would ever begin
            log.exception("job.failed", extra={"job_id": job.id, "kind": job.kind})
            job.state, job.finished_at = "failed", sa.func.now()
            job.error = "it cannot be carried out; the log says why"
            return True
        if has_more:
            job.state = "running"
        else:
            job.state, job.finished_at = "done", sa.func.now()
            log.info("job.done", extra={"job_id": job.id, "kind": job.kind, "done": job.done})
        return True
