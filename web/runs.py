"""Runs as people and programs see them: the route in words, the shown states, the last upload."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from models.campaign import Campaign, Product
from models.gates import run_gate_reason, shown_run_state, shown_upload_state, upload_gate_reason
from models.profile import Gate, Profile, Route
from models.rules import customer_types
from models.run import Run, RunState, Upload, UploadState

RUN_STATES = tuple(state.value for state in RunState)
UPLOAD_STATES = tuple(state.value for state in UploadState)

_last = (
    sa.select(Upload)
    .where(Upload.run_id == Run.id)
    .order_by(Upload.id.desc())
    .limit(1)
    .correlate(Run)
    .lateral("last_upload")
)
last_upload = aliased(Upload, _last)
"""A run's last upload; a file that is sent again has several."""

upload_state = shown_upload_state(last_upload)
"""The shown state of a run's last upload; NULL when there is none."""


def listed() -> sa.Select[Any]:
    """Select runs, one row each. The caller filters by Run and the names here, and orders."""
    return (
        sa.select(
            Run.id,
            Run.profile_id,
            Run.slot,
            Run.slot_at,
            Run.part,
            Run.period,
            Run.file_name,
            Run.rows,
            Run.orders,
            Run.bytes,
            Run.sha256,
            Run.written_at,
            Run.bytes_gone_at,
            shown_run_state.label("state"),
            Run.error,
            sa.case((Run.state == RunState.PLANNED.value, run_gate_reason), else_=sa.null()).label("run_gate"),
            Profile.name.label("profile"),
            Route.customer_type,
            sa.func.coalesce(Campaign.name, Route.campaign_id, "all").label("campaign"),
            sa.func.coalesce(Product.name, Route.product_id, "all").label("product"),
            upload_state.label("upload_state"),
            last_upload.looks_only,
            last_upload.error.label("upload_error"),
            last_upload.tries.label("upload_tries"),
            last_upload.due_at.label("upload_due_at"),
            last_upload.sent_bytes,
            sa.case((last_upload.state == UploadState.PENDING.value, upload_gate_reason), else_=sa.null()).label(
                "upload_gate"
            ),
        )
        .join(Profile, Profile.id == Run.profile_id)
        .join(Gate, Gate.profile_id == Profile.id)
        .join(Route, Route.id == Run.route_id)
        .outerjoin(Campaign, Campaign.campaign_id == Route.campaign_id)
        .outerjoin(Product, Product.product_id == Route.product_id)
        .outerjoin(last_upload, sa.true())
    )


def route_line(row: sa.Row[Any]) -> str:
    """Write a run's route as people read it: "Partial / Lander / all"."""
    return f"{type_label(row.customer_type)} / {row.campaign} / {row.product}"


def error_of(row: sa.Row[Any]) -> str | None:
    """Say why a run is not at its end: what went wrong, else why it waits. None when all is well."""
    if row.error or row.run_gate:
        return str(row.error or row.run_gate)
    if row.upload_state in {None, UploadState.DELIVERED.value}:
        return None
    trouble: str | None = row.upload_error or row.upload_gate
    return trouble


def type_label(slug: str) -> str:
    """Write a customer type as people read it; what another program stored is shown as it is."""
    try:
        return customer_types.parse(slug).label
    except ValueError:
        return slug
