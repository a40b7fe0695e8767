"""One profile: made, edited and copied on one page. It is saved as a document, so page, API and CLI refuse the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from flask import Response, abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose

from exporters.registry import FILES, KINDS, exporter_of
from models import audit
from models.account import Role
from models.alerts import Alert
from models.audit import AuditLine
from models.base import db, utc_now
from models.campaign import Campaign, Product
from models.profile import Profile
from models.rules.catalogue import all_fields
from models.secret_places import is_sealed
from web import installed, profile_documents
from web.admin import asked
from web.admin.page import Page
from web.admin.profile_import import brought, fit, left_out
from web.admin.profiles import living
from web.documents import Unreadable, write_json, write_yaml
from web.forms.profile import ProfileForm, drawn, values_of
from web.forms.rows import MappingRow, RouteRow
from web.guard import actor
from web.profiles.settings import secret_keys

MOST_FOUND = 30
PRESSED_TWICE = timedelta(minutes=1)
FORMS = {exporter.kind: drawn(exporter.Settings, makes_files=exporter in FILES) for exporter in KINDS}
FIELD_GROUPS: list[dict[str, Any]] = []
for _field in all_fields():
    if not FIELD_GROUPS or FIELD_GROUPS[-1]["text"] != _field.group:
        FIELD_GROUPS.append({"text": _field.group, "children": []})
    FIELD_GROUPS[-1]["children"].append(
        {"id": _field.name, "text": _field.name, "meaning": _field.meaning, "sample": _field.sample}
    )


class ProfilePage(Page):
    """The form, and the lookups its pickers ask."""

    role = Role.EDITOR

    def is_visible(self) -> bool:
        """It is reached from the list."""
        return False

    @expose("/")
    def index(self) -> ResponseReturnValue:
        """There is no profile without its number."""
        return redirect(url_for("profiles.index"))

    @expose("/new", methods=("GET", "POST"))
    def new(self) -> ResponseReturnValue:
        """Make a profile; `like` fills the form from another one, without its secrets."""
        like = living(number) if (number := asked.number("like")) else None
        kind = like.export_type if like else asked.text("type") or KINDS[0].kind
        values: dict[str, Any] = {"mappings": [{}], "routes": [{}]}
        if like:
            document = profile_documents.document_of(like)
            values = values_of({**document, "name": "", "enabled": False}, version=0)
            if request.method == "GET":
                _tell_left_out(left_out(document, like))
        form = form_for(kind, values)
        if form.validate_on_submit():
            if _is_there_already(form):
                return redirect(url_for("profiles.index"))
            if saved := _save(form, kind, profile=None, paused=False):
                collects = " It also takes the events of the last 24 hours." if saved.enabled else ""
                flash(f'"{saved.name}" is saved.{collects}', "success")
                return redirect(url_for("profiles.index"))
        return self._page(form, kind, page_name=f"New profile like {like.name}" if like else "New profile", like=like)

    @expose("/import", methods=("GET", "POST"))
    def bring(self) -> ResponseReturnValue:
        """Fill the form of a new profile from a document that somebody brings."""
        faults: list[str] = []
        if request.method == "POST":
            try:
                document = fit(brought())
                kind = document["exportType"]
                form = FORMS[kind](formdata=None, data=values_of(document, version=0))
                _tell_left_out(left_out(document))
                action = url_for(".new", type=kind)
                return self._page(form, kind, page_name="New profile, imported", like=None, action=action)
            except Unreadable as error:
                faults = [str(error)]
            except profile_documents.Refused as refused:
                faults = [f"{fault.path}: {fault.message}" for fault in refused.faults]
        text = request.form.get("text", "")
        return str(self.render("admin/profile_import.html", page_name="Import a profile", faults=faults, text=text))

    @expose("/<int:profile_id>/export.<any(yaml, json):form>")
    def export(self, profile_id: int, form: str) -> ResponseReturnValue:
        """Download the profile's document, without secrets."""
        document = profile_documents.document_of(living(profile_id))
        text = write_yaml(document) if form == "yaml" else write_json(document)
        headers = {"Content-Disposition": f'attachment; filename="profile-{profile_id}.{form}"'}
        return Response(text, mimetype=f"application/{form}", headers=headers)

    @expose("/<int:profile_id>", methods=("GET", "POST"))
    def edit(self, profile_id: int) -> ResponseReturnValue:
        """Change a profile."""
        profile = living(profile_id)
        form = form_for(profile.export_type, values_of(profile_documents.document_of(profile), version=profile.version))
        form.settings.form.tell_stored(key for key, value in profile.settings.items() if is_sealed(value))
        name, paused = profile.name, profile.paused
        stale = Stale.of(form, profile) if form.validate_on_submit() else None
        if stale is not None and not stale.differs:
            return redirect(url_for("profiles.index"))  # pressed twice: it is saved already
        if form.is_submitted() and not form.errors and stale is None:
            saved = _save(form, profile.export_type, profile=profile, paused=paused)
            if saved:
                flash(f'"{saved.name}" is saved.', "success")
                return redirect(url_for("profiles.index"))
        return self._page(form, profile.export_type, page_name=name, like=None, profile_id=profile_id, stale=stale)

    @expose("/lookup/<kind>")
    def lookup(self, kind: str) -> ResponseReturnValue:
        """Find campaigns or products for a picker, by id or name."""
        if kind not in _RECORDS:
            abort(404)
        key, name = _RECORDS[kind]
        term = asked.text("q")
        statement = sa.select(key, name).order_by(key).limit(MOST_FOUND)
        if term:
            statement = statement.where(
                sa.or_(key.startswith(term, autoescape=True), name.icontains(term, autoescape=True))
            )
        found = [{"id": row[0], "text": _shown(row[0], row[1])} for row in db.session.execute(statement)]
        return {"results": found if term else [{"id": "all", "text": "All"}, *found]}

    def _page(
        self,
        form: ProfileForm,
        kind: str,
        *,
        page_name: str,
        like: Profile | None,
        profile_id: int | None = None,
        stale: Stale | None = None,
        action: str | None = None,
    ) -> str:
        return str(
            self.render(
                "admin/profile.html",
                page_name=page_name,
                form=form,
                kind=kind,
                label=exporter_of(kind).label,
                exporters=KINDS,
                profile_id=profile_id,
                alert=db.session.get(Alert, profile_id) if profile_id is not None else None,
                clone_of=like,
                action=action,
                is_faulty=request.method == "POST" and stale is None and action is None,
                stale=stale,
                blank_mapping=MappingRow(prefix="mappings-0-"),
                blank_route=RouteRow(prefix="routes-0-"),
                names={kind: _names(form, kind) for kind in _RECORDS},
                field_groups=FIELD_GROUPS,
            )
        )


_RECORDS = {
    "campaigns": (Campaign.campaign_id, Campaign.name),
    "products": (Product.product_id, Product.name),
}


def _tell_left_out(secrets: list[str]) -> None:
    again = f" Type its secrets again: {', '.join(secrets)}." if secrets else ""
    flash(f"It is switched off, and not saved yet.{again}", "warning" if secrets else "info")


def form_for(kind: str, values: dict[str, Any]) -> ProfileForm:
    """Give the form of an export type, filled; 404 when there is no such type."""
    if kind not in FORMS:
        abort(404)
    return FORMS[kind](data=values)


def given_document(form: ProfileForm, kind: str, *, paused: bool) -> Any:
    """Give the form as a document of plain JSON values."""
    return json.loads(json.dumps(form.document(export_type=kind, paused=paused), default=float))


@dataclass(frozen=True, slots=True)
class Stale:
    """Somebody has saved the profile since its form was opened. differs: (place, what is stored now, what the form says)."""

    who: str
    at: datetime | None
    differs: list[tuple[str, Any, Any]]

    @classmethod
    def of(cls, form: ProfileForm, profile: Profile) -> Stale | None:
        """Compare, and have the form count as opened now: what its reader has seen may be written over. None: it is fresh."""
        if form.version.data == str(profile.version):
            return None
        found = _differences(form, profile)
        last = db.session.scalars(
            sa.select(AuditLine)
            .where(AuditLine.target == f"profile {profile.name}")
            .order_by(AuditLine.id.desc())
            .limit(1)
        ).one_or_none()
        form.version.data = str(profile.version)
        return cls(last.actor if last else "Somebody", last.at if last else None, found)


def _is_there_already(form: ProfileForm) -> bool:
    """Say whether this very profile was just made: Save was pressed twice."""
    made = profile_documents.find(db.session(), form.name.data or "")
    return made is not None and utc_now() - made.created_at < PRESSED_TWICE and not _differences(form, made)


def _differences(form: ProfileForm, profile: Profile) -> list[tuple[str, Any, Any]]:
    """List where the form says something else than what is stored: (place, stored, the form's). A secret that is typed does."""
    stored = profile_documents.document_of(profile)
    document = given_document(form, profile.export_type, paused=profile.paused)
    try:
        drafted = profile_documents.draft(db.session(), document, profile=profile).profile
        written = profile_documents.document_of(drafted)
    except profile_documents.Refused:  # what it holds is not read, so it is not known what of it is secret
        return [("the form", "can be used", "has faults; Save tells them")]
    finally:
        db.session.rollback()
    return [
        *audit.differences(stored, written),
        *((place, "stored", "new") for place in _typed_secrets(document, written)),
    ]


def _typed_secrets(document: dict[str, Any], written: dict[str, Any]) -> Iterator[str]:
    keys = secret_keys(exporter_of(document["exportType"]).Settings)
    yield from (f"settings.{key}" for key in keys if document["settings"].get(key))
    for index, (given, row) in enumerate(zip(document["mappings"], written["mappings"], strict=False)):
        if row.get("secret") and given.get("static"):
            yield f"mappings[{index}].static"


def _save(form: ProfileForm, kind: str, *, profile: Profile | None, paused: bool) -> Profile | None:
    """Save the form's document and commit; None when it was refused, with each message at its field."""
    document = given_document(form, kind, paused=paused)
    try:
        saved = profile_documents.save(
            db.session(), document, actor=actor(), profile=profile, must_be_new=profile is None
        )
    except profile_documents.Refused as refused:
        db.session.rollback()
        for fault in refused.faults:
            form.hang(fault.path, fault.message)
        return None
    except profile_documents.Busy as busy:
        db.session.rollback()
        form.form_errors.append(str(busy))
        return None
    db.session.commit()
    installed.ring()
    for warning in saved.warnings:
        flash(warning.message, "warning")
    return saved.profile


def _names(form: ProfileForm, kind: str) -> dict[str, str]:
    """Name the campaigns or products that the form's routes speak of."""
    key, name = _RECORDS[kind]
    ids = {row.form[kind.removesuffix("s")].data for row in form.routes} - {None, "all"}
    wanted = [text for text in ids if "\x00" not in text]
    return {row[0]: _shown(row[0], row[1]) for row in db.session.execute(sa.select(key, name).where(key.in_(wanted)))}


def _shown(key: str, name: str | None) -> str:
    return f"{name} ({key})" if name else key
