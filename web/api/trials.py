"""Tests of profiles: a file profile's connection, a postback's one request. Nothing is stored or marked by them."""

from __future__ import annotations

from collections.abc import Callable

from flask import Response, request

from exporters.base import Step
from exporters.postback import Postback
from models.account import Scope
from models.base import db
from models.ledger import FILE_KINDS
from models.profile import Profile
from models.rules.event_document import NewEvent
from web.api import shapes
from web.api.answers import answer
from web.api.bodies import read_object
from web.api.described import describe
from web.api.door import actor, api, require
from web.api.errors import Refusal
from web.api.preview import stored_event
from web.api.profiles import known
from web.probing import probe, probe_stored, steps_document
from web.profile_documents import Refused, draft, find
from web.test_pace import TooManyTests
from web.test_send import CannotSend, sample_event, send_test


@api.post("/profiles/<name>/test")
@require(Scope.OPERATE)
@describe(
    "Test a profile.",
    body=shapes.TestedEvent,
    answers={200: shapes.TestResult},
    note="A file profile's connection is tried, nothing stays on the server. A postback profile sends one request:"
    ' of the sample order, or of the stored event of {"eventId": ..}. No delivery is marked by it.',
)
def test_profile(name: str) -> Response:
    """Test a stored profile."""
    profile = known(name)
    if profile.export_type in FILE_KINDS:
        return _tested(lambda: probe_stored(profile, actor=actor()))
    event_key = (read_object() if request.get_data() else {}).get("eventId")
    event = sample_event(profile) if event_key is None else stored_event(profile, event_key)[0]
    return _sent(profile, event, target=f"profile {profile.name}")


@api.post("/profiles/test")
@require(Scope.PROFILES_WRITE)
@describe(
    "Test a profile before it is saved.",
    body=shapes.ConnectionTest,
    answers={200: shapes.TestResult},
    note="The body is a profile document; of a file profile, exportType and settings are enough. Nothing is stored."
    " A file profile's connection is tried, a postback profile sends one request of the sample order.",
)
def test_connection() -> Response:
    """Test a document that need not be stored."""
    body = read_object()
    name = body.get("name")
    stored = find(db.session(), name) if isinstance(name, str) else None
    if body.get("exportType") != Postback.kind:
        return _tested(lambda: probe(body.get("exportType"), body.get("settings"), profile=stored, actor=actor()))
    target = f"profile {stored.name}" if stored is not None else "a profile not saved yet"
    try:
        drafted = draft(db.session(), body, profile=stored).profile
    except Refused as refused:
        raise Refusal(422, "The profile is refused; see the details.", refused.faults) from refused
    return _sent(drafted, sample_event(drafted), target=target)


def _sent(profile: Profile, event: NewEvent, *, target: str) -> Response:
    try:
        return answer(send_test(profile, event, target=target, actor=actor()).document())
    except CannotSend as error:
        raise Refusal(422, str(error)) from error
    except TooManyTests as error:
        raise Refusal(429, error.faults[0].message) from error


def _tested(test: Callable[[], list[Step]]) -> Response:
    try:
        return answer(steps_document(test()))
    except TooManyTests as error:
        raise Refusal(429, error.faults[0].message) from error
    except Refused as refused:
        raise Refusal(422, "The settings are refused; see the details.", refused.faults) from refused
