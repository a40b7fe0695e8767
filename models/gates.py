"""What people are told of an open delivery: behind a closed gate it is `held`, with the gate's reason.

Pause, breaker and the like live at the profile's gate, so that one row changes and not a million.
"""

from __future__ import annotations

import sqlalchemy as sa

from models.delivery import Delivery
from models.profile import Gate, GateFault, Profile
from models.run import Run, RunState, Upload, UploadState

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

_IS_OFF = ((Profile.enabled.is_(False), sa.literal("disabled")), (Profile.paused, sa.literal("paused")))

run_gate_reason: sa.ColumnElement[str | None] = sa.case(
    *_IS_OFF,
    (Gate.fault == GateFault.MAKING.value, sa.literal(GATE_REASONS[GateFault.MAKING])),
    else_=sa.null(),
)
"""Why a file profile makes no files; NULL while it does. A server that refuses uploads does not stop the making."""

upload_gate_reason: sa.ColumnElement[str | None] = sa.case(
    *_IS_OFF,
    (Gate.fault == GateFault.UPLOAD.value, sa.literal(GATE_REASONS[GateFault.UPLOAD])),
    else_=sa.null(),
)
"""Why a file profile uploads nothing; NULL while it does."""

shown_run_state: sa.ColumnElement[str] = sa.case(
    (sa.and_(Run.state == RunState.PLANNED.value, run_gate_reason.is_not(None)), sa.literal(RunState.HELD.value)),
    else_=Run.state,
)
"""The state of a file that answers, pages and filters use. Needs Run, Profile and Gate in the statement."""


def shown_upload_state(upload: type[Upload]) -> sa.ColumnElement[str | None]:
    """Give the state of an upload that people are told. Needs Profile and Gate; upload may be an alias."""
    is_stopped = sa.and_(upload.state == UploadState.PENDING.value, upload_gate_reason.is_not(None))
    return sa.case((is_stopped, sa.literal(UploadState.HELD.value)), else_=upload.state)
