"""Write one claimed run: from its rows and its snapshot, so that a write that died starts anew and makes the same.

One connection copies, another stores the pieces; bytes, name, numbers, state and the upload are committed together.
"""

from __future__ import annotations

import logging
from time import monotonic
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from exporters.errors import BadSettings
from exporters.registry import file_exporter
from models import snapshots
from models.mapping_rows import UnreadableMappings
from models.rules import filenames
from models.run import Run
from worker import writing
from worker.file_plan import FilePlan
from worker.heart import Heart, Hold, LeaseLost, Stopping
from worker.outage import is_outage
from worker.run_claim import Lease, hold
from worker.writing import Unwritable, Written

log = logging.getLogger(__name__)

NAME_LOCK = 5_714_015
"""With the profile's number: names are given one after the other."""

AGAIN_SECONDS = 60

IS_USED = sa.text(
    """/* runs: was this name used before? */
    SELECT EXISTS (SELECT FROM runs WHERE profile_id = :profile_id AND file_name = :name AND id <> :id)"""
)

FINISH = sa.text(
    """/* runs: claimed -> written, or empty */
    UPDATE runs SET state = :state, written_at = now(), file_name = :file_name, orders = :orders, rows = :rows,
        bytes = :bytes, sha256 = :sha256, replaced = :replaced, stored_packed = :stored_packed, error = NULL,
        lease_token = NULL, lease_until = NULL, leased_by = NULL
    WHERE id = :id AND state = 'claimed' AND lease_token = :token"""
)

UPLOAD = sa.text(
    """/* runs: the file is to go to its server; of a profile that was deleted meanwhile it stays here */
    INSERT INTO uploads (run_id, profile_id, looks_only)
    SELECT w.id, p.id, w.state = 'empty' FROM runs w JOIN profiles p ON p.id = w.profile_id AND p.deleted_at IS NULL
    WHERE w.id = :id"""
)

LET_GO = sa.text(
    """/* runs: somebody else may go on at once */
    UPDATE runs SET lease_token = NULL, lease_until = NULL, leased_by = NULL, tries = tries - :given_back,
        due_at = now() + make_interval(secs => :wait)
    WHERE id = :id AND lease_token = :token"""
)

FREE = sa.text(
    """/* runs: what a dead process of this name was writing */
    UPDATE runs SET lease_token = NULL, lease_until = NULL, leased_by = NULL
    WHERE state = 'claimed' AND leased_by = :name"""
)


def free_leases_of(engine: sa.Engine, name: str) -> int:
    """Free the runs of this process's dead predecessor at once."""
    with engine.begin() as connection:
        return connection.execute(FREE, {"name": name}).rowcount


def make(engine: sa.Engine, lease: Lease, *, heart: Heart) -> bool:
    """Write a claimed run and record what came of it. Returns whether there is a file now, or rightly none.

    Raises only when Postgres is away; the run is taken over then.
    """
    with heart.hold("runs", lease.run_id, lease.token) as held:
        try:
            return _make(engine, lease, held)
        except LeaseLost:
            log.warning("run.lost", extra={"run_id": lease.run_id})
        except Stopping:
            let_go(engine, lease, given_back=1)
        except (Unwritable, BadSettings, UnreadableMappings) as error:
            hold(engine, lease, str(error))
        except Exception as error:
            if is_outage(error):
                raise
            log.exception("run.broke", extra={"run_id": lease.run_id})
            let_go(engine, lease, wait=AGAIN_SECONDS)
    return False


def let_go(engine: sa.Engine, lease: Lease, *, given_back: int = 0, wait: int = 0) -> None:
    """Give a run back to whoever comes, after `wait` seconds. given_back: tries that do not count."""
    values = {"id": lease.run_id, "token": lease.token, "given_back": given_back, "wait": wait}
    with engine.begin() as connection:
        connection.execute(LET_GO, values)


def _make(engine: sa.Engine, lease: Lease, held: Hold) -> bool:
    began = monotonic()
    with Session(engine) as session:
        run = session.get_one(Run, lease.run_id)
        session.expunge(run)
    snapshot = run.snapshot or {}
    profile = snapshots.profile_of(snapshot)
    plan = FilePlan.of(profile, snapshots.route_of(snapshot), account_time_zone=snapshot["accountTimeZone"])
    with engine.begin() as writer:
        if run.orders == 0 and plan.settings.empty_file == "none":
            _finish(writer, lease, {"state": "empty"})
        else:
            with engine.connect() as reader:
                written = writing.write(reader, writer, run, plan, alive=held.check)
            _finish(writer, lease, _facts(written, _name(writer, run, written.file_name)))
        if file_exporter(profile.export_type).uploads:
            writer.execute(UPLOAD, {"id": run.id})
    log.info(
        "run.made",
        extra={"run_id": run.id, "profile_id": run.profile_id, "seconds": round(monotonic() - began, 3)},
    )
    return True


def _facts(written: Written, file_name: str) -> dict[str, Any]:
    return {
        "state": "written",
        "file_name": file_name,
        "orders": written.orders,
        "rows": written.rows,
        "bytes": written.bytes,
        "sha256": written.sha256,
        "replaced": written.replaced,
        "stored_packed": written.stored_packed,
    }


def _name(writer: sa.Connection, run: Run, name: str) -> str:
    """Give the file its name. One that was used before gets a number, unless it is meant to replace the other."""
    if (run.snapshot or {})["settings"].get("overwrite") == "replace":
        return name
    writer.execute(sa.select(sa.func.pg_advisory_xact_lock(NAME_LOCK, sa.cast(run.profile_id % 2**31, sa.Integer))))
    candidate, number = name, 1
    while writer.scalar(IS_USED, {"profile_id": run.profile_id, "name": candidate, "id": run.id}):
        number += 1
        candidate = filenames.numbered(name, number)
    return candidate


def _finish(writer: sa.Connection, lease: Lease, facts: dict[str, Any]) -> None:
    nothing = {
        "file_name": None,
        "orders": 0,
        "rows": 0,
        "bytes": 0,
        "sha256": None,
        "replaced": 0,
        "stored_packed": False,
    }
    values = nothing | facts | {"id": lease.run_id, "token": lease.token}
    if writer.execute(FINISH, values).rowcount != 1:
        raise LeaseLost
