"""What a person or program does to deliveries, for pages, API and command line alike: the deed, and its lines in the record.

The caller commits, then rings.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from models.by_hand import Deed, do
from web import audit
from web.audit import Act
from web.profiles.faults import is_storable

__all__ = ["Deed", "NotPossible", "act_on", "act_on_one", "reason_of"]

MOST_REASON = 500
ACTS = {
    Deed.SEND_AGAIN: Act.SENT_AGAIN,
    Deed.HOLD: Act.PUT_ASIDE,
    Deed.RELEASE: Act.RELEASED,
    Deed.CANCEL: Act.CANCELLED,
}
WORDS = {Deed.SEND_AGAIN: "Send again", Deed.HOLD: "Put aside", Deed.RELEASE: "Release", Deed.CANCEL: "Cancel"}
DONE = {
    Deed.SEND_AGAIN: "Due now: it is sent again.",
    Deed.HOLD: "Put aside until somebody releases it.",
    Deed.RELEASE: "Released: it goes on.",
    Deed.CANCEL: "Cancelled.",
}
REFUSED = {
    Deed.SEND_AGAIN: "Not sent again: it is on its way at this moment, its profile is deleted, or its order was paid by test card.",
    Deed.HOLD: "Not put aside: it is on its way at this moment, finished, or put aside already.",
    Deed.RELEASE: "Not released: nobody has put it aside.",
    Deed.CANCEL: "It was finished already.",
}


class NotPossible(Exception):
    """The delivery is not in a state for that; one sentence."""


def act_on(session: Session, deed: Deed, ids: Sequence[int], *, actor: str, reason: str = "") -> list[int]:
    """Do it to those of the deliveries that it may be done to, with a line for each. Returns which."""
    done = do(session, deed, ids, actor=actor, reason=reason)
    for number in done:
        audit.note(ACTS[deed], f"delivery {number}", actor=actor, text=reason or None)
    return done


def act_on_one(session: Session, deed: Deed, delivery_id: int, *, actor: str, reason: str = "") -> str:
    """Do it to one delivery. Returns what to say. Raises NotPossible."""
    if not act_on(session, deed, [delivery_id], actor=actor, reason=reason):
        raise NotPossible(REFUSED[deed])
    return DONE[deed]


def reason_of(given: object) -> str | None:
    """Read a reason; None when it is no text, or too long."""
    if not isinstance(given, str) or not is_storable(given) or len(given) > MOST_REASON:
        return None
    return given.strip()
