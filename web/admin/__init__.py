"""What people see: Flask-Admin, one page one file."""

from __future__ import annotations

from flask import Flask, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import Admin
from flask_admin.theme import Bootstrap4Theme
from werkzeug.exceptions import MethodNotAllowed, NotFound

from models.account import Role
from models.campaign import Campaign, Product
from web.admin import asked
from web.admin.account import Account
from web.admin.audit import Audit
from web.admin.customers import Customers
from web.admin.deliveries import Deliveries
from web.admin.draft import Draft
from web.admin.home import Home
from web.admin.keys import Keys
from web.admin.preview import Preview
from web.admin.probe import Probe
from web.admin.profile import ProfilePage
from web.admin.profiles import Profiles
from web.admin.records import Campaigns, Products
from web.admin.replays import Replays
from web.admin.runs import Runs
from web.admin.shown import init_filters
from web.admin.users import Users
from web.guard import is_inside, may
from web.headers import nonce


def init_admin(app: Flask) -> None:
    """Mount all pages below /admin/; `/` leads there."""
    home = Home(name="Home", url="/admin", endpoint="admin")
    admin = Admin(
        app,
        name="Waybill",
        index_view=home,
        theme=Bootstrap4Theme(base_template="admin/frame.html", fluid=True),
        csp_nonce_generator=nonce,
    )
    admin.add_views(
        Profiles(name="Profiles", endpoint="profiles"),
        ProfilePage(name="Profile", endpoint="profile"),
        Preview(name="Preview", endpoint="preview"),
        Draft(name="Draft", endpoint="draft"),
        Probe(name="Test", endpoint="probe"),
        Deliveries(name="Deliveries", endpoint="deliveries"),
        Runs(name="Files", endpoint="runs"),
        Replays(name="Replays", endpoint="replays"),
        Customers(name="Customers", endpoint="customers"),
        Campaigns(Campaign, name="Campaigns", endpoint="campaigns"),
        Products(Product, name="Products", endpoint="products"),
        Keys(name="API keys", endpoint="keys"),
        Users(name="People", endpoint="users"),
        Audit(name="Record", endpoint="audit"),
        Account(name="My account", endpoint="account"),
    )
    app.add_url_rule("/", "root", _to_admin)
    _answer_for_no_page(app, home)
    app.jinja_env.globals["left_out"] = asked.left_out
    app.jinja_env.globals["may"] = lambda role: may(Role(role))
    init_filters(app)


def _answer_for_no_page(app: Flask, home: Home) -> None:
    """Show who is signed in that there is no page of this address. No blueprint is asked about such an address."""

    def refuse() -> ResponseReturnValue | None:
        error = request.routing_exception
        return (
            home.refused(error) if isinstance(error, NotFound | MethodNotAllowed) and is_inside(request.path) else None
        )

    app.before_request(refuse)


def _to_admin() -> ResponseReturnValue:
    return redirect(url_for("admin.index"))
