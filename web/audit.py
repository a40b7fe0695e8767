"""What the record says of a request: who acted, and from where. The caller commits."""

from __future__ import annotations

from typing import Any

from flask import has_request_context, request

from models import audit
from models.audit import Act
from models.base import db

__all__ = ["Act", "note"]


def note(
    act: Act,
    target: str,
    *,
    actor: str,
    text: str | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Write a line into the transaction of this request or command."""
    audit.write(db.session(), act, target, actor=actor, address=address(), note=text, before=before, after=after)


def address() -> str | None:
    """Say where this request comes from; None on the command line."""
    return request.remote_addr if has_request_context() else None
