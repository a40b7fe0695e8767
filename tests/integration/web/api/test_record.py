"""What the record says of profiles that are stored, changed and deleted. It never holds a secret."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from models.audit import AuditLine, differences
from tests.factories import unique

from .conftest import Program

SECRET = "whsec_" + "QUJD" * 11


def document(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "exportType": "postback",
        "settings": {"url": "https://receiver.example/in"},
        "mappings": [{"exportName": "first", "field": "firstName"}],
        "routes": [{"customerType": "Partial", "campaign": "all", "product": "all"}],
        **changes,
    }


def lines_on(session: Session, name: str) -> list[AuditLine]:
    query = sa.select(AuditLine).where(AuditLine.target == f"profile {name}").order_by(AuditLine.id)
    return list(session.scalars(query))


def test_a_change_is_told_with_before_and_after(pia: Program, session: Session) -> None:
    name = unique("Recorded")
    assert pia.put(f"/profiles/{name}", document(name)).status_code == 201
    changed = document(name, delayMinutes=5, mappings=[{"exportName": "given", "field": "firstName"}])
    assert pia.put(f"/profiles/{name}", changed).status_code == 200
    made, change = lines_on(session, name)
    assert (made.act, made.before, made.address) == ("created", None, "127.0.0.1")
    assert made.actor.startswith("API key")
    assert made.after is not None
    assert made.after["routes"] == [{"customerType": "Partial", "campaign": "all", "product": "all"}]
    assert change.act == "changed"
    assert sorted(differences(change.before, change.after)) == [
        ("delayMinutes", 0, 5),
        ("mappings[0].exportName", "first", "given"),
    ]


def test_a_deletion_keeps_what_was_there(pia: Program, session: Session) -> None:
    name = unique("Recorded")
    pia.put(f"/profiles/{name}", document(name))
    assert pia.call("DELETE", f"/profiles/{name}").status_code == 204
    last = lines_on(session, name)[-1]
    assert (last.act, last.after, last.note) == ("deleted", None, "0 deliveries cancelled")
    assert last.before is not None
    assert last.before["settings"]["url"] == "https://receiver.example/in"


def test_a_refused_document_leaves_no_line(pia: Program, session: Session) -> None:
    name = unique("Recorded")
    assert pia.put(f"/profiles/{name}", document(name, colour=1)).status_code == 422
    assert lines_on(session, name) == []


def test_secrets_are_named_and_never_told(pia: Program, session: Session) -> None:
    name = unique("Recorded")
    secrets = document(
        name,
        settings={"url": "https://receiver.example/in", "signingSecret": SECRET},
        mappings=[{"exportName": "token", "static": "canary-9d1f"}],
    )
    assert pia.put(f"/profiles/{name}", secrets).status_code == 201
    kept = document(name, mappings=[{"exportName": "token", "secret": True}])
    assert pia.put(f"/profiles/{name}", kept).status_code == 200
    given, later = lines_on(session, name)
    assert given.note == "secrets given: signingSecret, token"
    assert later.note is None
    everything = str([(line.before, line.after, line.note) for line in (given, later)])
    assert "canary-9d1f" not in everything
    assert SECRET not in everything
