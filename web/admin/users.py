"""People: who may sign in, and what they may do. For admins."""

from __future__ import annotations

import sqlalchemy as sa
from flask import abort, flash, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_security import current_user

from models.account import Role, User
from models.base import db
from web.admin import asked
from web.admin.page import Page
from web.forms.accounts import NewUserForm, UserForm
from web.login import Refused, create_user, set_password


class Users(Page):
    """The list, a new person, and one person."""

    role = Role.ADMIN

    @expose("/")
    def index(self) -> str:
        """List everybody."""
        people = db.session.scalars(sa.select(User).order_by(sa.func.lower(User.email))).all()
        return str(self.render("admin/users.html", people=people))

    @expose("/new", methods=("GET", "POST"))
    def new(self) -> ResponseReturnValue:
        """Make an account."""
        form = NewUserForm()
        if form.validate_on_submit():
            try:
                create_user(form.email.data or "", form.role.data or "", form.password.data or "")
            except Refused as refusal:
                form.form_errors.append(str(refusal))
            else:
                db.session.commit()
                flash("Made. Hand the password over in person.", "success")
                return redirect(url_for(".index"))
        return str(self.render("admin/form.html", page_name="New person", form=form, back=url_for(".index")))

    @expose("/<int:user_id>", methods=("GET", "POST"))
    def one(self, user_id: int) -> ResponseReturnValue:
        """Change role, password, and whether the person may sign in."""
        user = db.session.get(User, asked.row_id(user_id)) or abort(404)
        form = UserForm(obj=user)
        if form.validate_on_submit() and self._change(user, form):
            db.session.commit()
            flash("Saved.", "success")
            return redirect(url_for(".index"))
        db.session.rollback()
        return str(self.render("admin/form.html", page_name=user.email, form=form, back=url_for(".index")))

    @staticmethod
    def _change(user: User, form: UserForm) -> bool:
        if user.id == current_user.id and not (form.active.data and form.role.data == Role.ADMIN):
            form.form_errors.append("Nobody takes away their own rights: ask another admin.")
            return False
        user.role, user.active = form.role.data, form.active.data
        try:
            if form.password.data:
                set_password(user, form.password.data)
        except Refused as refusal:
            form.password.errors = [str(refusal)]
            return False
        return True
