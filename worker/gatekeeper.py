"""Move the gates after a batch of tries: breaker, slow start, Retry-After, and receivers that need a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import sqlalchemy as sa

from exporters.errors import AddressBlocked, BadSettings, Gone, NeedsPerson
from models.profile import Gate, GateFault
from models.rules import breaker as rules
from models.rules.breaker import Breaker, Tally
from worker.lease import Landed
from worker.verdict import SUCCESS, Effect

_gates = cast("sa.Table", Gate.__table__)

LOCK_GATES = (
    sa.select(_gates, sa.func.now().label("now"))
    .where(_gates.c.profile_id == sa.any_(sa.bindparam("ids", type_=sa.ARRAY(sa.BigInteger()))))
    .order_by(_gates.c.profile_id)
    .with_for_update(of=_gates)
)

FREE_RETRIES = sa.text(
    """/* healed: what failed while the receiver was down is due again; slow start lets it through bit by bit */
    UPDATE deliveries SET due_at = now() WHERE id IN (SELECT id FROM deliveries
        WHERE profile_id = :profile_id AND state = 'pending' AND retried AND due_at > now()
        ORDER BY due_at LIMIT 10000 FOR UPDATE SKIP LOCKED)"""
)
# Bounded, because the pump waits for it; while a receiver is down little is tried, so more than that is rare, and those
# come at their own time, at most retryCapSeconds later.

# A machine that was cut off or asleep has made its time-outs itself: they say nothing about the receiver.
STANDING = sa.text(
    """/* record: which of these tries still count */
    SELECT d.lease_token FROM deliveries d WHERE d.id = ANY(:ids) AND d.state = 'leased' AND d.lease_token = ANY(:tokens)"""
)

Ended = tuple[Landed, Effect]

_FAULTS = {AddressBlocked: GateFault.BLOCKED, Gone: GateFault.GONE, BadSettings: GateFault.SETTINGS}


def move_gates(connection: sa.Connection, landed: Sequence[Ended], *, luck: float) -> None:
    """Tell each gate what its tries came to; late ones change nothing. Before the deliveries themselves are moved.

    A healthy gate with nothing but successes is not even read.
    """
    found: dict[int, list[Ended]] = {}
    moving: set[int] = set()
    for one in landed:
        lease, effect = one[0].lease, one[1]
        found.setdefault(lease.plan.profile_id, []).append(one)
        if lease.is_uneasy or (effect is not SUCCESS and _is_news(effect)):
            moving.add(lease.plan.profile_id)
    if not moving:
        return
    leases = [one.lease for one, _ in landed if one.lease.plan.profile_id in moving]
    values = {"ids": [lease.delivery_id for lease in leases], "tokens": [lease.token for lease in leases]}
    standing = set(connection.scalars(STANDING, values))
    for row in connection.execute(LOCK_GATES, {"ids": sorted(moving)}).all():
        ended = [one for one in found[row.profile_id] if one[0].lease.token in standing]
        changes = _changes(row, ended, luck=luck) if ended else {}
        if not changes:
            continue
        connection.execute(sa.update(_gates).where(_gates.c.profile_id == row.profile_id).values(changes))
        if row.fault is not None and changes["fault"] is None:
            connection.execute(FREE_RETRIES, {"profile_id": row.profile_id})


def _is_news(effect: Effect) -> bool:
    return effect.failure or effect.person is not None or effect.shut_for is not None


def _changes(row: Any, ended: Sequence[Ended], *, luck: float) -> dict[str, Any]:
    """Work out a gate's next values from its row.

    While it is at fault only the probe counts: what was sent before says nothing about how the receiver is now, and a
    salvo of time-outs is one trip, not many.
    """
    if row.fault == GateFault.SETTINGS.value:
        return {}  # only a save heals it
    person = next((effect.person for _, effect in reversed(ended) if effect.person is not None), None)
    if person is not None:
        return _shut_for_person(row, person)
    counting = [effect for one, effect in ended if row.fault is None or one.lease.is_probe]
    most = ended[-1][0].lease.plan.limits.in_flight
    verdict = rules.after(_breaker(row), _tally(counting), now=row.now, most=most, luck=luck)
    opens_at = row.opens_at if verdict.wait is None else row.now + verdict.wait
    shut_for = max((effect.shut_for for _, effect in ended if effect.shut_for is not None), default=None)
    if shut_for is not None:
        opens_at = max(opens_at, row.now + shut_for)
    return _values(verdict.breaker, row, opens_at=opens_at)


def _values(breaker: Breaker, row: Any, *, opens_at: datetime) -> dict[str, Any]:
    """Give the columns of a gate. A fault that the probe found to be another one now is a breaker from then on."""
    has_tripped = breaker.trips > row.trips
    fault = (GateFault.BREAKER.value if has_tripped else row.fault) if breaker.is_open else None
    is_same = fault is not None and fault == row.fault
    return {
        "opens_at": opens_at,
        "fault": fault,
        "fault_message": row.fault_message if is_same else None,
        "fault_since": (row.fault_since or row.now) if fault else None,
        "trips": breaker.trips,
        "cap": breaker.cap,
        "clean": breaker.clean,
        "connection_failures": breaker.connection_failures,
        "window_since": breaker.window_since,
        "window_tries": breaker.window_tries,
        "window_failures": breaker.window_failures,
    }


def _shut_for_person(row: Any, person: NeedsPerson) -> dict[str, Any]:
    fault = _FAULTS.get(type(person), GateFault.SETTINGS).value
    wait = person.probe_after or timedelta(days=36_500)
    return {
        **_values(Breaker(), row, opens_at=row.now + wait),
        "fault": fault,
        "fault_message": str(person),
        "fault_since": row.fault_since or row.now,
    }


def _breaker(row: Any) -> Breaker:
    return Breaker(
        is_open=row.fault is not None,
        trips=row.trips,
        cap=row.cap,
        clean=row.clean,
        connection_failures=row.connection_failures,
        window_since=row.window_since,
        window_tries=row.window_tries,
        window_failures=row.window_failures,
    )


def _tally(effects: Sequence[Effect]) -> Tally:
    in_a_row = 0
    for effect in effects:
        in_a_row = in_a_row + 1 if effect.connection else 0 if effect.success else in_a_row
    return Tally(
        successes=sum(effect.success for effect in effects),
        failures=sum(effect.failure for effect in effects),
        connection=in_a_row,
    )
