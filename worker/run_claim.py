"""Claim a run: it takes the rows that no run has taken, in one short transaction, and remembers the profile as it is.

There is no window of time: a row that is committed a moment later is in the next file. A run that was claimed and
whose writer died is taken over by anyone, with the same rows and the same snapshot.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from exporters.errors import BadSettings
from models import snapshots
from models.event import Event
from models.mapping_rows import UnreadableMappings
from models.profile import GateFault, Profile, Route
from models.rules.parts import deal
from models.run import FileItem, Run
from worker.file_plan import FilePlan
from worker.heart import LEASE_SECONDS
from worker.outage import DATABASE_ERRORS

log = logging.getLogger(__name__)

CLAIM_SECONDS = 600
TAKEN_AT_ONCE = 250
RESPITE = 1.0
"""Rows are taken by this many, and after each so many times as long as that took is left to others: a million rows in one statement made the
postbacks beside them four times slower, and this way twice, in 19 seconds on two cores (`make bench ROWS=marking`)."""

MOST_TRIES = 5
"""A run that took its process with it so often, or failed for reasons of ours, waits for a person."""

HELD_RUNS = 3
"""So many files that could not be made stop the schedule of their profile."""

_OPEN = "p.enabled AND NOT p.paused AND p.deleted_at IS NULL AND g.fault IS DISTINCT FROM 'making'"

# A route's runs are claimed in the order of their slots: the last of several takes the rest.
NEXT_PLANNED = sa.text(
    f"""/* runs: the next that is due; its route is ours from here on */
    SELECT w.id FROM runs w JOIN routes r ON r.id = w.route_id JOIN profiles p ON p.id = w.profile_id
    JOIN gates g ON g.profile_id = p.id
    WHERE w.state = 'planned' AND w.due_at <= now() AND {_OPEN}
      AND (w.source_id IS NOT NULL OR NOT EXISTS (SELECT FROM runs o WHERE o.route_id = w.route_id
          AND o.state = 'planned' AND o.source_id IS NULL AND (o.slot_at, o.id) < (w.slot_at, w.id)))
    ORDER BY w.due_at, w.id LIMIT 1 FOR NO KEY UPDATE OF w, r SKIP LOCKED"""  # noqa: S608 -- a constant of ours
)

LEASE = sa.text(
    f"""/* runs: planned -> claimed */
    UPDATE runs SET state = 'claimed', snapshot = CAST(:snapshot AS jsonb), claimed_at = now(), tries = 1,
        lease_token = nextval('lease_tokens'), lease_until = now() + make_interval(secs => {LEASE_SECONDS}),
        leased_by = :name, error = NULL
    WHERE id = :id AND state = 'planned' RETURNING lease_token"""  # noqa: S608 -- a constant of ours
)

# Paused or not: its rows are taken, somebody must bring it to its end.
TAKE_OVER = sa.text(
    f"""/* runs: claimed once, and left */
    UPDATE runs SET lease_token = nextval('lease_tokens'), tries = tries + 1, leased_by = :name,
        lease_until = now() + make_interval(secs => {LEASE_SECONDS})
    WHERE id = (SELECT id FROM runs WHERE state = 'claimed' AND (lease_until IS NULL OR lease_until < now())
        AND due_at <= now() ORDER BY due_at, id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING id AS run_id, profile_id, lease_token, tries"""  # noqa: S608 -- a constant of ours
)

# The claim itself may have taken longer than a lease.
LEASE_ANEW = sa.text(
    f"""/* runs: the lease begins when the rows are taken */
    UPDATE runs SET lease_until = clock_timestamp() + make_interval(secs => {LEASE_SECONDS}) WHERE id = :id"""  # noqa: S608 -- a constant of ours
)

ORDERS = sa.text("/* runs: how many orders it has */ UPDATE runs SET orders = :orders WHERE id = :id")

_WAITING = "f.route_id = :route_id AND f.run_id IS NULL AND f.skipped IS NULL AND f.ready_at <= now()"

_SKIP = """UPDATE file_items f SET run_id = NULL,
        skipped = CASE WHEN o.test_card THEN 'test card' ELSE 'order completed' END
    FROM events e JOIN orders o ON o.order_key = e.order_key
    WHERE {rows} AND e.id = f.event_id
      AND (o.test_card OR (:skips_completed AND NOT f.forced AND e.customer_type = 'partial'
          AND o.completed_at IS NOT NULL))"""

SKIP_WAITING = sa.text(
    "/* runs: what is not to be exported any more: completed partials, orders that turned out to be tests */ "
    + _SKIP.format(rows=_WAITING)
)

SKIP_OWN = sa.text(
    "/* runs: the same of a run that was held with its rows: nobody has seen them yet */ "
    + _SKIP.format(rows="f.run_id = :run_id")
)

WAITING = sa.text(
    f"""/* runs: the rows that no run has taken */
    SELECT f.id FROM file_items f
    WHERE {_WAITING} AND (CAST(:before AS timestamptz) IS NULL OR EXISTS (
        SELECT FROM events e WHERE e.id = f.event_id AND e.accepted_at < :before))"""  # noqa: S608 -- constants of ours
)

TAKE_ROWS = sa.text(
    """/* runs: they are this run's */
    UPDATE file_items SET run_id = :run_id WHERE id = ANY(:ids) AND run_id IS NULL AND skipped IS NULL"""
)

NEXT_PART = sa.text(
    """/* runs: a further part of a file */
    INSERT INTO runs (profile_id, route_id, slot, part, slot_at, period, takes_before, state, snapshot, claimed_at,
        created_by)
    SELECT profile_id, route_id, slot,
        (SELECT max(part) + 1 FROM runs x WHERE x.route_id = w.route_id AND x.slot = w.slot),
        slot_at, period, takes_before, 'claimed', snapshot, claimed_at, created_by
    FROM runs w WHERE id = :run_id RETURNING id"""
)

DEAL = sa.text(
    """/* runs: rows go to a further part */
    UPDATE file_items SET run_id = :part_id WHERE run_id = :run_id AND event_id > :after AND event_id <= :until"""
)
"""By the events in order: a part is a stretch of them."""

HOLD = sa.text(
    """/* runs: it cannot be made */
    UPDATE runs SET state = 'held', error = :message, lease_token = NULL, lease_until = NULL, leased_by = NULL
    WHERE id = :id AND state IN ('planned', 'claimed')
      AND (CAST(:token AS bigint) IS NULL OR lease_token = :token)"""
)

CLOSE_GATE = sa.text(
    f"""/* runs: too many files cannot be made: the schedule waits, too */
    UPDATE gates g SET fault = :fault, fault_message = :message, fault_since = now()
    WHERE g.profile_id = :profile_id AND g.fault IS DISTINCT FROM :fault
      AND (SELECT count(*) FROM runs w WHERE w.profile_id = g.profile_id AND w.state = 'held') >= {HELD_RUNS}"""  # noqa: S608 -- a constant of ours
)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write one run."""

    run_id: int
    profile_id: int
    token: int
    tries: int


Found = Lease | Literal["held"] | None
"""What a look for work came to: a run that cannot be made is put aside, and the next one is looked for."""


def claim(engine: sa.Engine, *, name: str, account_time_zone: str) -> Lease | None:
    """Take over what was left, else claim the next run that is due. Commits before it returns. None: nothing is due."""
    while True:
        found = _take_over(engine, name) or _claim_next(engine, name, account_time_zone)
        if found != "held":
            return found


def hold(engine: sa.Engine, lease: Lease, message: str) -> bool:
    """Have a run wait for a person; the third of a profile stops its schedule. False: the lease was lost before."""
    with engine.begin() as connection:
        return _hold(connection, lease.run_id, lease.profile_id, message, token=lease.token)


def _take_over(engine: sa.Engine, name: str) -> Found:
    with engine.begin() as connection:
        row = connection.execute(TAKE_OVER, {"name": name}).one_or_none()
        if row is None:
            return None
        lease = Lease(row.run_id, row.profile_id, row.lease_token, row.tries)
        if lease.tries <= MOST_TRIES:
            return lease
        message = f"it was begun {MOST_TRIES} times and never finished; the log says more"
        _hold(connection, lease.run_id, lease.profile_id, message, token=lease.token)
        return "held"


def _claim_next(engine: sa.Engine, name: str, account_time_zone: str) -> Found:
    with Session(engine) as session, session.begin():
        session.execute(sa.text(f"SET LOCAL statement_timeout = '{CLAIM_SECONDS}s'"))
        run_id = session.scalar(NEXT_PLANNED)
        if run_id is None:
            return None
        run = session.get_one(Run, run_id)
        profile, route = session.get_one(Profile, run.profile_id), session.get_one(Route, run.route_id)
        plan = _plan(profile, route, account_time_zone)
        if isinstance(plan, str):
            _hold(session.connection(), run.id, profile.id, plan, token=None)
            return "held"
        snapshot = snapshots.take(profile, route, account_time_zone=account_time_zone)
        token = _lease(session, run, snapshot, name)
        orders = _take_rows(session, run, profile)
        fault = _deal(session, run, plan, orders)
        if fault is not None:
            _hold(session.connection(), run.id, profile.id, fault, token=token)
            return "held"
        session.execute(LEASE_ANEW, {"id": run.id})
        log.info("run.claimed", extra={"run_id": run.id, "profile_id": profile.id, "orders": orders})
        return Lease(run.id, profile.id, token, 1)


def _plan(profile: Profile, route: Route, account_time_zone: str) -> FilePlan | str:
    """Make the profile ready to write; or say why that cannot be."""
    try:
        return FilePlan.of(profile, snapshots.RouteFacts.of(route), account_time_zone=account_time_zone)
    except (BadSettings, UnreadableMappings) as error:
        return str(error)
    except DATABASE_ERRORS:
        raise
    except Exception as error:  # somebody wrote into the table what no check let through; the others go on
        log.exception("profile.unusable", extra={"profile_id": profile.id})
        return f"internal error: {type(error).__name__}"


def _lease(session: Session, run: Run, snapshot: dict[str, Any], name: str) -> int:
    values = {"id": run.id, "snapshot": json.dumps(snapshot), "name": name}
    return int(session.scalars(LEASE, values).one())


def _take_rows(session: Session, run: Run, profile: Profile) -> int:
    """Give the run its rows. Returns how many orders it has; one made again has those of its source."""
    if run.source_id is not None:
        return _count(session, run.source_id)
    values = {
        "run_id": run.id,
        "route_id": run.route_id,
        "before": run.takes_before,
        "skips_completed": profile.skip_completed_partials,
    }
    if session.scalar(sa.select(sa.exists().where(FileItem.run_id == run.id))):
        session.execute(SKIP_OWN, values)
    else:
        session.execute(SKIP_WAITING, values)
        _take_waiting(session, values)
    return _count(session, run.id)


def _take_waiting(session: Session, values: dict[str, Any]) -> None:
    """Take them in small helpings: what commits meanwhile beside this transaction should not feel it."""
    waiting = session.scalars(WAITING, values, execution_options={"stream_results": True})
    for ids in waiting.partitions(TAKEN_AT_ONCE):
        began = time.monotonic()
        session.execute(TAKE_ROWS, {"run_id": values["run_id"], "ids": list(ids)})
        if len(ids) == TAKEN_AT_ONCE:
            time.sleep(RESPITE * (time.monotonic() - began))


def _count(session: Session, run_id: int) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(FileItem).where(FileItem.run_id == run_id)) or 0


def _deal(session: Session, run: Run, plan: FilePlan, orders: int) -> str | None:
    """Deal the rows to parts when they are more than one file may have. Returns why that cannot be."""
    most = plan.settings.max_rows
    parts: list[int] = []
    if most is not None and (orders > most or not plan.makes_a_line_each):
        owner = run.id if run.source_id is None else run.source_id
        parts = deal(_lines(session, owner, plan), most)
    if len(parts) > 1 and run.source_id is not None:
        return f"these rows no longer fit one file of {most:,} rows: set maxRows to more, and make it again"
    for after, until in pairwise(parts):
        part_id = session.scalars(NEXT_PART, {"run_id": run.id}).one()
        moved = session.execute(DEAL, {"run_id": run.id, "part_id": part_id, "after": after, "until": until})
        session.execute(ORDERS, {"id": part_id, "orders": cast("Any", moved).rowcount})
        orders -= cast("Any", moved).rowcount
    session.execute(ORDERS, {"id": run.id, "orders": orders})
    return None


def _lines(session: Session, owner: int, plan: FilePlan) -> Iterable[tuple[int, int]]:
    """Read (event, how many lines it makes) of a run's rows, in order, as a stream."""
    statement = (
        sa.select(FileItem.event_id, plan.line_count(Event.__table__.c.order_snapshot))
        .join(Event, Event.id == FileItem.event_id)
        .where(FileItem.run_id == owner)
        .order_by(FileItem.event_id)
        .execution_options(yield_per=10_000)
    )
    return ((row[0], row[1]) for row in session.execute(statement))


def _hold(connection: sa.Connection, run_id: int, profile_id: int, message: str, *, token: int | None) -> bool:
    is_held = connection.execute(HOLD, {"id": run_id, "message": message, "token": token}).rowcount == 1
    if is_held:
        values = {"profile_id": profile_id, "message": message, "fault": GateFault.MAKING.value}
        is_closed = connection.execute(CLOSE_GATE, values).rowcount == 1
        log.warning(
            "run.held",
            extra={"run_id": run_id, "profile_id": profile_id, "error": message, "stops_schedule": is_closed},
        )
    return is_held
