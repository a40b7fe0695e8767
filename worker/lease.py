"""What travels through the pump: a lease on one delivery, and what its try came to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from exporters.base import Reply, Request
from worker.plan import Plan


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to send one delivery once. token tells this try from every other; tries counts it already."""

    delivery_id: int
    token: int
    tries: int
    failures: int
    plan: Plan
    until: float  # on the monotonic clock of this process


@dataclass(frozen=True, slots=True)
class Sent:
    """A try under way: its lease and the request, which its attempt tells of."""

    lease: Lease
    request: Request


@dataclass(frozen=True, slots=True)
class Landed:
    """A try that ended, with the new state of its delivery.

    reply is None when no answer can come any more (the try was cut off). due_at is set for `pending` only, reason for
    `held` only. A lease that was never sent has request None and leaves no attempt.
    """

    lease: Lease
    request: Request | None
    reply: Reply | None
    state: str
    outcome: str
    failures: int
    reason: str | None = None
    due_at: datetime | None = None
    error: str | None = None
