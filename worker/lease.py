"""What travels through the pump: a lease on one delivery, and what its try came to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from exporters.base import Reply, Request
from worker.plan import Plan


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to send one delivery once. token tells this try from every other; tries counts it already.

    is_probe: the gate is at fault, and this try alone may look whether the receiver is back. is_uneasy: the gate's
    breaker counts something, so that even a success moves it.
    """

    delivery_id: int
    token: int
    tries: int
    failures: int
    plan: Plan
    until: float  # on the monotonic clock of this process
    is_probe: bool = False
    is_uneasy: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """A try under way since `began`: its lease and the request, which its attempt tells of."""

    lease: Lease
    request: Request
    began: datetime


@dataclass(frozen=True, slots=True)
class Landed:
    """A try that ended, with the new state of its delivery.

    reply is None when no answer can come any more (the try was cut off). due_at is set for `pending` only, reason for
    `held` only. request is None when none could be written. Without a request and an error there is no attempt.
    """

    lease: Lease
    began: datetime
    request: Request | None
    reply: Reply | None
    state: str
    outcome: str
    failures: int
    reason: str | None = None
    due_at: datetime | None = None
    error: str | None = None

    @property
    def leaves_attempt(self) -> bool:
        """Whether there is something to tell of."""
        return self.request is not None or self.error is not None

    @property
    def started_at(self) -> datetime:
        """When the attempt began."""
        return self.began if self.reply is None else self.reply.started_at
