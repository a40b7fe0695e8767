"""A look at what a profile's form would send, before it is saved. Nothing is sent, nothing is stored."""

from __future__ import annotations

import re

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose

from models.account import Role
from models.base import db
from web import profile_documents
from web.admin.file_look import half_a_look, look_at_files
from web.admin.page import Page
from web.admin.preview import look
from web.admin.profile import form_for, given_document
from web.admin.profiles import living
from web.admin.route_words import sentences
from web.forms.profile import ProfileForm
from web.profiles.routes import key_of
from web.test_send import sample_event

ROWS = {"mappings": "Field mapping", "routes": "Route"}


class Draft(Page):
    """The part of a page that the form's script asks for."""

    role = Role.EDITOR

    def is_visible(self) -> bool:
        """It is no page of its own."""
        return False

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """There is no draft without a form."""
        return redirect(url_for("profiles.index"))

    @expose("/<kind>", methods=("POST",))
    @expose("/<kind>/<int:profile_id>", methods=("POST",))
    def one(self, kind: str, profile_id: int | None = None) -> str:
        """Write the form's document down, look at what it would send, and forget both."""
        profile = None if profile_id is None else living(profile_id)
        form = form_for(kind, {})
        template = "admin/preview_files.html" if form.makes_files else "admin/preview_request.html"
        if not form.validate_on_submit():
            return str(self.render(template, faults=_misread(form)))
        document = given_document(form, kind, paused=False)
        known = [key_of(route) for route in profile.live_routes] if profile is not None and profile.enabled else []
        try:
            draft = profile_documents.draft(db.session(), document, profile=profile)
            drafted = draft.profile
            wanted = request.form.get("event", "").replace("\x00", "").strip()[:300]
            seen = (
                look_at_files(drafted, sample_event(drafted), known=known)
                if form.makes_files
                else look(drafted, wanted)
            )
            warnings = [fault_words(form, warning.path, warning.message) for warning in draft.warnings]
            return str(self.render(template, routes_in_words=sentences(drafted), warnings=warnings, **seen))
        except profile_documents.Refused as refused:
            faults = [fault_words(form, fault.path, fault.message) for fault in refused.faults]
            seen = half_a_look(document) if form.makes_files else {}
            return str(self.render(template, faults=faults, **seen))
        finally:
            db.session.rollback()


def _misread(form: ProfileForm) -> list[str]:
    return [
        f"{field.label.text}: {message}"
        for field in form
        for message in field.errors
        if isinstance(message, str)  # rows and groups hold lists of them
    ]


def fault_words(form: ProfileForm, path: str, message: str) -> str:
    """Name the place of a fault as the page does: "Field mapping 2: ..."."""
    if found := re.match(r"(mappings|routes)\[(\d+)\]", path):
        return f"{ROWS[found[1]]} {int(found[2]) + 1}: {message}"
    field = form.field_at(path)
    return f"{field.label.text}: {message}" if field is not None else message
