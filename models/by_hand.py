"""What a person does to deliveries: send again, hold, release, cancel. The person's name goes into the reason."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from models.delivery import Delivery
from models.event import Event
from models.order import Order
from models.profile import Profile

OPEN_STATES = ("pending", "leased", "held")

# Correlated by hand: the statement around it may read events and profiles itself.
# A later event may have told that the order was a test.
_IS_TEST = (
    sa.exists()
    .where(
        Event.id == Delivery.event_id,
        sa.or_(Event.test_card, sa.exists().where(Order.order_key == Event.order_key, Order.test_card)),
    )
    .correlate(Delivery)
)
_IS_DELETED = sa.exists().where(Profile.id == Delivery.profile_id, Profile.deleted_at.is_not(None)).correlate(Delivery)
_IS_LEASED = Delivery.state == "leased"

SENT_AGAIN: dict[str, Any] = {
    "state": "pending",
    "reason": None,
    "due_at": sa.func.now(),
    "finished_at": None,
    "failures": 0,
    "losses": 0,
    "forced": True,
    "aside": False,
}
"""Due now, with a fresh back-off and the same key; that its order is complete skips it no more."""


class Deed(StrEnum):
    """What a person may do to deliveries, one or many."""

    SEND_AGAIN = "send again"
    HOLD = "hold"
    RELEASE = "release"
    CANCEL = "cancel"

    @property
    def needs_reason(self) -> bool:
        """Whoever sees the delivery later wants to know why."""
        return self in {Deed.HOLD, Deed.CANCEL}


MAY_BE: dict[Deed, sa.ColumnElement[bool]] = {
    Deed.SEND_AGAIN: sa.and_(~_IS_LEASED, ~_IS_TEST, ~_IS_DELETED),
    Deed.HOLD: sa.and_(Delivery.state.in_(("pending", "held")), ~Delivery.aside),
    Deed.RELEASE: sa.and_(Delivery.state == "held", Delivery.aside),
    Deed.CANCEL: Delivery.state.in_(OPEN_STATES),
}
"""What may be done to which. Never sent again: what is on its way, deliveries of a deleted profile, and orders of a test
card. A hold does not reach what is on its way: its answer decides."""


def do(session: Session, deed: Deed, delivery_ids: Sequence[int], *, actor: str, reason: str = "") -> list[int]:
    """Do this to those of the deliveries that it may be done to. Returns which."""
    return _moved(session, sa.and_(Delivery.id.in_(delivery_ids), MAY_BE[deed]), _values(deed, actor, reason))


def send_again(session: Session, delivery_ids: Sequence[int]) -> int:
    """Make these deliveries due now, whatever became of them, if they may be sent again. Returns how many."""
    return len(do(session, Deed.SEND_AGAIN, delivery_ids, actor=""))


def cancel(session: Session, delivery_ids: Sequence[int], *, actor: str, reason: str) -> int:
    """Cancel what is still open of these deliveries. Returns how many."""
    return len(do(session, Deed.CANCEL, delivery_ids, actor=actor, reason=reason))


def cancel_where(session: Session, which: sa.ColumnElement[bool], *, reason: str) -> int:
    """Cancel open deliveries for a reason. Returns how many."""
    return len(_moved(session, sa.and_(which, MAY_BE[Deed.CANCEL]), _cancelled(reason)))


def _values(deed: Deed, actor: str, reason: str) -> dict[str, Any]:
    if deed == Deed.SEND_AGAIN:
        return SENT_AGAIN
    if deed == Deed.HOLD:
        return {"state": "held", "aside": True, "reason": f"put aside by {actor}: {reason}"}
    if deed == Deed.RELEASE:
        return {"state": "pending", "aside": False, "reason": None}
    return _cancelled(f"cancelled by {actor}: {reason}")


def _cancelled(reason: str) -> dict[str, Any]:
    """A try under way may still succeed: its row keeps its lease with the reason on it, and is cancelled when the try
    ends in anything but a delivery.
    """  # noqa: D205 -- one thought
    return {
        "state": sa.case((_IS_LEASED, sa.literal("leased")), else_=sa.literal("cancelled")),
        "finished_at": sa.case((_IS_LEASED, sa.null()), else_=sa.func.now()),
        "reason": reason,
        "aside": False,
    }


def _moved(session: Session, which: sa.ColumnElement[bool], values: dict[str, Any]) -> list[int]:
    statement = sa.update(Delivery).where(which).values(values).returning(Delivery.id)
    return list(session.scalars(statement.execution_options(synchronize_session=False)))
