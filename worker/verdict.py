"""What a reply means for its delivery: the exporter's word, turned into the next state. Pure but for luck."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from exporters.base import BEFORE_ANSWER, Reply, Request
from exporters.errors import BadSettings, Blame, NeedsPerson, Scope, TryAgain, Unsendable
from models.rules.again import due_again
from worker.lease import Landed, Lease, Sent

log = logging.getLogger(__name__)

LONGEST_GATE_WAIT = timedelta(hours=1)


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


SUCCESS = Effect(success=True)


def judge(sent: Sent, reply: Reply, *, now: datetime, luck: float) -> tuple[Landed, Effect]:
    """Read a reply. Never raises: an exporter's bug is a failed try like any other, and is told as such."""
    lease = sent.lease
    if reply.absent_seconds:
        return _our_own(sent, reply, now), Effect()
    try:
        lease.plan.exporter.judge(reply)
    except TryAgain as error:
        message, retry_after, effect = str(error), error.retry_after, _blame(error, reply)
    except NeedsPerson as error:
        message, retry_after, effect = str(error), None, _needs_person(error)
    except Exception:  # ours, not the receiver's: the try failed, the pump and the other deliveries go on
        log.exception("exporter.broke", extra={"delivery_id": lease.delivery_id})
        message, retry_after, effect = "internal error", None, Effect()
    else:
        return _delivered(sent, reply), SUCCESS
    failed = _failed(lease, sent.began, sent.request, reply, message, retry_after=retry_after, now=now, luck=luck)
    return failed, effect


def not_written(lease: Lease, error: Exception, *, now: datetime, luck: float) -> tuple[Landed, Effect]:
    """Read why no request could be written: the record's fault, the profile's, or ours."""
    if isinstance(error, Unsendable):
        held = Landed(
            lease, now, None, None, state="held", outcome="failed", failures=lease.failures, reason=str(error)
        )
        return held, Effect()
    if isinstance(error, BadSettings):
        back = Landed(lease, now, None, None, state="pending", outcome="failed", failures=lease.failures, due_at=now)
        return back, Effect(person=error)
    log.error("exporter.broke", extra={"delivery_id": lease.delivery_id}, exc_info=error)
    return _failed(lease, now, None, None, "internal error", retry_after=None, now=now, luck=luck), Effect()


def cut_off(sent: Sent, *, now: datetime) -> Landed:
    """End a try whose answer nobody waits for any more: whether it arrived is unknown."""
    return Landed(
        sent.lease,
        sent.began,
        sent.request,
        None,
        state="pending",
        outcome="unknown",
        failures=sent.lease.failures,
        due_at=now,
        error="cut off at shutdown: outcome unknown",
    )


def _our_own(sent: Sent, reply: Reply, now: datetime) -> Landed:
    """End a try that our own absence spoiled: due again at once, and no failure of the row or its receiver."""
    failures = sent.lease.failures
    return Landed(
        sent.lease, sent.began, sent.request, reply, state="pending", outcome="unknown", failures=failures, due_at=now
    )


def _delivered(sent: Sent, reply: Reply) -> Landed:
    lease = sent.lease
    return Landed(
        lease, sent.began, sent.request, reply, state="delivered", outcome="delivered", failures=lease.failures
    )


def _failed(
    lease: Lease,
    began: datetime,
    request: Request | None,
    reply: Reply | None,
    error: str,
    *,
    retry_after: timedelta | None,
    now: datetime,
    luck: float,
) -> Landed:
    failures = lease.failures + 1
    due = due_again(failures=failures, now=now, pace=lease.plan.limits.pace, retry_after=retry_after, luck=luck)
    return Landed(
        lease,
        began,
        request,
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
        connection=error.blame is Blame.RECEIVER and reply.failing in BEFORE_ANSWER,
        shut_for=shut_for,
    )


def _needs_person(error: NeedsPerson) -> Effect:
    return Effect(person=error if error.scope is Scope.PROFILE else None)
