"""Claim uploads: the oldest file first, one at a time for each protocol, user, host and port.

Short transactions; none is open while a server is talked to. Every try has its row from its beginning, so that one
that is cut off by a crash is told of, too.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from exporters.base import Phase
from exporters.errors import BadSettings
from worker.heart import LEASE_SECONDS
from worker.ways import Way, Ways

log = logging.getLogger(__name__)

# One of each profile: its others go to the same place, one after the other.
DUE = sa.text(
    """/* uploads: the oldest that is due of each profile whose gate is open */
    SELECT id, profile_id FROM (
        SELECT DISTINCT ON (u.profile_id) u.id, u.profile_id, r.slot_at, r.part
        FROM uploads u JOIN runs r ON r.id = u.run_id JOIN profiles p ON p.id = u.profile_id
        JOIN gates g ON g.profile_id = p.id
        WHERE u.state = 'pending' AND u.due_at <= now() AND (u.failures = 0 OR NOT :fresh_only)
          AND p.enabled AND NOT p.paused AND p.deleted_at IS NULL AND g.fault IS DISTINCT FROM 'upload'
        ORDER BY u.profile_id, r.slot_at, r.id, r.part, u.id) AS oldest
    ORDER BY slot_at, part, id"""
)

# The partial unique index on destination has the last word when two ask at once.
LEASE = sa.text(
    f"""/* uploads: lease one */
    UPDATE uploads u SET state = 'leased', destination = :destination, tries = u.tries + 1, sent_bytes = 0,
        lease_token = nextval('lease_tokens'), lease_until = now() + make_interval(secs => {LEASE_SECONDS}),
        leased_by = :name
    FROM runs r
    WHERE u.id = :id AND u.state = 'pending' AND u.due_at <= now() AND r.id = u.run_id
      AND NOT EXISTS (SELECT FROM uploads l WHERE l.state = 'leased' AND l.destination = :destination)
      AND EXISTS (SELECT FROM profiles p JOIN gates g ON g.profile_id = p.id WHERE p.id = u.profile_id
          AND p.version = :version AND p.enabled AND NOT p.paused AND p.deleted_at IS NULL
          AND g.fault IS DISTINCT FROM 'upload')
    RETURNING u.id, u.run_id, u.lease_token, u.tries, u.failures, u.login_failures, u.phase, u.remote_name,
        u.looks_only, now() AS began"""  # noqa: S608 -- a constant of ours
)

BEGIN_TRY = sa.text(
    """/* uploads: a try begins; what became of it is not known until it ends */
    INSERT INTO upload_tries (upload_id, number, started_at, outcome) VALUES (:upload_id, :number, :began, 'unknown')
    RETURNING id"""
)

_FREE = """WITH freed AS (UPDATE uploads u SET state = 'pending', due_at = now(), lease_token = NULL, lease_until = NULL,
            leased_by = NULL, error = 'the try was lost with its process, outcome unknown'
        WHERE u.state = 'leased' AND {which} RETURNING u.id),
    told AS (UPDATE upload_tries t SET message = 'begun ' || to_char(t.started_at AT TIME ZONE 'UTC', 'HH24:MI:SS')
            || ' UTC, outcome unknown', sent_bytes = u.sent_bytes
        FROM freed JOIN uploads u ON u.id = freed.id
        WHERE t.upload_id = u.id AND t.number = u.tries AND t.message IS NULL)
    SELECT count(*) FROM freed"""

REAP = sa.text("/* uploads: leases that have ended */ " + _FREE.format(which="u.lease_until < now()"))
FREE = sa.text("/* uploads: leases of a dead process */ " + _FREE.format(which="u.leased_by = :name"))

UNUSABLE = sa.text(
    """/* uploads: the profile's settings cannot be used: a person must save it */
    WITH held AS (UPDATE uploads SET state = 'held', error = :message WHERE id = :id AND state = 'pending' RETURNING id)
    UPDATE gates SET fault = 'upload', fault_message = :message, fault_since = now()
    WHERE profile_id = :profile_id AND fault IS NULL AND EXISTS (SELECT FROM held)"""
)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to send one file once. came_to and remote_name tell how far the try before came."""

    upload_id: int
    run_id: int
    token: int
    number: int
    try_id: int
    failures: int
    login_failures: int
    looks_only: bool
    came_to: Phase | None
    remote_name: str | None
    began: datetime
    way: Way


def claim(engine: sa.Engine, ways: Ways, *, name: str, fresh_only: bool = False) -> Lease | None:
    """Lease the oldest upload whose destination is free, or none. Commits before it returns.

    fresh_only: leave alone what failed before, so that servers that are down never take all hands.
    """
    with Session(engine) as session:
        for row in session.execute(DUE, {"fresh_only": fresh_only}).all():
            try:
                way = ways.get(session, row.profile_id)
                lease = _lease(session, row.id, way, name)
                session.commit()
            except BadSettings as error:
                _hold(session, row, str(error))
                continue
            except sa.exc.IntegrityError:  # another process was a moment quicker
                session.rollback()
                continue
            if lease is not None:
                return lease
    return None


def reap(engine: sa.Engine) -> int:
    """Free leases that have ended without a result. Returns how many. Everyone may run it."""
    with engine.begin() as connection:
        return int(connection.scalar(REAP) or 0)


def free_leases_of(engine: sa.Engine, name: str) -> int:
    """Free the leases of this process's dead predecessor at once."""
    with engine.begin() as connection:
        return int(connection.scalar(FREE, {"name": name}) or 0)


def _lease(session: Session, upload_id: int, way: Way, name: str) -> Lease | None:
    values = {"id": upload_id, "destination": way.destination, "version": way.version, "name": name}
    row = session.execute(LEASE, values).one_or_none()
    if row is None:
        return None
    begun = {"upload_id": row.id, "number": row.tries, "began": row.began}
    return Lease(
        upload_id=row.id,
        run_id=row.run_id,
        token=row.lease_token,
        number=row.tries,
        try_id=session.scalars(BEGIN_TRY, begun).one(),
        failures=row.failures,
        login_failures=row.login_failures,
        looks_only=row.looks_only,
        came_to=None if row.phase is None else Phase(row.phase),
        remote_name=row.remote_name,
        began=row.began,
        way=way,
    )


def _hold(session: Session, row: sa.Row[Any], message: str) -> None:
    session.rollback()
    session.execute(UNUSABLE, {"id": row.id, "profile_id": row.profile_id, "message": message})
    session.commit()
    log.warning("upload.held", extra={"upload_id": row.id, "profile_id": row.profile_id, "error": message})
