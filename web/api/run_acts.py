"""What programs do to runs: download, send again, make again, give rows back, cancel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Response, request

from models.account import Scope
from models.base import db
from models.rules.mapping import Fault
from models.run import Run
from web import installed, run_acts
from web.api import shapes
from web.api.answers import answer
from web.api.bodies import read_object
from web.api.described import describe
from web.api.door import actor, api, require
from web.api.errors import Refusal
from web.api.runs import document_of, known_row
from web.downloads import Gone, NotYet, attachment
from web.profiles.faults import is_storable, unknown_keys

Done = TypeVar("Done")


@api.get("/runs/<run_id>/file")
@require(Scope.OPERATE)
@describe(
    "Download a run's file.",
    answers={200: None, 409: shapes.Error, 410: shapes.Error},
    answer_type="text/csv",
    note="The delivered bytes, packed if the profile says so. 409 while there is no file, 410 when its time is over.",
)
def download_run(run_id: str) -> Response:
    """Stream the file."""
    try:
        return attachment(_known(run_id), actor=actor())
    except NotYet as error:
        raise Refusal(409, str(error)) from error
    except Gone as error:
        raise Refusal(410, str(error)) from error


@api.post("/runs/<run_id>/send-again")
@require(Scope.OPERATE)
@describe("Upload a run's file once more.", answers={202: shapes.Run, 409: shapes.Error}, note="The same bytes.")
def send_run_again(run_id: str) -> Response:
    """Make an upload of the same bytes due now."""
    run = _known(run_id)
    _possible(lambda: run_acts.send_again(db.session(), run, actor=actor()))
    return _told(run.id)


@api.post("/runs/<run_id>/make-again")
@require(Scope.OPERATE)
@describe(
    "Make a new file of a run's rows.",
    answers={202: shapes.Run, 409: shapes.Error},
    note="With today's settings, as a new run; the rows stay with the first. A run that could not be made is made itself.",
)
def make_run_again(run_id: str) -> Response:
    """Plan a run over the same rows."""
    run = _known(run_id)
    return _told(_possible(lambda: run_acts.make_again(db.session(), run, actor=actor()).id))


@api.post("/runs/<run_id>/give-back")
@require(Scope.OPERATE)
@describe(
    "Give a run's rows back to the next run.",
    answers={200: shapes.GivenBack, 409: shapes.Error},
    note="Only while nobody can have seen the file: not downloaded, no upload near its end.",
)
def give_run_back(run_id: str) -> Response:
    """Let the rows wait again."""
    run = _known(run_id)
    count = _possible(lambda: run_acts.give_back(db.session(), run, actor=actor()))
    db.session.commit()
    return answer({"rows": count})


@api.post("/runs/<run_id>/cancel")
@require(Scope.OPERATE)
@describe(
    "Cancel what is open of a run.",
    body=shapes.Reason,
    answers={200: shapes.Run, 409: shapes.Error},
    note="The file before it is written, or its upload. The rows stay with the run unless they are given back.",
)
def cancel_run(run_id: str) -> Response:
    """Cancel a run."""
    run = _known(run_id)
    reason = _reason()
    _possible(lambda: run_acts.cancel(db.session(), run, actor=actor(), reason=reason))
    return _told(run.id, status=200)


def _known(run_id: str) -> Run:
    return db.session.get_one(Run, known_row(run_id).id)


def _possible(act: Callable[[], Done]) -> Done:
    """Do it. Raises Refusal: 409 when it is not possible."""
    try:
        return act()
    except run_acts.NotPossible as error:
        raise Refusal(409, str(error)) from error


def _told(run_id: int, *, status: int = 202) -> Response:
    """Commit, ring, and give the run as it is then."""
    db.session.commit()
    installed.ring_files()
    return answer(document_of(known_row(run_id)), status)


def _reason() -> str:
    body: dict[str, Any] = read_object() if request.content_length else {}
    reason = body.get("reason") or "no reason given"
    faults = list(unknown_keys(body, ("reason",)))
    if not isinstance(reason, str) or not is_storable(reason) or len(reason) > run_acts.MOST_REASON:
        faults.append(Fault("reason", f"Give a text of at most {run_acts.MOST_REASON} characters."))
    if faults:
        raise Refusal(422, "The body is refused; see the details.", faults)
    return str(reason)
