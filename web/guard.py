"""The door to the admin pages: everything below /admin is closed unless a living sign-in opens it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import sqlalchemy as sa
from flask import Flask, abort, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_user, user_logged_out
from flask_security.signals import user_authenticated
from flask_security.utils import logout_user

from models.account import Role, User
from models.base import db
from models.sign_in import SignIn, digest
from web.audit import Act, note
from web.login import Person, is_local

P = ParamSpec("P")
R = TypeVar("R")

AREA = "/admin"
OWN = "account"
"""The pages on which everybody changes the own account."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
IDLE = timedelta(hours=1)
LONGEST = timedelta(hours=12)
TOUCH_AFTER = timedelta(minutes=1)


def init_guard(app: Flask) -> None:
    """Close the area, and keep a row in Postgres for every browser that is signed in."""
    app.before_request(guard)
    user_authenticated.connect(_begin, app)
    user_logged_out.connect(_end, app)


def guard() -> ResponseReturnValue | None:
    """Send strangers to the login; let nobody below operator change more than the own account, whatever the page says."""
    if not is_inside(request.path) or request.endpoint == "admin.static":
        return None
    if not current_user.is_authenticated or not _is_alive():
        logout_user()
        return redirect(url_for("security.login", next=_way_back()))
    if request.method not in SAFE and request.blueprint != OWN and not may(Role.OPERATOR):
        abort(403)
    return None


def may(needed: Role) -> bool:
    """Say whether the person of this request may do what the role may."""
    return bool(current_user.is_authenticated and current_user.may(needed))


def needs(role: Role) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Refuse a view with 403 to whoever has less than this role."""

    def wrap(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            if not may(role):
                abort(403)
            return view(*args, **kwargs)

        return checked

    return wrap


def actor() -> str:
    """Name the person of this request, for reasons and the record."""
    return str(current_user.email)


def sign_in_again(user: User) -> None:
    """Go on as this person, whose password has changed: that ended all sign-ins, this one, too."""
    db.session.flush()  # the person is read anew
    login_user(db.session.get_one(Person, user.id, populate_existing=True))


def is_inside(path: str) -> bool:
    """Say whether an address belongs to the pages behind the login."""
    return path == AREA or path.startswith(f"{AREA}/")


def _way_back() -> str | None:
    wanted = request.full_path.rstrip("?") if request.method == "GET" else AREA + "/"
    return wanted if is_local(wanted) else None


def _is_alive() -> bool:
    token = session.get("sign_in")
    if not isinstance(token, str):
        return False
    row = db.session.get(SignIn, digest(token))
    if row is None or row.user_id != current_user.id:
        return False
    now = db.session.scalar(sa.select(sa.func.now()))
    if now is None or now - row.seen_at > IDLE or now - row.created_at > LONGEST:
        return False
    if now - row.seen_at > TOUCH_AFTER:
        row.seen_at = now
        db.session.commit()
    return True


def _begin(_app: Flask, user: Any, **_more: Any) -> None:
    token = secrets.token_urlsafe(32)
    session["sign_in"] = token
    session.pop("csrf_token", None)  # who put a cookie into this browser before must not know the forms' token
    db.session.execute(sa.delete(SignIn).where(SignIn.created_at < sa.func.now() - LONGEST))
    db.session.add(SignIn(digest=digest(token), user_id=user.id))
    db.session.execute(sa.update(User).where(User.id == user.id).values(last_login_at=sa.func.now()))
    note(Act.SIGNED_IN, f"person {user.email}", actor=user.email)
    db.session.commit()


def _end(_app: Flask, *, user: Any = None, **_more: Any) -> None:
    token = session.pop("sign_in", None)
    if isinstance(token, str):
        if user is not None and user.is_authenticated:
            note(Act.SIGNED_OUT, f"person {user.email}", actor=user.email)
        db.session.execute(sa.delete(SignIn).where(SignIn.digest == digest(token)))
        db.session.commit()
