"""Runs of file profiles: each is one file of one route."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa
from flask import Response

from models.account import Scope
from models.base import db
from models.gates import shown_run_state
from models.profile import Profile
from models.rules.mapping import Fault
from models.run import Run
from web import runs
from web.api import shapes
from web.api.answers import answer
from web.api.described import describe
from web.api.door import api, require
from web.api.errors import Refusal
from web.api.queries import after_id, limit, page, texts


@api.get("/runs")
@require(Scope.READ)
@describe(
    "List the files of file profiles.",
    answers={200: shapes.Runs},
    query=shapes.RunFilters,
    note="The states are the shown ones: what waits behind a closed gate is held, with the reason as its error.",
)
def list_runs() -> Response:
    """Give a page of runs, newest first."""
    filters = texts("profile", "state")
    _check_state(filters.get("state"))
    wanted = limit()
    query = runs.listed().order_by(Run.id.desc()).limit(wanted + 1)
    if (after := after_id()) is not None:
        query = query.where(Run.id < after)
    if "profile" in filters:  # a deleted one of this name, too: its files stay
        named = sa.select(Profile.id).where(sa.func.lower(Profile.name) == sa.func.lower(filters["profile"]))
        query = query.where(Run.profile_id.in_(named))
    if "state" in filters:
        query = query.where(shown_run_state == filters["state"])
    rows = db.session.execute(query).all()
    following = str(rows[wanted - 1].id) if len(rows) > wanted else None
    return answer(page([document_of(row) for row in rows[:wanted]], following))


@api.get("/runs/<run_id>")
@require(Scope.READ)
@describe("Read a run.", answers={200: shapes.Run})
def get_run(run_id: str) -> Response:
    """Give one run."""
    return answer(document_of(known_row(run_id)))


def document_of(row: sa.Row[Any]) -> dict[str, Any]:
    """Write a row of `web.runs.listed` as in the contract."""
    return {
        "id": row.id,
        "profile": row.profile,
        "route": runs.route_line(row),
        "period": row.period.isoformat(),
        "fileName": row.file_name,
        "state": row.state,
        "uploadState": row.upload_state,
        "rows": row.rows,
        "bytes": row.bytes,
        "sha256": row.sha256,
        "error": runs.error_of(row),
    }


def known_row(run_id: str | int) -> sa.Row[Any]:
    """Find a run by the number in an address. Raises Refusal: 404."""
    text = str(run_id)
    row = None
    if re.fullmatch(r"[0-9]{1,18}", text, re.ASCII):
        row = db.session.execute(runs.listed().where(Run.id == int(text))).one_or_none()
    if row is None:
        raise Refusal(404, "There is no such run.")
    return row


def _check_state(state: str | None) -> None:
    if state is not None and state not in runs.RUN_STATES:
        raise Refusal(400, "The filter cannot be read.", [Fault("state", f"Give one of {', '.join(runs.RUN_STATES)}.")])
