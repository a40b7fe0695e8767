"""Claim what is due: fair over profiles, each within its requests in flight, its pace and its gate.

One short transaction, and no other is open while a request is under way. Two statements, because a count taken by the
statement that waits for a lock is older than the lock, and caps would break.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from collections.abc import Mapping as Dict
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from types import MappingProxyType

import sqlalchemy as sa

from worker.lease import Lease
from worker.plan import Plan
from worker.plans import Plans

LEASE_SLACK = 30
"""Seconds a lease outlives its request's time-out."""

MOST_LOSSES = 3
"""From so many lost leases on a row is sent alone: it may be what kills the process."""

NOTHING: Dict[int, int] = MappingProxyType({})

_HEALTHY = f"d.losses < {MOST_LOSSES}"
_SUSPECT = f"d.losses >= {MOST_LOSSES}"

# Ordered with LIMIT, not EXISTS: for that Postgres would hash every due row of all profiles, or scan the table.
_OPEN_GATES = """/* claim 1: gates with something due, least recently served first */
    SELECT g.profile_id, g.fault, g.cap, g.tokens, g.tokens_at, p.version, now() AS now,
           g.fault IS NOT NULL OR g.cap IS NOT NULL OR g.connection_failures > 0 OR g.window_failures > 0 AS is_uneasy,
           (SELECT count(*) FROM deliveries l WHERE l.profile_id = g.profile_id AND l.state = 'leased'
               AND l.lease_until > now()) AS in_flight
    FROM gates g JOIN profiles p ON p.id = g.profile_id
    WHERE g.opens_at <= now() AND g.fault IS DISTINCT FROM 'settings' AND g.profile_id <> ALL(:without)
      AND p.enabled AND NOT p.paused AND p.deleted_at IS NULL
      AND coalesce(
          (SELECT true FROM deliveries d WHERE d.profile_id = g.profile_id AND d.state = 'pending'
              AND NOT d.retried AND d.due_at <= now() AND {rows} ORDER BY d.due_at, d.id LIMIT 1),
          (SELECT true FROM deliveries d WHERE d.profile_id = g.profile_id AND d.state = 'pending'
              AND d.retried AND d.due_at <= now() AND {rows} ORDER BY d.due_at, d.id LIMIT 1))
    ORDER BY g.last_claim LIMIT 64 FOR UPDATE OF g SKIP LOCKED"""

# A fifth of the slots goes to rows that failed before, so that a flood of new ones never starves them, nor they it.
_LEASE_ROWS = """/* claim 2: lease each gate's rows */
    WITH gate AS MATERIALIZED (
        SELECT g.id, g.seconds, greatest(0, least(g.take, g.cap - (SELECT count(*) FROM deliveries l
            WHERE l.profile_id = g.id AND l.state = 'leased' AND l.lease_until > now())))::int AS room,
            (SELECT true FROM deliveries d WHERE d.profile_id = g.id AND d.state = 'pending' AND d.retried
                AND d.due_at <= now() AND {rows} ORDER BY d.due_at, d.id LIMIT 1) AS has_retries
        FROM unnest(CAST(:ids AS bigint[]), CAST(:caps AS int[]), CAST(:takes AS int[]), CAST(:seconds AS int[]))
            AS g (id, cap, take, seconds)),
    fresh AS (SELECT f.id, gate.id AS profile FROM gate CROSS JOIN LATERAL (
        SELECT d.id FROM deliveries d WHERE d.profile_id = gate.id AND d.state = 'pending' AND NOT d.retried
            AND d.due_at <= now() AND {rows}
        ORDER BY d.due_at, d.id
        LIMIT gate.room - CASE WHEN gate.has_retries THEN floor(gate.room * 0.2 + random()) ELSE 0 END
        FOR UPDATE SKIP LOCKED) f),
    again AS (SELECT a.id FROM gate CROSS JOIN LATERAL (
        SELECT d.id FROM deliveries d WHERE d.profile_id = gate.id AND d.state = 'pending' AND d.retried
            AND d.due_at <= now() AND {rows}
        ORDER BY d.due_at, d.id LIMIT gate.room - (SELECT count(*) FROM fresh WHERE profile = gate.id)
        FOR UPDATE SKIP LOCKED) a)
    UPDATE deliveries t SET state = 'leased', tries = tries + 1, reason = NULL, lease_token = nextval('lease_tokens'),
        leased_at = now(), leased_by = :pump,
        lease_until = now() + make_interval(secs => (SELECT seconds FROM gate WHERE gate.id = t.profile_id))
    WHERE t.id = ANY (ARRAY(SELECT id FROM fresh UNION ALL SELECT id FROM again))
    RETURNING t.id, t.profile_id, t.lease_token, t.tries, t.failures"""

OPEN_GATES = sa.text(_OPEN_GATES.format(rows=_HEALTHY))
LEASE_ROWS = sa.text(_LEASE_ROWS.format(rows=_HEALTHY))
SUSPECTS_GATES = sa.text(_OPEN_GATES.format(rows=_SUSPECT))
LEASE_SUSPECTS = sa.text(_LEASE_ROWS.format(rows=_SUSPECT))

# One at a time over all pumps, so that the others go on whatever it does to its own.
IS_SUSPECT_OUT = sa.text(
    f"""/* claim: is a suspect on its way somewhere? */
    SELECT EXISTS (SELECT FROM deliveries d WHERE d.state = 'leased' AND d.lease_until > now() AND {_SUSPECT})"""  # noqa: S608 -- constants of ours
)
LOCK_SUSPECTS = sa.text("SELECT pg_advisory_xact_lock(5714014)")

SKIP_ROWS = sa.text(
    """/* claim 3: what is not to be sent any more: completed partials, orders that turned out to be tests */
    UPDATE deliveries d SET state = 'skipped', reason = CASE WHEN o.test_card THEN 'test card' ELSE 'order completed' END,
        finished_at = now(), tries = d.tries - 1, lease_token = NULL, lease_until = NULL, leased_at = NULL,
        leased_by = NULL
    FROM events e JOIN orders o ON o.order_key = e.order_key
    WHERE d.id = ANY(:ids) AND e.id = d.event_id
      AND (o.test_card OR (NOT d.forced AND e.customer_type = 'partial' AND o.completed_at IS NOT NULL
           AND d.profile_id = ANY(:skipping)))
    RETURNING d.id"""
)

SERVED = sa.text(
    """/* claim 4: who was served, and what is left of each pace */
    UPDATE gates g SET last_claim = now(), tokens = n.tokens, tokens_at = now(),
        opens_at = greatest(g.opens_at, now() + make_interval(secs => n.rest))
    FROM unnest(CAST(:ids AS bigint[]), CAST(:tokens AS float8[]), CAST(:rests AS float8[])) AS n (id, tokens, rest)
    WHERE g.profile_id = n.id"""
)


@dataclass(frozen=True, slots=True)
class Gate:
    """A locked gate: how many rows it may take now. cap bounds what is in flight; tokens is None without a rate."""

    profile_id: int
    plan: Plan
    cap: int
    room: int
    tokens: float | None
    is_probing: bool
    is_uneasy: bool


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claim's outcome. again_in: when a pace lets more through, in seconds."""

    leases: list[Lease]
    again_in: float | None = None


def claim(
    engine: sa.Engine,
    plans: Plans,
    *,
    pump: str,
    room: int,
    flying: Dict[int, int] = NOTHING,
    kept: int = 0,
    without: Collection[int] = (),
) -> Claimed:
    """Lease up to `room` due rows. Commits before it returns.

    flying: requests this pump has in the air for each profile. kept: slots of `room` for those with few in the air, as
    `deal` says. Profiles in `without` get nothing.
    """
    with engine.begin() as connection:
        gates = _gates(connection, OPEN_GATES, plans, without)
        in_air = [flying.get(gate.profile_id, 0) for gate in gates]
        takes = deal([gate.room for gate in gates], in_air, room, kept=kept)
        return _take(connection, gates, takes, statement=LEASE_ROWS, pump=pump)


def claim_suspect(engine: sa.Engine, plans: Plans, *, pump: str) -> Claimed:
    """Lease one row that was lost with its process again and again. The caller has nothing else in flight."""
    with engine.begin() as connection:
        connection.execute(LOCK_SUSPECTS)
        if connection.scalar(IS_SUSPECT_OUT):
            return Claimed([])
        gates = _gates(connection, SUSPECTS_GATES, plans, ())
        return _take(connection, gates, share([gate.room for gate in gates], 1), statement=LEASE_SUSPECTS, pump=pump)


def _take(
    connection: sa.Connection, gates: Sequence[Gate], takes: Sequence[int], *, statement: sa.TextClause, pump: str
) -> Claimed:
    """Lease so many rows of each gate, skip what is not to be sent any more, and write down who was served."""
    if not gates:
        return Claimed([])
    began = monotonic()  # before the statement: a lease must not seem longer here than it is there
    values = {
        "ids": [gate.profile_id for gate in gates],
        "caps": [gate.cap for gate in gates],
        "takes": takes,
        "seconds": [gate.plan.limits.timeout + LEASE_SLACK for gate in gates],
        "pump": pump,
    }
    rows = connection.execute(statement, values).all() if any(takes) else []
    by_id = {gate.profile_id: gate for gate in gates}
    skipped = _skip(connection, [row.id for row in rows], gates)
    leases = [_lease(row, by_id[row.profile_id], began) for row in rows if row.id not in skipped]
    return Claimed(leases, _serve(connection, gates, leases))


def deal(wanted: Sequence[int], in_air: Sequence[int], room: int, *, kept: int) -> list[int]:
    """Share `room` out, but for `kept` slots of it: of those each gets a quarter at most, and only until it has so many in the air.

    So receivers that never answer cannot take every slot, however many of them there are up to a dozen, and however many
    requests at once each is allowed.
    """
    few = [max(0, min(want, kept // 4 - flying)) for want, flying in zip(wanted, in_air, strict=True)]
    first = share(few, room)
    rest = share([want - got for want, got in zip(wanted, first, strict=True)], max(0, room - sum(first) - kept))
    return [one + other for one, other in zip(first, rest, strict=True)]


def share(wanted: Sequence[int], room: int) -> list[int]:
    """Deal `room` out fairly: nobody gets more than wanted, the smallest wishes are met first, the rest is equal."""
    takes = [0] * len(wanted)
    left = room
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    for place, index in enumerate(order):
        takes[index] = max(0, min(wanted[index], -(-left // (len(order) - place))))
        left -= takes[index]
    return takes


def _gates(connection: sa.Connection, statement: sa.TextClause, plans: Plans, without: Collection[int]) -> list[Gate]:
    found: list[Gate] = []
    for row in connection.execute(statement, {"without": list(without)}).all():
        plan = plans.get(connection, row.profile_id, row.version)
        if plan is None:
            continue
        cap = 1 if row.fault else min(plan.limits.in_flight, row.cap or plan.limits.in_flight)
        tokens = _tokens(plan.limits.rate, row.tokens, row.now - row.tokens_at)
        room = cap - row.in_flight if tokens is None else min(cap - row.in_flight, int(tokens))
        found.append(Gate(row.profile_id, plan, cap, max(0, room), tokens, row.fault is not None, row.is_uneasy))
    return found


def _tokens(rate: float | None, left: float, passed: timedelta) -> float | None:
    """Fill the bucket: one second's worth at most, but room for one request when less than one a second is allowed."""
    if rate is None:
        return None
    return min(max(rate, 1.0), left + rate * passed.total_seconds())


def _skip(connection: sa.Connection, ids: list[int], gates: Sequence[Gate]) -> set[int]:
    if not ids:
        return set()
    skipping = [gate.profile_id for gate in gates if gate.plan.skips_partials]
    return set(connection.scalars(SKIP_ROWS, {"ids": ids, "skipping": skipping}))


def _lease(row: sa.Row[tuple[int, int, int, int, int]], gate: Gate, began: float) -> Lease:
    return Lease(
        delivery_id=row.id,
        token=row.lease_token,
        tries=row.tries,
        failures=row.failures,
        plan=gate.plan,
        until=began + gate.plan.limits.timeout + LEASE_SLACK,
        is_probe=gate.is_probing,
        is_uneasy=gate.is_uneasy,
    )


def _serve(connection: sa.Connection, gates: Sequence[Gate], leases: Sequence[Lease]) -> float | None:
    """Write down who was served. Returns the shortest rest that a pace imposes, in seconds."""
    taken: dict[int, int] = {}
    for lease in leases:
        taken[lease.plan.profile_id] = taken.get(lease.plan.profile_id, 0) + 1
    tokens, rests = [], []
    for gate in gates:
        left = 0.0 if gate.tokens is None else gate.tokens - taken.get(gate.profile_id, 0)
        rate = gate.plan.limits.rate
        tokens.append(left)
        rests.append((1 - left) / rate if rate is not None and left < 1 else 0.0)
    connection.execute(SERVED, {"ids": [gate.profile_id for gate in gates], "tokens": tokens, "rests": rests})
    return min((rest for rest in rests if rest > 0), default=None)
