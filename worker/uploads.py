"""One try of an upload: the file on its way to its server, with every step written down before it is begun.

No transaction is open while the server is talked to. Whoever dies here is followed by somebody who reads how far it
came.
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from time import monotonic, sleep
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from exporters.base import Door, Phase, Receipt, RunFile, Sending
from exporters.errors import ExporterError, NeedsPerson
from models import chunks, snapshots
from models.rules import filenames
from models.run import Run
from worker import upload_verdict
from worker.companions import companions
from worker.heart import Heart, Hold, LeaseLost, Stopping
from worker.outage import DATABASE_ERRORS, in_short, is_outage
from worker.upload_claim import Lease
from worker.upload_record import record
from worker.upload_verdict import Ended

log = logging.getLogger(__name__)

TELL_SECONDS = 1.0
"""How often the bytes sent so far are written down."""

PATIENCE_SECONDS = 20.0
"""How long a step waits for a Postgres that is away, before the try is given up; it is less than a lease."""

BEGIN = sa.text(
    """/* uploads: the next step, written down before it is begun */
    UPDATE uploads SET phase = :phase, remote_name = :name,
        renaming_at = CASE WHEN :may_be_seen THEN coalesce(renaming_at, now()) ELSE renaming_at END
    WHERE id = :id AND state = 'leased' AND lease_token = :token"""
)

SENT = sa.text(
    "/* uploads: bytes so far */ UPDATE uploads SET sent_bytes = :sent WHERE id = :id AND lease_token = :token"
)


@dataclass(slots=True)
class Told:
    """The exporter's ear (exporters.base.Progress): commits each step, and ends a try that must not go on."""

    engine: sa.Engine
    lease: Lease
    hold: Hold
    total: int = 0
    told_at: float = 0.0

    def begin(self, phase: Phase, name: str) -> None:
        """Write down the next step. Raises LeaseLost or Stopping; what was sent whole is still brought to its place."""
        if phase is Phase.SENDING:
            self.hold.check()
        elif self.hold.is_lost:
            raise LeaseLost
        values = {
            "id": self.lease.upload_id,
            "token": self.lease.token,
            "phase": phase.value,
            "name": name,
            "may_be_seen": self.lease.way.is_open or phase in {Phase.RENAMING, Phase.DONE},
        }
        if not self._patiently(values):
            self.hold.is_gone = True
            raise LeaseLost

    def sent(self, total: int) -> None:
        """Note how far the file is; once a second also for others. Raises LeaseLost or Stopping."""
        self.hold.check()
        self.total = total
        if monotonic() - self.told_at < TELL_SECONDS:
            return
        self.told_at = monotonic()
        try:
            with self.engine.begin() as connection:
                values = {"id": self.lease.upload_id, "token": self.lease.token, "sent": total}
                connection.execute(SENT, values)
        except DATABASE_ERRORS as error:
            log.warning("upload.not_told", extra={"upload_id": self.lease.upload_id, "error": in_short(error)})

    def _patiently(self, values: dict[str, Any]) -> bool:
        """Commit a step, through a short absence of Postgres. Returns False when the lease is somebody else's."""
        ends = monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with self.engine.begin() as connection:
                    return connection.execute(BEGIN, values).rowcount == 1
            except DATABASE_ERRORS as error:
                if not is_outage(error) or monotonic() > ends or self.hold.is_lost:
                    raise
                sleep(0.25)


def send(engine: sa.Engine, lease: Lease, *, door: Door, heart: Heart) -> Ended | None:
    """Try once and record what came of it. Returns None when the lease was lost. Raises only when Postgres is away."""
    began = monotonic()
    with heart.hold("uploads", lease.upload_id, lease.token) as hold:
        told = Told(engine, lease, hold)
        ended = _try(engine, lease, door, told)
        return ended if _record(engine, lease, ended, told, began) else None


def _try(engine: sa.Engine, lease: Lease, door: Door, told: Told) -> Ended:
    try:
        return upload_verdict.delivered(_place(engine, lease, door, told))
    except Stopping:
        return upload_verdict.cut_off()
    except LeaseLost:
        return Ended("pending", "unknown", "another has taken over")
    except ExporterError as error:
        fault: Exception = error
    except DATABASE_ERRORS as error:
        if is_outage(error):
            return Ended("pending", "unknown", "our database was away, outcome unknown", wait=timedelta(0))
        log.exception("upload.broke", extra={"upload_id": lease.upload_id})
        fault = error
    except Exception as error:
        if told.hold.is_lost:  # whatever it was, it came after
            return Ended("pending", "unknown", "another has taken over")
        log.exception("upload.broke", extra={"upload_id": lease.upload_id})
        fault = error
    return upload_verdict.failed(
        fault, failures=lease.failures, login_failures=lease.login_failures, luck=random.random()
    )


def _place(engine: sa.Engine, lease: Lease, door: Door, told: Told) -> Receipt:
    exporter = lease.way.exporter
    if lease.looks_only:
        return exporter.look(door)
    with Session(engine) as session:
        run = session.get_one(Run, lease.run_id)
        file, folder = _file(session, engine, run), _folder(session, lease, run)
    sending = Sending(
        run_id=run.id,
        number=lease.number,
        folder=folder,
        progress=told,
        came_to=lease.came_to,
        name=lease.remote_name,
    )
    return exporter.place(file, sending, door)


def _file(session: Session, engine: sa.Engine, run: Run) -> RunFile:
    """Give the run's file as it was written, with the companion that goes with it."""
    if run.bytes_gone_at is not None or run.file_name is None or run.sha256 is None:
        raise NeedsPerson("the bytes of this file are gone: its retention is over")
    snapshot = run.snapshot or {}
    return RunFile(
        name=run.file_name,
        size=run.bytes,
        sha256=run.sha256,
        chunks=partial(chunks.stream, engine, run.id),
        companions=companions(
            session.connection(),
            run.id,
            kind=str(snapshot["settings"].get("companion", "none")),
            route=" / ".join(snapshots.route_of(snapshot).words),
        ),
    )


def _folder(session: Session, lease: Lease, run: Run) -> str:
    """Fill in today's folder with what the run knew of itself."""
    sequence = snapshots.sequence(session.connection(), run)
    facts = snapshots.name_facts(run.snapshot or {}, run, rows=run.rows, seq=sequence)
    return filenames.folder(lease.way.folder, facts)


def _record(engine: sa.Engine, lease: Lease, ended: Ended, told: Told, began: float) -> bool:
    """Record, through a short absence of Postgres: what is delivered should not be sent twice for that."""
    while True:
        try:
            return record(engine, lease, ended, sent=told.total, began=began)
        except DATABASE_ERRORS as error:
            if not is_outage(error) or told.hold.is_lost:
                raise
            sleep(0.25)
