"""The login: Flask-Security on our users, argon2id, CSRF for every form, generic answers, throttled tries."""

from __future__ import annotations

import math
import secrets
from datetime import timedelta
from typing import Any, cast

import sqlalchemy as sa
from flask import Flask, current_app, redirect, request, url_for
from flask.sessions import SecureCookieSessionInterface
from flask.typing import ResponseReturnValue
from flask_security import LoginForm, RoleMixin, Security, SQLAlchemyUserDatastore, UserMixin
from flask_security.utils import hash_password, verify_password
from flask_wtf import CSRFProtect
from sqlalchemy.orm import Mapped
from wtforms import StringField

from models.account import Role, User
from models.base import Base, db, utc_now
from models.sealed import CannotOpen
from models.sign_in import digest
from web import audit, installed, second_factor
from web.audit import Act
from web.throttle import begin_try, forget

csrf = CSRFProtect()
"""Guards every POST; `csrf.exempt(blueprint)` is for the API, which takes bearer keys and never cookies."""

MIN_PASSWORD = 10
LINK_LASTS = timedelta(days=3)
WRONG = "E-mail address, password or code is wrong."
"""The same words whatever it was."""

SETTINGS: dict[str, Any] = {
    "SECURITY_PASSWORD_HASH": "argon2",
    "SECURITY_PASSWORD_SCHEMES": ["argon2"],
    "SECURITY_PASSWORD_SINGLE_HASH": {"argon2"},
    # OWASP's second choice: 19 MiB each, for a dyno with 512 MB.
    "SECURITY_PASSWORD_HASH_PASSLIB_OPTIONS": {
        "argon2__memory_cost": 19_456,
        "argon2__time_cost": 2,
        "argon2__parallelism": 1,
    },
    "SECURITY_RETURN_GENERIC_RESPONSES": True,
    "SECURITY_LOGIN_USER_TEMPLATE": "login.html",
    "SECURITY_POST_LOGIN_VIEW": "/admin/",
    "SECURITY_POST_LOGOUT_VIEW": "/login",
    "SECURITY_LOGOUT_METHODS": ["POST"],
    "SECURITY_API_ENABLED_METHODS": ["session"],
    # Below zero there is no page /verify, where whoever took a sign-in could try passwords without end.
    "SECURITY_FRESHNESS": timedelta(minutes=-1),
    "SECURITY_JOIN_USER_ROLES": False,
    "SECURITY_MSG_GENERIC_AUTHN_FAILED": (WRONG, "error"),
    # No limit of their own: they end with the session, and a long edit must not be lost.
    "WTF_CSRF_TIME_LIMIT": None,
    "SESSION_COOKIE_HTTPONLY": True,
    "SESSION_COOKIE_SAMESITE": "Lax",
}


class Person(UserMixin, Base):
    """A user as the login sees it. The model itself must not know Flask-Security: the worker loads it, too."""

    __table__ = User.__table__

    id: Mapped[int]
    email: Mapped[str]
    role: Mapped[str]

    @property
    def roles(self) -> list[RoleMixin]:  # type: ignore[override]  # nothing writes them
        """Flask-Security's own roles are not used; `may` asks."""
        return []

    def may(self, needed: Role) -> bool:
        """Say whether this person's role covers the needed one."""
        return Role(self.role).covers(needed)


class PlainRole(RoleMixin):
    """Flask-Security wants a class for roles."""


class SignInForm(LoginForm):
    """The login form; every try is counted before the password is looked at.

    The code is asked for in the same form, and a wrong one gets the same answer as a wrong password.
    """

    remember = None  # type: ignore[assignment]  # this is how WTForms takes a field away
    code = StringField("Code")

    def validate(self, **kwargs: Any) -> bool:
        """Refuse who has to wait, the same for known and unknown accounts."""
        account = self.email.data or ""
        _, wait = begin_try(db.session(), account, request.remote_addr or "")
        if wait > timedelta(0):
            self.form_errors.append(f"Too many failed logins. Try again in {math.ceil(wait.total_seconds())} seconds.")
            return False
        if not super().validate(**kwargs) or not self._has_right_code():
            audit.note(Act.SIGN_IN_REFUSED, f"person {_known(account)}", actor=_known(account))
            db.session.commit()
            return False
        forget(db.session(), account)
        return True

    def _has_right_code(self) -> bool:
        user = db.session.get_one(User, cast("Any", self.user).id)  # set: the password was right
        try:
            if second_factor.accepts(db.session(), user, self.code.data or "", seal=installed.seal(), now=utc_now()):
                return True
            self.form_errors.append(WRONG)
        except CannotOpen:
            self.form_errors.append("The second factor cannot be read: its key is gone. Ask an admin to switch it off.")
        return False


class CookieSession(SecureCookieSessionInterface):
    """Over TLS the session's cookie is Secure, and its name makes browsers take it from this very host only."""

    def get_cookie_name(self, app: Flask) -> str:
        """Ask the request, not a setting. A cookie that came without TLS has another name and opens nothing."""
        name = super().get_cookie_name(app)
        return f"__Host-{name}" if request.is_secure else name

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002 -- the name is Flask's
        """Ask the request, not a setting."""
        return request.is_secure


def init_login(app: Flask) -> None:
    """Mount `/login` and `/logout`, and guard every POST of the application against CSRF."""
    app.config.update(SETTINGS)
    app.session_interface = CookieSession()
    csrf.init_app(app)
    security = Security(app, SQLAlchemyUserDatastore(db, Person, PlainRole), login_form=SignInForm)
    security.want_json(lambda _request: False)
    # Nobody signs in by a token. Without this Flask-Security reads and parses every body, the API's included, to find one.
    cast("Any", app).login_manager.request_loader(lambda _request: None)
    app.before_request(refuse_foreign_next)


def refuse_foreign_next() -> ResponseReturnValue | None:
    """Drop a `next` that leads away from here."""
    if request.endpoint != "security.login":
        return None
    given = [*request.args.getlist("next"), *request.form.getlist("next")]
    return None if all(is_local(text) for text in given) else redirect(url_for("security.login"))


def is_local(text: str) -> bool:
    r"""Say whether a redirect target is a plain path of ours: no host, no scheme, no `//`, `\` or control."""
    return not text or (text.startswith("/") and not text.startswith("//") and "\\" not in text and text.isprintable())


class Refused(ValueError):
    """An account cannot be made so. Says why in one sentence."""


def create_user(email: str, role: Role | str, password: str | None) -> User:
    """Add a person to the session; the caller commits. Raises Refused.

    password None: a one-time link lets the person choose one. Needs an application context.
    """
    email = email.strip()
    if "@" not in email or not email.isprintable() or len(email) > 254:
        raise Refused("Give an e-mail address.")
    if role not in set(Role):
        raise Refused(f"Give one of the roles {', '.join(Role)}.")
    if db.session.scalar(sa.select(User.id).where(sa.func.lower(User.email) == email.lower())):
        raise Refused("There is an account with this e-mail address already.")
    user = User(email=email, role=Role(role), password=None if password is None else hashed(password))
    db.session.add(user)
    db.session.flush()  # what is written about the account names it
    return user


def hashed(password: str) -> str:
    """Hash a new password. Raises Refused when it is too short."""
    if len(password) < MIN_PASSWORD:
        raise Refused(f"A password has at least {MIN_PASSWORD} characters.")
    return str(hash_password(_security().password_util.normalize(password)))


def set_password(user: User, password: str) -> None:
    """Give a person a new password; all their sign-ins end. Raises Refused."""
    user.password = hashed(password)
    user.fs_uniquifier = secrets.token_hex(32)
    user.link_digest = user.link_until = None


def give_link(user: User) -> str:
    """Make a one-time link's token, with which the person chooses a password. Older ones open nothing any more."""
    token = secrets.token_urlsafe(32)
    user.link_digest, user.link_until = digest(token), utc_now() + LINK_LASTS
    return token


def linked(token: str) -> User | None:
    """Find whose link it is, while it is good."""
    return db.session.scalar(
        sa.select(User).where(User.link_digest == digest(token), User.link_until > utc_now(), User.active)
    )


def verify(user: User, password: str) -> bool:
    """Say whether this is the person's password."""
    return bool(user.password and verify_password(_security().password_util.normalize(password), user.password))


def _known(account: str) -> str:
    """Name who tried. What is no account's address may be a password typed in the wrong place."""
    if "\x00" in account:  # Postgres takes no such text
        return "a stranger"
    found = db.session.scalar(sa.select(User.email).where(sa.func.lower(User.email) == account.strip().lower()))
    return found or "a stranger"


def _security() -> Any:
    return current_app.extensions["security"]
