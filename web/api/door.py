"""The API's door: a bearer key with the scope that the view asks for. A view that asks for none is closed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa
from flask import Blueprint, current_app, g, request

from models.account import ApiKey, Scope, key_prefix
from models.base import db, utc_now
from web.api.errors import Refusal

api = Blueprint("api", __name__, url_prefix="/api/v1")

View = TypeVar("View", bound=Callable[..., Any])

MOST_BODY = 1024 * 1024
LONGEST_KEY = 200
TOUCH_AFTER = timedelta(minutes=1)

_scopes: dict[Callable[..., Any], Scope | None] = {}

_TOUCH = sa.text(
    """/* api key: last used, at most once a minute; whoever has the row already does the same */
    UPDATE api_keys SET last_used_at = now() WHERE id = (
        SELECT id FROM api_keys WHERE id = :id AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
        FOR UPDATE SKIP LOCKED)"""
)


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
    """Find the key. In autocommit, so that no transaction is open while the body comes in."""
    prefix = key_prefix(text)
    if not prefix:
        raise Refusal(401, "This API key is not valid.")
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        row = connection.execute(sa.select(*ApiKey.__table__.c).where(ApiKey.prefix == prefix)).one_or_none()
        key = ApiKey(**row._mapping) if row is not None else None  # noqa: SLF001 -- its public name, says SQLAlchemy
        if key is None or not key.opens_with(text, now):
            raise Refusal(401, "This API key is not valid.")
        if key.last_used_at is None or now - key.last_used_at > TOUCH_AFTER:
            connection.execute(_TOUCH, {"id": key.id})
    return Caller(key.name, frozenset(key.scopes))
