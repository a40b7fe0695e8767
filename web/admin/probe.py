"""Test connection: the part of a page that a form's script asks for. Takes the form as it stands, saved or not."""

from __future__ import annotations

from flask import redirect, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose

from models.account import Role
from web.admin.draft import fault_words
from web.admin.page import Page
from web.admin.profile import form_for, given_document
from web.admin.profiles import living
from web.guard import actor, needs
from web.probing import probe, probe_stored
from web.profiles.faults import Refused


class Probe(Page):
    """The steps of a connection test."""

    role = Role.OPERATOR

    def is_visible(self) -> bool:
        """It is no page of its own."""
        return False

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """There is no test without a profile."""
        return redirect(url_for("profiles.index"))

    @expose("/stored/<int:profile_id>", methods=("POST",))
    def stored(self, profile_id: int) -> str:
        """Test a profile as it is stored."""
        profile = living(profile_id)
        try:
            steps = probe_stored(profile, actor=actor())
        except Refused as refused:
            faults = [fault.message for fault in refused.faults]
            return str(self.render("admin/probe_page.html", page_name=f"Test: {profile.name}", faults=faults))
        return str(
            self.render("admin/probe_page.html", page_name=f"Test: {profile.name}", steps=steps, profile=profile)
        )

    @expose("/<kind>", methods=("POST",))
    @expose("/<kind>/<int:profile_id>", methods=("POST",))
    @needs(Role.EDITOR)  # the address is the form's: only who may save it may have it dialled
    def one(self, kind: str, profile_id: int | None = None) -> str:
        """Test the connection that the form asks for; a secret left empty is the stored one."""
        profile = None if profile_id is None else living(profile_id)
        form = form_for(kind, {})
        settings = given_document(form, kind, paused=False)["settings"]
        try:
            steps = probe(kind, settings, profile=profile, actor=actor())
        except Refused as refused:
            faults = [fault_words(form, fault.path, fault.message) for fault in refused.faults]
            return str(self.render("admin/probe_steps.html", faults=faults))
        return str(self.render("admin/probe_steps.html", steps=steps, can_trust=True))
