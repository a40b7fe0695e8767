"""The API's door: a bearer key with the scope that the view asks for. A view that asks for none is closed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

import psycopg
from flask import Blueprint, current_app, g, request

from models.account import Scope, key_prefix, opens
from models.base import db, utc_now
from web.api.errors import Refusal

api = Blueprint("api", __name__, url_prefix="/api/v1")

View = TypeVar("View", bound=Callable[..., Any])

MOST_BODY = 1024 * 1024
LONGEST_KEY = 200
TOUCH_AFTER = timedelta(minutes=1)

_scopes: dict[Callable[..., Any], Scope | None] = {}

_FIND = """/* api key: whose is it */
    SELECT id, name, scopes, digest, expires_at, revoked_at, last_used_at FROM api_keys WHERE prefix = %s"""

_TOUCH = """/* api key: last used, at most once a minute; whoever has the row already does the same */
    UPDATE api_keys SET last_used_at = now() WHERE id = (
        SELECT id FROM api_keys WHERE id = %s AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
        FOR UPDATE SKIP LOCKED)"""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose key opened the door."""

    name: str
    scopes: frozenset[str]


def require(scope: Scope) -> Callable[[View], View]:
    """Let only keys with this scope in."""

    def mark(view: View) -> View:
        _scopes[view] = scope
        return view

    return mark


def public(view: View) -> View:
    """Let everybody in."""
    _scopes[view] = None
    return view


def scope_of(view: Callable[..., Any]) -> Scope | None:
    """Say which scope a view asks for; None: none."""
    return _scopes.get(view)


def actor() -> str:
    """Name the caller, for reasons and the record."""
    caller: Caller = g.caller
    return f'API key "{caller.name}"'


@api.before_request
def guard() -> None:
    """Check the key before anything of the request is read. Raises Refusal: 401, 403."""
    request.max_content_length = MOST_BODY
    view = current_app.view_functions[request.endpoint or ""]
    needed = _scopes.get(view)
    if needed is None and view in _scopes:
        return
    g.caller = _caller(_bearer(), utc_now())
    if needed is None or needed not in g.caller.scopes:
        raise Refusal(403, f"This key lacks the scope {needed}." if needed else "Nobody may do this.")


def _bearer() -> str:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    text = text.strip()
    if scheme.lower() != "bearer" or not text.isascii() or not text.isprintable() or len(text) > LONGEST_KEY:
        raise Refusal(401, "Give an API key: Authorization: Bearer wb_...")
    return text


def _caller(text: str, now: datetime) -> Caller:
    """Find the key. Straight through the driver, as every event pays for it: a third of what the ORM takes.

    In autocommit, so that no transaction is open while the body comes in.
    """
    prefix = key_prefix(text)
    if not prefix:
        raise Refusal(401, "This API key is not valid.")
    with closing(db.engine.raw_connection()) as pooled:
        driver = cast("psycopg.Connection[Any]", pooled.driver_connection)
        driver.autocommit = True
        try:
            row = driver.execute(_FIND, (prefix,)).fetchone()
            if row is None or not opens(text, now, digest=row[3], expires_at=row[4], revoked_at=row[5]):
                raise Refusal(401, "This API key is not valid.")
            if row[6] is None or now - row[6] > TOUCH_AFTER:
                driver.execute(_TOUCH, (row[0],))
        finally:
            if not driver.closed:
                driver.autocommit = False
    return Caller(row[1], frozenset(row[2]))
