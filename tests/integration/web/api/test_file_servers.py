"""Connection tests and previews beside real file servers: what they show, and that nothing is left or marked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import trustme
from flask import Flask
from sqlalchemy.orm import Session

from models.run import FileItem, Run, Upload
from tests.factories import accept_events, event_document, unique
from tests.file_servers import OpenSsh, Vsftpd
from tests.integration.web.api.conftest import Program


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def vsftpd(tmp_path: Path, authority: trustme.CA) -> Iterator[Vsftpd]:
    with Vsftpd(tmp_path / "vsftpd", authority) as server:
        yield server


@pytest.fixture
def openssh(tmp_path: Path) -> Iterator[OpenSsh]:
    with OpenSsh(tmp_path / "openssh") as server:
        yield server


def _document(settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": unique("Warehouse"),
        "exportType": "ftp",
        "settings": settings,
        "mappings": [{"exportName": "order", "field": "clientOrderId"}],
        "routes": [{"customerType": "Partial", "campaign": unique("c")}],
    }


def _counts(session: Session) -> list[Any]:
    session.rollback()
    taken = sa.select(sa.func.count()).where(FileItem.run_id.is_not(None))
    counts = [session.scalar(sa.select(sa.func.count()).select_from(one)) for one in (Run, FileItem, Upload)]
    return [*counts, session.scalar(taken)]


def test_preview_and_test_change_nothing(pia: Program, vsftpd: Vsftpd, session: Session, engine: sa.Engine) -> None:
    """F26: neither in the database nor on the server."""
    document = _document(vsftpd.document())
    pia.save(document)
    event = event_document(unique("ev"), "Partial", campaignId=document["routes"][0]["campaign"])
    accept_events(engine, event)
    before = _counts(session), vsftpd.names()
    assert pia.post(f"/profiles/{document['name']}/preview", {"eventId": event["eventId"]}).status_code == 200
    tested = pia.post(f"/profiles/{document['name']}/test").json
    assert tested["ok"], tested
    assert {"write", "rename", "delete"} <= {step["stage"] for step in tested["steps"]}
    assert (_counts(session), vsftpd.names()) == before


def test_an_unknown_authority_is_told_before_saving(pia: Program, vsftpd: Vsftpd) -> None:
    tested = pia.post("/profiles/test", _document(vsftpd.document(caCertificate=None))).json
    assert not tested["ok"]
    last = tested["steps"][-1]
    assert (last["ok"], "CA" in last["hint"]) == (False, True)
    assert "USER" not in vsftpd.log()


def test_a_host_key_is_shown_trusted_and_kept(pia: Program, openssh: OpenSsh) -> None:
    """The key comes with the test before saving; trusted, the same form works and can be switched on."""
    settings = openssh.document()
    settings.pop("hostKeys", None)
    document = _document(settings)
    assert "settings.hostKeys" in pia.refused(document)
    tested = pia.post("/profiles/test", document).json
    assert not tested["ok"]
    key = tested["steps"][-1]["hostKey"]
    assert key.startswith("SHA256:")
    document["settings"]["hostKeys"] = key
    assert pia.post("/profiles/test", document).json["ok"]
    pia.save(document, status=201)
    del document["settings"]["user"]
    assert pia.post(f"/profiles/{document['name']}/test").json["ok"]
    assert openssh.names() == []


def test_the_command_line_prints_the_steps(app: Flask, pia: Program, openssh: OpenSsh) -> None:
    document = _document(openssh.document() | {"hostKeys": "SHA256:0123456789012345678901234567890123456789012"})
    pia.save(document)
    told = app.test_cli_runner().invoke(args=["profiles", "test", document["name"]])
    assert told.exit_code == 1
    assert "FAIL" in told.output
    assert "SHA256:" in told.output
    assert str(document["settings"].get("password", "?")) not in told.output
