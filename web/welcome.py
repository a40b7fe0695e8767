"""The page a one-time link leads to: a person chooses a password, once."""

from __future__ import annotations

from flask import Blueprint, Flask, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from models.base import db
from web import audit
from web.audit import Act
from web.forms.accounts import ChoosePasswordForm
from web.login import Refused, linked, set_password

welcome = Blueprint("welcome", __name__)


@welcome.route("/welcome/<token>", methods=("GET", "POST"))
def choose(token: str) -> ResponseReturnValue:
    """Ask for a password; the link then opens nothing any more."""
    user = linked(token)
    if user is None:
        return render_template("welcome.html", form=None), 404
    form = ChoosePasswordForm()
    if form.validate_on_submit():
        try:
            set_password(user, form.password.data or "")
        except Refused as refusal:
            form.password.errors = [str(refusal)]
        else:
            audit.note(
                Act.CHANGED, f"person {user.email}", actor=user.email, text="chose a password by a one-time link"
            )
            db.session.commit()
            return redirect(url_for("security.login"))
    return render_template("welcome.html", form=form, email=user.email)


def init_welcome(app: Flask) -> None:
    """Mount the page."""
    app.register_blueprint(welcome)
