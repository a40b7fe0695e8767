"""What a reply means for its delivery: the exporter's word, turned into the next state. Pure but for luck."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from exporters.base import Failing, Reply
from exporters.errors import Blame, NeedsPerson, Scope, TryAgain
from models.rules.again import due_again
from worker.lease import Landed, Sent

log = logging.getLogger(__name__)

LONGEST_GATE_WAIT = timedelta(hours=1)

_BEFORE_ANSWER = frozenset({Failing.DNS, Failing.CONNECT, Failing.TLS, Failing.TIMEOUT, Failing.CUT})


@dataclass(frozen=True, slots=True)
class Effect:
    """What a try does to its profile's gate.

    success and failure count for the breaker; connection: the failure came before any answer. shut_for: Retry-After
    for the whole profile. person: the receiver's fault that only a probe or a person heals.
    """

    success: bool = False
    failure: bool = False
    connection: bool = False
    shut_for: timedelta | None = None
    person: NeedsPerson | None = None


def judge(sent: Sent, reply: Reply, *, now: datetime, luck: float) -> tuple[Landed, Effect]:
    """Read a reply. Never raises: an exporter's bug is a failed try like any other, and is told as such."""
    lease = sent.lease
    try:
        lease.plan.exporter.judge(reply)
    except TryAgain as error:
        return _failed(sent, reply, str(error), retry_after=error.retry_after, now=now, luck=luck), _blame(error, reply)
    except NeedsPerson as error:
        return _failed(sent, reply, str(error), retry_after=None, now=now, luck=luck), _needs_person(error)
    except Exception:  # ours, not the receiver's: the try failed, the pump and the other deliveries go on
        log.exception("exporter.broke", extra={"delivery_id": lease.delivery_id})
        return _failed(sent, reply, "internal error", retry_after=None, now=now, luck=luck), Effect()
    landed = Landed(lease, sent.request, reply, state="delivered", outcome="delivered", failures=lease.failures)
    return landed, Effect(success=True)


def cut_off(sent: Sent, *, now: datetime) -> Landed:
    """End a try whose answer nobody waits for any more: whether it arrived is unknown."""
    return Landed(
        sent.lease,
        sent.request,
        None,
        state="pending",
        outcome="unknown",
        failures=sent.lease.failures,
        due_at=now,
        error="cut off at shutdown: outcome unknown",
    )


def _failed(
    sent: Sent, reply: Reply, error: str, *, retry_after: timedelta | None, now: datetime, luck: float
) -> Landed:
    failures = sent.lease.failures + 1
    due = due_again(failures=failures, now=now, pace=sent.lease.plan.limits.pace, retry_after=retry_after, luck=luck)
    return Landed(
        sent.lease,
        sent.request,
        reply,
        state="pending",
        outcome="failed",
        failures=failures,
        due_at=due,
        error=error,
    )


def _blame(error: TryAgain, reply: Reply) -> Effect:
    shut_for = min(error.retry_after, LONGEST_GATE_WAIT) if error.shuts_gate and error.retry_after else None
    return Effect(
        success=error.blame is Blame.NOBODY,
        failure=error.blame is Blame.RECEIVER,
        connection=error.blame is Blame.RECEIVER and reply.failing in _BEFORE_ANSWER,
        shut_for=shut_for,
    )


def _needs_person(error: NeedsPerson) -> Effect:
    return Effect(person=error if error.scope is Scope.PROFILE else None)
