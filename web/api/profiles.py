"""Export profiles: their documents, and run now."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Response
from sqlalchemy.orm import selectinload

from models import routing
from models.account import Scope
from models.base import db
from models.ledger import FILE_KINDS
from models.profile import Profile
from web import installed, run_acts
from web.api import shapes
from web.api.answers import answer
from web.api.bodies import read_body
from web.api.described import describe
from web.api.door import actor, api, require
from web.api.errors import Refusal
from web.api.queries import after_id, limit, page, texts
from web.profile_documents import Busy, Refused, delete, document_of, find, save


@api.get("/profiles")
@require(Scope.READ)
@describe("List the profiles.", answers={200: shapes.Profiles}, query=shapes.Page)
def list_profiles() -> Response:
    """Give a page of profile documents, newest first."""
    texts()
    wanted = limit()
    query = (
        sa.select(Profile)
        .where(Profile.deleted_at.is_(None))
        .order_by(Profile.id.desc())
        .limit(wanted + 1)
        .options(selectinload(Profile.mappings), selectinload(Profile.routes))
    )
    if (after := after_id()) is not None:
        query = query.where(Profile.id < after)
    found = db.session.scalars(query).all()
    following = str(found[wanted - 1].id) if len(found) > wanted else None
    return answer(page([document_of(profile) for profile in found[:wanted]], following))


@api.get("/profiles/<name>")
@require(Scope.READ)
@describe("Read a profile.", answers={200: shapes.Profile})
def get_profile(name: str) -> Response:
    """Give one profile document."""
    return answer(document_of(known(name)))


@api.put("/profiles/<name>")
@require(Scope.PROFILES_WRITE)
@describe(
    "Store a profile.",
    body=shapes.Profile,
    body_types=("application/json", "application/yaml"),
    answers={200: shapes.Profile, 201: shapes.Profile},
    note="JSON or YAML. Keys that are left out take their defaults; secrets that are left out keep the stored value.",
)
def put_profile(name: str) -> Response:
    """Store one profile document; 201 when it is new."""
    document = read_body(takes_yaml=True)
    try:
        saved = save(db.session(), document, name=name, actor=actor())
    except Refused as refused:
        raise Refusal(422, "The profile is refused; see the details.", refused.faults) from refused
    except Busy as busy:
        raise Refusal(503, str(busy)) from busy
    db.session.commit()
    installed.ring()
    installed.ring_files()
    return answer(document_of(saved.profile), 201 if saved.created else 200)


@api.delete("/profiles/<name>")
@require(Scope.PROFILES_WRITE)
@describe(
    "Delete a profile.",
    answers={204: None},
    note="What is open is cancelled in the key's name, history and files stay, the name is free again.",
)
def delete_profile(name: str) -> Response:
    """End one profile."""
    try:
        delete(db.session(), known(name), actor=actor())
    except Busy as busy:
        raise Refusal(503, str(busy)) from busy
    db.session.commit()
    return Response(status=204)


@api.post("/profiles/<name>/run")
@require(Scope.OPERATE)
@describe(
    "Run a profile now.",
    answers={202: shapes.Due | shapes.MadeRuns, 409: shapes.Error},
    note="Makes everything due that waits for its time. A file profile makes a file for each route that has none waiting.",
)
def run_profile(name: str) -> Response:
    """Make what waits due now, or a file of it."""
    profile = known(name)
    if profile.export_type in FILE_KINDS:
        return _make_files(profile)
    due = routing.run_now(db.session(), profile.id)
    db.session.commit()
    installed.ring()
    return answer({"due": due}, 202)


@api.post("/profiles/<name>/resume")
@require(Scope.OPERATE)
@describe(
    "Resume a profile.",
    answers={200: shapes.Profile},
    note="Ends its pause, opens its gate, and tries afresh what waits for a person.",
)
def resume_profile(name: str) -> Response:
    """Let a profile go on."""
    profile = known(name)
    run_acts.resume(db.session(), profile, actor=actor())
    db.session.commit()
    installed.ring()
    installed.ring_files()
    return answer(document_of(profile))


def _make_files(profile: Profile) -> Response:
    try:
        made = run_acts.make_now(db.session(), profile, actor=actor())
    except run_acts.NotPossible as error:
        raise Refusal(409, str(error)) from error
    db.session.commit()
    installed.ring_files()
    return answer({"runs": made}, 202)


def known(name: str) -> Profile:
    """Find a profile by its name, in any case. Raises Refusal: 404."""
    profile = find(db.session(), name)
    if profile is None:
        raise Refusal(404, "There is no profile of this name.")
    return profile
