"""What a person does to single deliveries: send again, cancel. The person's name goes into the reason."""

from __future__ import annotations

from collections.abc import Sequence
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

MAY_BE_SENT_AGAIN = sa.and_(~_IS_LEASED, ~_IS_TEST, ~_IS_DELETED)
"""Left alone: what is on its way, deliveries of a deleted profile, and orders of a test card, never exported."""

SENT_AGAIN: dict[str, Any] = {
    "state": "pending",
    "reason": None,
    "due_at": sa.func.now(),
    "finished_at": None,
    "failures": 0,
    "losses": 0,
    "forced": True,
}
"""Due now, with a fresh back-off and the same key; that its order is complete skips it no more."""


def send_again(session: Session, delivery_ids: Sequence[int]) -> int:
    """Make these deliveries due now, whatever became of them, if they may be sent again. Returns how many."""
    return _moved(session, sa.update(Delivery).where(Delivery.id.in_(delivery_ids), MAY_BE_SENT_AGAIN), SENT_AGAIN)


def cancel(session: Session, delivery_ids: Sequence[int], *, actor: str, reason: str) -> int:
    """Cancel what is still open of these deliveries. Returns how many. See `cancel_where`."""
    return cancel_where(session, Delivery.id.in_(delivery_ids), reason=f"cancelled by {actor}: {reason}")


def cancel_where(session: Session, which: sa.ColumnElement[bool], *, reason: str) -> int:
    """Cancel open deliveries for a person's reason. Returns how many.

    A try under way may still succeed: its row keeps its lease with the reason on it, and is cancelled when the try
    ends in anything but a delivery.
    """
    values = {
        "state": sa.case((_IS_LEASED, sa.literal("leased")), else_=sa.literal("cancelled")),
        "finished_at": sa.case((_IS_LEASED, sa.null()), else_=sa.func.now()),
        "reason": reason,
    }
    return _moved(session, sa.update(Delivery).where(which, Delivery.state.in_(OPEN_STATES)), values)


def _moved(session: Session, update: sa.Update, values: dict[str, Any]) -> int:
    statement = update.values(values).returning(Delivery.id).execution_options(synchronize_session=False)
    return len(session.execute(statement).all())
