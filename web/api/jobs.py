"""Long work that was started over the API."""

from __future__ import annotations

import re

from flask import Response

from models.account import Scope
from models.base import db
from models.job import Job
from web.api import shapes
from web.api.answers import answer
from web.api.described import describe
from web.api.door import api, require
from web.api.errors import Refusal


@api.get("/jobs/<job>")
@require(Scope.READ)
@describe("See how far a job is.", answers={200: shapes.Job})
def get_job(job: str) -> Response:
    """Give the state of one job."""
    found = db.session.get(Job, int(job)) if re.fullmatch(r"[0-9]{1,18}", job, re.ASCII) else None
    if found is None:
        raise Refusal(404, "There is no such job.")
    return answer({"state": found.state, "done": found.done, "total": found.total, "error": found.error})
