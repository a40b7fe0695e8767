"""A profile document that somebody brings: checked, and made fit to fill the form of a new profile."""

from __future__ import annotations

import secrets
from typing import Any

from flask import request

from models.base import db
from models.profile import Profile
from models.secret_places import is_sealed
from web import profile_documents
from web.documents import Unreadable, read_json, read_yaml

LATER = "typed again before it is saved"


def brought() -> Any:
    """Read the file or the text of this request, JSON or YAML. Raises Unreadable."""
    file = request.files.get("file")
    raw = (file.read() if file else b"") or request.form.get("text", "").encode()
    if not raw.strip():
        raise Unreadable("Choose a file, or paste a document.")
    is_json = raw.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in {b"{", b"["}
    found = read_json(raw) if is_json else read_yaml(raw)
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, dict):
        raise Unreadable("Give one profile. Many at once are taken by: flask --app wsgi profiles import FILE")
    return found


def fit(document: Any) -> dict[str, Any]:
    """Write a document as the form needs it: every key, switched off, secrets left out. Raises Refused.

    Its name is judged when it is saved, its secrets are typed before that.
    """
    name = document.get("name")
    rows = document.get("mappings")
    checked = {**document, "name": f"import {secrets.token_hex(8)}", "enabled": False, "paused": False}
    if isinstance(rows, list):
        checked["mappings"] = [_with_secret(row) for row in rows]
    session = db.session()
    try:
        drafted = profile_documents.draft(session, checked, profile=None).profile
        session.expire(drafted, ["routes"])  # they know their campaign and product by number only
        return {**profile_documents.document_of(drafted), "name": name if isinstance(name, str) else ""}
    finally:
        session.rollback()


def left_out(document: dict[str, Any], like: Profile | None = None) -> list[str]:
    """Name the secrets that a document of a profile does not show."""
    settings = like.settings if like is not None else {}
    rows = [row["exportName"] for row in document["mappings"] if row.get("secret") and "static" not in row]
    return [key for key, value in settings.items() if is_sealed(value)] + rows


def _with_secret(row: Any) -> Any:
    is_kept = isinstance(row, dict) and row.get("secret") is True and not {"static", "field", "template"} & row.keys()
    return {**row, "static": LATER} if is_kept else row
