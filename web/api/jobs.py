"""Long work that was started over the API."""

from __future__ import annotations

import re
from typing import Any

from flask import Response

from models import replay
from models.account import Scope
from models.base import db
from models.job import Job
from web import audit
from web.api import shapes
from web.api.answers import answer
from web.api.described import describe
from web.api.door import actor, api, require
from web.api.errors import Refusal
from web.audit import Act


@api.get("/jobs/<job>")
@require(Scope.READ)
@describe("See how far a job is.", answers={200: shapes.Job})
def get_job(job: str) -> Response:
    """Give the state of one job."""
    return answer(_document(_known(job)))


@api.post("/jobs/<job>/<move>")
@require(Scope.OPERATE)
@describe(
    "Move a replay: pause, resume or stop.",
    answers={200: shapes.Job},
    note="What it has made due stays due. 409 when it is in no state for that.",
)
def move_job(job: str, move: str) -> Response:
    """Change the state of one replay."""
    if move not in MOVES:
        raise Refusal(404, f"There is no such move; there are {', '.join(MOVES)}.")
    found = _known(job, for_update=True)
    try:
        MOVES[move](found)
    except replay.NotPossible as error:
        raise Refusal(409, str(error)) from error
    audit.note(Act.CHANGED, str(found), actor=actor(), text=move)
    db.session.commit()
    return answer(_document(found))


MOVES = {"pause": replay.pause, "resume": replay.go_on, "stop": replay.stop}
"""What a person may do to a replay under way."""


def _known(job: str, *, for_update: bool = False) -> Job:
    found = None
    if re.fullmatch(r"[0-9]{1,18}", job, re.ASCII):
        found = db.session.get(Job, int(job), with_for_update=for_update or None)
    if found is None:
        raise Refusal(404, "There is no such job.")
    return found


def _document(found: Job) -> dict[str, Any]:
    return {"state": found.state, "done": found.done, "total": found.total, "error": found.error}
