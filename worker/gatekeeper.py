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
from worker.verdict import Effect

_gates = cast("sa.Table", Gate.__table__)

LOCK_GATES = (
    sa.select(_gates, sa.func.now().label("now"))
    .where(_gates.c.profile_id == sa.any_(sa.bindparam("ids", type_=sa.ARRAY(sa.BigInteger()))))
    .order_by(_gates.c.profile_id)
    .with_for_update(of=_gates)
)

FREE_RETRIES = sa.text(
    """/* healed: what failed while the receiver was down is due again; slow start lets it through bit by bit */
    UPDATE deliveries SET due_at = now()
    WHERE profile_id = :profile_id AND state = 'pending' AND retried AND due_at > now()"""
)

_FAULTS = {AddressBlocked: GateFault.BLOCKED, Gone: GateFault.GONE, BadSettings: GateFault.SETTINGS}


def move_gates(
    connection: sa.Connection, landed: Sequence[tuple[Landed, Effect]], *, uneasy: frozenset[int], luck: float
) -> None:
    """Tell each gate what its tries came to. A healthy gate with nothing but successes is not even read."""
    effects: dict[int, list[Effect]] = {}
    most: dict[int, int] = {}
    for one, effect in landed:
        effects.setdefault(one.lease.plan.profile_id, []).append(effect)
        most[one.lease.plan.profile_id] = one.lease.plan.limits.in_flight
    moving = [id_ for id_, found in effects.items() if id_ in uneasy or any(_is_news(effect) for effect in found)]
    if not moving:
        return
    for row in connection.execute(LOCK_GATES, {"ids": moving}).all():
        changes = _changes(row, effects[row.profile_id], most=most[row.profile_id], luck=luck)
        connection.execute(sa.update(_gates).where(_gates.c.profile_id == row.profile_id).values(changes))
        if row.fault is not None and changes["fault"] is None:
            connection.execute(FREE_RETRIES, {"profile_id": row.profile_id})


def _is_news(effect: Effect) -> bool:
    return effect.failure or effect.person is not None or effect.shut_for is not None


def _changes(row: Any, effects: Sequence[Effect], *, most: int, luck: float) -> dict[str, Any]:
    """Work out a gate's next values from its row."""
    person = next((effect.person for effect in reversed(effects) if effect.person is not None), None)
    if person is not None:
        return _shut_for_person(row, person)
    verdict = rules.after(_breaker(row), _tally(effects), now=row.now, most=most, luck=luck)
    opens_at = row.opens_at
    if verdict.wait is not None:
        opens_at = row.now + verdict.wait
    shut_for = max((effect.shut_for for effect in effects if effect.shut_for is not None), default=None)
    if shut_for is not None:
        opens_at = max(opens_at, row.now + shut_for)
    return _values(verdict.breaker, row, opens_at=opens_at)


def _values(breaker: Breaker, row: Any, *, opens_at: datetime) -> dict[str, Any]:
    keeps = row.fault if breaker.is_open and row.fault else None
    fault = keeps or (GateFault.BREAKER.value if breaker.is_open else None)
    return {
        "opens_at": opens_at,
        "fault": fault,
        "fault_message": row.fault_message if keeps else None,
        "fault_since": row.fault_since if keeps else (row.now if fault else None),
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
        "fault_since": row.fault_since if row.fault == fault else row.now,
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
