"""API keys: made here and shown once; revoked for good. For admins."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import abort, flash, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose

from models.account import ApiKey, Role, Scope
from models.base import db, utc_now
from web import audit
from web.admin import asked
from web.admin.page import Page
from web.audit import Act
from web.forms.accounts import KeyForm
from web.guard import actor


class Keys(Page):
    """The list, a new key, and revoking one."""

    role = Role.ADMIN

    @expose("/")
    def index(self) -> str:
        """List all keys, those in force first."""
        keys = db.session.scalars(sa.select(ApiKey).order_by(ApiKey.revoked_at.is_not(None), ApiKey.id.desc())).all()
        return str(self.render("admin/keys.html", keys=keys, now=utc_now()))

    @expose("/new", methods=("GET", "POST"))
    def new(self) -> ResponseReturnValue:
        """Make a key. Its text is in the answer and nowhere else."""
        form = KeyForm()
        if not form.validate_on_submit() or not _is_free(form):
            return str(self.render("admin/form.html", page_name="New API key", form=form, back=url_for(".index")))
        key, text = ApiKey.issue(_name(form), [Scope(scope) for scope in form.scopes.data or ()])
        key.expires_at = utc_now() + timedelta(days=form.days.data) if form.days.data else None
        db.session.add(key)
        audit.note(Act.CREATED, f"key {key.name}", actor=actor(), after=_shown(key))
        db.session.commit()
        return str(self.render("admin/key.html", page_name="New API key", key=key, text=text))

    @expose("/<int:key_id>/revoke", methods=("POST",))
    def revoke(self, key_id: int) -> ResponseReturnValue:
        """End a key; programs that use it get 401 from now on."""
        key = db.session.get(ApiKey, asked.row_id(key_id)) or abort(404)
        if key.revoked_at is None:
            key.revoked_at = utc_now()
            audit.note(Act.REVOKED, f"key {key.name}", actor=actor())
            db.session.commit()
        flash(f'"{key.name}" is revoked.', "success")
        return redirect(url_for(".index"))


def _shown(key: ApiKey) -> dict[str, Any]:
    return {"scopes": key.scopes, "goodUntil": key.expires_at.isoformat() if key.expires_at else None}


def _name(form: KeyForm) -> str:
    return (form.name.data or "").strip()


def _is_free(form: KeyForm) -> bool:
    name = _name(form)
    if "\x00" in name or not name:
        form.name.errors = ["Give a name."]
    elif db.session.scalar(sa.select(ApiKey.id).where(ApiKey.name == name)):
        form.name.errors = ["There is a key of this name; names stay taken, so that the record is clear."]
    return not form.name.errors
