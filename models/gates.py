"""What people are told of an open delivery: behind a closed gate it is `held`, with the gate's reason.

Pause, breaker and the like live at the profile's gate, so that one row changes and not a million.
"""

from __future__ import annotations

import sqlalchemy as sa

from models.delivery import Delivery
from models.profile import Gate, GateFault, Profile

GATE_REASONS = {
    GateFault.BREAKER: "receiver down",
    GateFault.GONE: "receiver is gone (410)",
    GateFault.BLOCKED: "address not allowed",
    GateFault.SETTINGS: "settings cannot be used",
    GateFault.UPLOAD: "uploads stopped",
    GateFault.MAKING: "files cannot be made",
}

gate_reason: sa.ColumnElement[str | None] = sa.case(
    (Profile.enabled.is_(False), sa.literal("disabled")),
    (Profile.paused, sa.literal("paused")),
    *((Gate.fault == fault.value, sa.literal(text)) for fault, text in GATE_REASONS.items()),
    else_=sa.null(),
)
"""Why a profile's gate is closed; NULL while it is open. Needs Profile and Gate in the statement."""

shown_state: sa.ColumnElement[str] = sa.case(
    (sa.and_(Delivery.state == "pending", gate_reason.is_not(None)), sa.literal("held")),
    else_=Delivery.state,
)
"""The state that answers, pages and filters use. Needs Delivery, Profile and Gate in the statement."""

shown_reason: sa.ColumnElement[str | None] = sa.case((Delivery.state == "pending", gate_reason), else_=Delivery.reason)
"""The reason that goes with shown_state."""
