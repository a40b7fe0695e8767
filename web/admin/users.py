"""People: who may sign in, and what they may do. For admins."""

from __future__ import annotations

import secrets
from typing import Any

import sqlalchemy as sa
from flask import abort, flash, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_security import current_user

from models.account import Role, User
from models.base import db, utc_now
from web import audit, second_factor
from web.admin import asked
from web.admin.page import Page
from web.audit import Act
from web.forms.accounts import NewUserForm, UserForm
from web.guard import actor
from web.login import LINK_LASTS, Refused, create_user, give_link


class Users(Page):
    """The list, a new person, and one person."""

    role = Role.ADMIN

    @expose("/")
    def index(self) -> str:
        """List everybody."""
        people = db.session.scalars(sa.select(User).order_by(sa.func.lower(User.email))).all()
        return str(self.render("admin/users.html", people=people, now=utc_now()))

    @expose("/new", methods=("GET", "POST"))
    def new(self) -> ResponseReturnValue:
        """Make an account; its link is in the answer and nowhere else."""
        form = NewUserForm()
        if form.validate_on_submit():
            try:
                user = create_user(form.email.data or "", form.role.data or "", None)
            except Refused as refusal:
                form.form_errors.append(str(refusal))
            else:
                token = give_link(user)
                audit.note(Act.CREATED, target(user), actor=actor(), after=_shown(user))
                db.session.commit()
                return self._link(user, token)
        return str(self.render("admin/form.html", page_name="New person", form=form, back=url_for(".index")))

    @expose("/<int:user_id>", methods=("GET", "POST"))
    def one(self, user_id: int) -> ResponseReturnValue:
        """Change the role, and whether the person may sign in."""
        user = _known(user_id)
        form = UserForm(obj=user)
        if form.validate_on_submit() and self._change(user, form):
            flash("Saved.", "success")
            return redirect(url_for(".index"))
        db.session.rollback()
        return str(self.render("admin/user.html", page_name=user.email, form=form, user=user, back=url_for(".index")))

    @expose("/<int:user_id>/link", methods=("POST",))
    def link(self, user_id: int) -> ResponseReturnValue:
        """Make a new one-time link, for who lost the password."""
        user = _known(user_id)
        token = give_link(user)
        audit.note(Act.CHANGED, target(user), actor=actor(), text="a one-time link was made")
        db.session.commit()
        return self._link(user, token)

    @expose("/<int:user_id>/second-factor", methods=("POST",))
    def second_factor(self, user_id: int) -> ResponseReturnValue:
        """Switch a second factor off, for who lost the app."""
        user = _known(user_id)
        second_factor.switch_off(user)
        audit.note(Act.CHANGED, target(user), actor=actor(), text="the second factor was switched off")
        db.session.commit()
        flash("The second factor is off. The password alone opens the account until a new one is set up.", "success")
        return redirect(url_for(".one", user_id=user.id))

    def _link(self, user: User, token: str) -> str:
        address = url_for("welcome.choose", token=token, _external=True)
        days = LINK_LASTS.days
        return str(self.render("admin/user_link.html", page_name=user.email, user=user, address=address, days=days))

    @staticmethod
    def _change(user: User, form: UserForm) -> bool:
        if user.id == current_user.id and not (form.active.data and form.role.data == Role.ADMIN):
            form.form_errors.append("Nobody takes away their own rights: ask another admin.")
            return False
        before = _shown(user)
        user.role, user.active = form.role.data, form.active.data
        if not user.active:
            user.fs_uniquifier = secrets.token_hex(32)  # ends all sign-ins
        audit.note(Act.CHANGED, target(user), actor=actor(), before=before, after=_shown(user))
        db.session.commit()
        return True


def target(user: User) -> str:
    """Name a person in the record."""
    return f"person {user.email}"


def _known(user_id: int) -> User:
    return db.session.get(User, asked.row_id(user_id)) or abort(404)


def _shown(user: User) -> dict[str, Any]:
    return {"role": user.role, "maySignIn": user.active}
