"""Test connection and test send: the part of a page that a form's script asks for. Takes the form as it stands, saved or not."""

from __future__ import annotations

from typing import Any

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose

from models.account import Role
from models.base import db
from models.ledger import FILE_KINDS
from models.profile import Profile
from web import profile_documents
from web.admin.draft import fault_words
from web.admin.page import Page
from web.admin.preview import stored
from web.admin.profile import form_for, given_document
from web.admin.profiles import living
from web.guard import actor, needs
from web.probing import probe, probe_stored
from web.profiles.faults import Refused
from web.test_send import CannotSend, sample_event, send_test


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
        name = profile.name
        try:
            seen = _sent(profile, f"profile {name}") if profile.export_type not in FILE_KINDS else _probed(profile)
        except Refused as refused:
            seen = {"faults": [fault.message for fault in refused.faults]}
        except CannotSend as error:
            seen = {"faults": [str(error)]}
        return str(self.render("admin/probe_page.html", page_name=f"Test: {name}", number=profile_id, **seen))

    @expose("/<kind>", methods=("POST",))
    @expose("/<kind>/<int:profile_id>", methods=("POST",))
    @needs(Role.EDITOR)  # the address is the form's: only who may save it may have it dialled
    def one(self, kind: str, profile_id: int | None = None) -> str:
        """Test what the form asks for; a secret left empty is the stored one."""
        profile = None if profile_id is None else living(profile_id)
        form = form_for(kind, {})
        document = given_document(form, kind, paused=False)
        try:
            if form.makes_files:
                steps = probe(kind, document["settings"], profile=profile, actor=actor())
                return str(self.render("admin/probe_steps.html", steps=steps, can_trust=True))
            target = f"profile {profile.name}" if profile is not None else "a profile not saved yet"
            drafted = profile_documents.draft(db.session(), document, profile=profile).profile
            return str(self.render("admin/exchange.html", **_sent(drafted, target)))
        except Refused as refused:
            db.session.rollback()
            faults = [fault_words(form, fault.path, fault.message) for fault in refused.faults]
        except CannotSend as error:
            db.session.rollback()
            faults = [str(error)]
        return str(self.render("admin/probe_steps.html", faults=faults))


def _probed(profile: Profile) -> dict[str, Any]:
    return {"steps": probe_stored(profile, actor=actor())}


def _sent(profile: Profile, target: str) -> dict[str, Any]:
    """Send the event that the form names, else the sample: nobody's data goes out unasked."""
    wanted = request.form.get("event", "").replace("\x00", "").strip()[:300]
    found = stored(profile, wanted) if wanted else None
    if wanted and found is None:
        raise CannotSend(f'There is no event or order "{wanted}".')
    event = found[0] if found else sample_event(profile)
    exchange = send_test(profile, event, target=target, actor=actor())
    return {"exchange": exchange, "event": event, "is_sample": found is None}
