"""Claim what is due: fair over profiles, each within its requests in flight, its pace and its gate.

One short transaction, and no other is open while a request is under way. Two statements, because a count taken by the
statement that waits for a lock is older than the lock, and caps would break.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

import sqlalchemy as sa

from worker.lease import Lease
from worker.plan import Plan
from worker.plans import Plans

LEASE_SLACK = 30
"""Seconds a lease outlives its request's time-out."""

MOST_LOSSES = 3
"""From so many lost leases on a row is sent alone: it may be what kills the process."""

OPEN_GATES = sa.text(
    f"""/* claim 1: gates with something due, least recently served first */
    SELECT g.profile_id, g.fault, g.cap, g.tokens, g.tokens_at, p.version, now() AS now,
           g.fault IS NOT NULL OR g.cap IS NOT NULL OR g.connection_failures > 0 OR g.window_failures > 0 AS is_uneasy,
           (SELECT count(*) FROM deliveries l WHERE l.profile_id = g.profile_id AND l.state = 'leased') AS in_flight
    FROM gates g JOIN profiles p ON p.id = g.profile_id
    WHERE g.opens_at <= now() AND g.fault IS DISTINCT FROM 'settings'
      AND p.enabled AND NOT p.paused AND p.deleted_at IS NULL
      AND (EXISTS (SELECT FROM deliveries d WHERE d.profile_id = g.profile_id AND d.state = 'pending'
                   AND NOT d.retried AND d.due_at <= now() AND d.losses < {MOST_LOSSES})
        OR EXISTS (SELECT FROM deliveries d WHERE d.profile_id = g.profile_id AND d.state = 'pending'
                   AND d.retried AND d.due_at <= now() AND d.losses < {MOST_LOSSES}))
    ORDER BY g.last_claim LIMIT 64 FOR UPDATE OF g SKIP LOCKED"""  # noqa: S608 -- a constant of ours
)

# A fifth of the slots goes to rows that failed before, so that a flood of new ones never starves them, nor they it.
LEASE_ROWS = sa.text(
    f"""/* claim 2: lease each gate's rows */
    WITH gate AS MATERIALIZED (
        SELECT g.id, g.seconds, greatest(0, least(g.take, g.cap - (SELECT count(*) FROM deliveries l
            WHERE l.profile_id = g.id AND l.state = 'leased' AND l.lease_until > now())))::int AS room,
            EXISTS (SELECT FROM deliveries d WHERE d.profile_id = g.id AND d.state = 'pending' AND d.retried
                AND d.due_at <= now() AND d.losses < {MOST_LOSSES}) AS has_retries
        FROM unnest(CAST(:ids AS bigint[]), CAST(:caps AS int[]), CAST(:takes AS int[]), CAST(:seconds AS int[]))
            AS g (id, cap, take, seconds)),
    fresh AS (SELECT d.id, gate.id AS profile FROM gate CROSS JOIN LATERAL (
        SELECT id FROM deliveries WHERE profile_id = gate.id AND state = 'pending' AND NOT retried AND due_at <= now()
            AND losses < {MOST_LOSSES}
        ORDER BY due_at, id LIMIT gate.room - CASE WHEN gate.has_retries THEN floor(gate.room * 0.2 + random()) ELSE 0 END
        FOR UPDATE SKIP LOCKED) d),
    again AS (SELECT d.id FROM gate CROSS JOIN LATERAL (
        SELECT id FROM deliveries WHERE profile_id = gate.id AND state = 'pending' AND retried AND due_at <= now()
            AND losses < {MOST_LOSSES}
        ORDER BY due_at, id LIMIT gate.room - (SELECT count(*) FROM fresh WHERE profile = gate.id)
        FOR UPDATE SKIP LOCKED) d)
    UPDATE deliveries t SET state = 'leased', tries = tries + 1, reason = NULL, lease_token = nextval('lease_tokens'),
        leased_at = now(), leased_by = :pump,
        lease_until = now() + make_interval(secs => (SELECT seconds FROM gate WHERE gate.id = t.profile_id))
    WHERE t.id = ANY (ARRAY(SELECT id FROM fresh UNION ALL SELECT id FROM again))
    RETURNING t.id, t.profile_id, t.lease_token, t.tries, t.failures"""  # noqa: S608 -- a constant of ours
)

LEASE_SUSPECT = sa.text(
    f"""/* claim: one row that may be what kills its process, alone */
    UPDATE deliveries t SET state = 'leased', tries = tries + 1, reason = NULL, lease_token = nextval('lease_tokens'),
        leased_at = now(), leased_by = :pump, lease_until = now() + make_interval(secs => :seconds)
    WHERE t.id = (SELECT d.id FROM deliveries d JOIN gates g ON g.profile_id = d.profile_id
        JOIN profiles p ON p.id = d.profile_id
        WHERE d.state = 'pending' AND d.losses >= {MOST_LOSSES} AND d.due_at <= now()
          AND g.opens_at <= now() AND g.fault IS NULL AND p.enabled AND NOT p.paused AND p.deleted_at IS NULL
        ORDER BY d.due_at LIMIT 1 FOR UPDATE OF d SKIP LOCKED)
    RETURNING t.id, t.profile_id, t.lease_token, t.tries, t.failures"""  # noqa: S608 -- a constant of ours
)

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
    is_uneasy: bool


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claim's outcome. uneasy: profiles whose breaker a success would move. again_in: when a pace lets more through."""

    leases: list[Lease]
    uneasy: frozenset[int] = frozenset()
    again_in: float | None = None


def claim(engine: sa.Engine, plans: Plans, *, pump: str, room: int) -> Claimed:
    """Lease up to `room` due rows. Commits before it returns."""
    with engine.begin() as connection:
        gates = _gates(connection, plans)
        if not gates:
            return Claimed([])
        takes = share([gate.room for gate in gates], room)
        rows = connection.execute(
            LEASE_ROWS,
            {
                "ids": [gate.profile_id for gate in gates],
                "caps": [gate.cap for gate in gates],
                "takes": takes,
                "seconds": [gate.plan.limits.timeout + LEASE_SLACK for gate in gates],
                "pump": pump,
            },
        ).all()
        began = monotonic()
        by_id = {gate.profile_id: gate.plan for gate in gates}
        skipped = _skip(connection, [row.id for row in rows], by_id)
        leases = [_lease(row, by_id[row.profile_id], began) for row in rows if row.id not in skipped]
        again_in = _serve(connection, gates, leases)
    return Claimed(leases, frozenset(gate.profile_id for gate in gates if gate.is_uneasy), again_in)


def claim_suspect(engine: sa.Engine, plans: Plans, *, pump: str) -> Claimed:
    """Lease one row that was lost with its process again and again. The caller has nothing else in flight."""
    with engine.begin() as connection:
        seconds = 120 + LEASE_SLACK  # the longest time-out there is: its plan is not known yet
        row = connection.execute(LEASE_SUSPECT, {"pump": pump, "seconds": seconds}).one_or_none()
        if row is None:
            return Claimed([])
        plan = plans.get(connection, row.profile_id)
        if plan is None or _skip(connection, [row.id], {row.profile_id: plan}):
            return Claimed([])
        return Claimed([_lease(row, plan, monotonic())], frozenset({row.profile_id}))


def share(wanted: Sequence[int], room: int) -> list[int]:
    """Deal `room` out fairly: nobody gets more than wanted, the smallest wishes are met first, the rest is equal."""
    takes = [0] * len(wanted)
    left = room
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    for place, index in enumerate(order):
        takes[index] = min(wanted[index], -(-left // (len(order) - place)))
        left -= takes[index]
    return takes


def _gates(connection: sa.Connection, plans: Plans) -> list[Gate]:
    found: list[Gate] = []
    for row in connection.execute(OPEN_GATES).all():
        plan = plans.get(connection, row.profile_id, row.version)
        if plan is None:
            continue
        cap = 1 if row.fault else min(plan.limits.in_flight, row.cap or plan.limits.in_flight)
        tokens = _tokens(plan.limits.rate, row.tokens, row.now - row.tokens_at)
        room = max(0, cap - row.in_flight) if tokens is None else min(max(0, cap - row.in_flight), int(tokens))
        found.append(Gate(row.profile_id, plan, cap, room, tokens, row.is_uneasy))
    return found


def _tokens(rate: float | None, left: float, passed: timedelta) -> float | None:
    """Fill the bucket: one second's worth at most, but room for one request when less than one a second is allowed."""
    if rate is None:
        return None
    return min(max(rate, 1.0), left + rate * passed.total_seconds())


def _skip(connection: sa.Connection, ids: list[int], plans: dict[int, Plan]) -> set[int]:
    if not ids:
        return set()
    skipping = [profile_id for profile_id, plan in plans.items() if plan.skips_partials]
    return set(connection.scalars(SKIP_ROWS, {"ids": ids, "skipping": skipping}))


def _lease(row: sa.Row[tuple[int, int, int, int, int]], plan: Plan, began: float) -> Lease:
    return Lease(
        delivery_id=row.id,
        token=row.lease_token,
        tries=row.tries,
        failures=row.failures,
        plan=plan,
        until=began + plan.limits.timeout + LEASE_SLACK,
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


def now_in(connection: sa.Connection) -> datetime:
    """Ask the database's clock: leases and due times live on it."""
    return connection.scalar(sa.select(sa.func.clock_timestamp()))  # type: ignore[return-value]  # never NULL
