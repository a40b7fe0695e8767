"""What people see: Flask-Admin, one page one file."""

from __future__ import annotations

from flask import Flask, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_admin import Admin
from flask_admin.theme import Bootstrap4Theme

from web.admin.home import Home
from web.guard import may


def init_admin(app: Flask) -> None:
    """Mount all pages below /admin/; `/` leads there."""
    admin = Admin(
        app,
        name="Waybill",
        index_view=Home(name="Home", url="/admin", endpoint="admin"),
        theme=Bootstrap4Theme(base_template="admin/frame.html", fluid=True),
    )
    app.add_url_rule("/", "root", _to_admin)
    app.jinja_env.globals["may"] = may
    admin.add_views()


def _to_admin() -> ResponseReturnValue:
    return redirect(url_for("admin.index"))
