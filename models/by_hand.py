"""What a person does to single deliveries: send again, cancel. The person's name goes into the reason."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from models.delivery import Delivery
from models.event import Event
from models.profile import Profile

_IS_TEST = sa.exists().where(Event.id == Delivery.event_id, Event.test_card)
_IS_DELETED = sa.exists().where(Profile.id == Delivery.profile_id, Profile.deleted_at.is_not(None))


def send_again(session: Session, delivery_ids: Sequence[int]) -> int:
    """Make these deliveries due now, whatever became of them. Returns how many.

    Left alone: what is on its way at this moment, deliveries of a deleted profile, and orders of a test card, which
    are never exported.
    """
    done = session.execute(
        sa.update(Delivery)
        .where(Delivery.id.in_(delivery_ids), Delivery.state != "leased", ~_IS_TEST, ~_IS_DELETED)
        .values(state="pending", reason=None, due_at=sa.func.now(), finished_at=None, failures=0, losses=0, forced=True)
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    )
    return len(done.all())


def cancel(session: Session, delivery_ids: Sequence[int], *, actor: str, reason: str) -> int:
    """Cancel what is still open of these deliveries. Returns how many.

    A try under way ends as it may; its result counts as late.
    """
    done = session.execute(
        sa.update(Delivery)
        .where(Delivery.id.in_(delivery_ids), Delivery.state.in_(("pending", "leased", "held")))
        .values(
            state="cancelled",
            reason=f"cancelled by {actor}: {reason}",
            finished_at=sa.func.now(),
            lease_token=None,
            lease_until=None,
        )
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    )
    return len(done.all())
