"""Test sends of postbacks over the API and the command line: really sent, wholly shown, and nothing is marked by them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from models.audit import Act, AuditLine
from models.delivery import Delivery
from models.profile import Profile
from tests.factories import accept_events, event_document, unique
from tests.integration.web.api.conftest import Program
from tests.receivers import Receiver
from web.test_pace import MOST


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def document(document: dict[str, Any], receiver: Receiver) -> dict[str, Any]:
    """The contract's profile, with a secret, to a real receiver."""
    document["settings"]["url"] = receiver.url("ok/in")
    document["mappings"].append({"exportName": "token", "static": "canary-77"})
    document["routes"][0]["campaign"] = unique("c")
    return document


def test_a_stored_profile_sends_the_sample_and_shows_the_whole_exchange(
    pia: Program, document: dict[str, Any], receiver: Receiver, session: Session
) -> None:
    pia.save(document)
    told = pia.post(f"/profiles/{document['name']}/test").json
    assert told["ok"]
    assert [(step["stage"], step["ok"], step["message"]) for step in told["steps"]] == [("request", True, "200 OK")]
    seen = receiver.seen[0]
    assert seen.target.endswith("&token=canary-77")
    exchange = told["exchange"]
    assert exchange["request"]["url"].startswith(f"{receiver.url('ok/in')}?first_name=Jane&list_id=400&")
    assert (exchange["reply"]["status"], exchange["reply"]["body"]) == (200, "ok\n")
    assert ["Content-Type", "text/plain"] in exchange["reply"]["headers"]
    assert 0 < exchange["timing"]["connectedMs"] <= exchange["timing"]["firstByteMs"]
    assert seen.headers["webhook-id"].startswith("test_")
    assert "canary" not in str(told)
    owed = sa.select(sa.func.count()).select_from(Delivery).join(Profile).where(Profile.name == document["name"])
    assert session.scalar(owed) == 0
    lines = session.scalars(sa.select(AuditLine).where(AuditLine.target == f"profile {document['name']}")).all()
    assert [line.act for line in lines] == [Act.CREATED, Act.TESTED]
    assert "canary" not in str([(line.note, line.before, line.after) for line in lines])


def test_a_stored_event_is_sent_when_it_is_named(
    pia: Program, document: dict[str, Any], receiver: Receiver, engine: sa.Engine
) -> None:
    event = event_document(unique("ev"), "Cancel", firstName="Zoë")
    accept_events(engine, event)
    pia.save(document)
    assert pia.post(f"/profiles/{document['name']}/test", {"eventId": event["eventId"]}).json["ok"]
    assert "first_name=Zo%C3%AB&" in receiver.seen[0].target
    assert pia.post(f"/profiles/{document['name']}/test", {"eventId": "no such"}).status_code == 404
    assert len(receiver.seen) == 1


def test_a_document_is_tried_before_it_is_saved_and_stays_unsaved(
    pia: Program, document: dict[str, Any], receiver: Receiver, session: Session
) -> None:
    assert pia.post("/profiles/test", document).json["ok"]
    assert len(receiver.seen) == 1
    assert session.scalar(sa.select(Profile.id).where(Profile.name == document["name"])) is None


@pytest.mark.parametrize(("path", "words"), [("status/503", "503"), ("redirect/elsewhere", "30")])
def test_what_a_delivery_would_not_take_for_success_is_none(
    pia: Program, document: dict[str, Any], receiver: Receiver, path: str, words: str
) -> None:
    document["settings"]["url"] = receiver.url(path)
    told = pia.post("/profiles/test", document).json
    assert (told["ok"], told["steps"][0]["ok"]) == (False, False)
    assert words in told["steps"][0]["message"]
    assert told["exchange"]["reply"]["status"] >= 300


def test_a_receiver_that_is_down_is_told_without_an_answer(pia: Program, document: dict[str, Any]) -> None:
    document["settings"]["url"] = "http://127.0.0.1:9/in"
    told = pia.post("/profiles/test", document).json
    assert not told["ok"]
    assert told["exchange"]["reply"] is None
    assert told["exchange"]["timing"]["firstByteMs"] is None


def test_an_address_of_ours_is_not_dialled(pia: Program, document: dict[str, Any]) -> None:
    document["settings"]["url"] = "http://169.254.169.254/latest"
    answer = pia.post("/profiles/test", document)
    assert answer.status_code == 422
    assert [detail["path"] for detail in answer.json["details"]] == ["settings.url"]


def test_a_key_to_read_tests_nothing(reader: Program, pia: Program, document: dict[str, Any]) -> None:
    pia.save(document)
    assert reader.post(f"/profiles/{document['name']}/test").status_code == 403
    assert reader.post("/profiles/test", document).status_code == 403


def test_tests_have_a_pace(pia: Program, document: dict[str, Any], receiver: Receiver, session: Session) -> None:
    pia.save(document)
    path = f"/profiles/{document['name']}/test"
    assert pia.post(path).status_code == 200
    done = session.scalars(
        sa.select(AuditLine).where(AuditLine.act == Act.TESTED).order_by(AuditLine.id.desc())
    ).first()
    assert done is not None
    session.add_all(AuditLine(actor=done.actor, act=Act.TESTED.value, target="x") for _ in range(MOST - 1))
    session.commit()
    answer = pia.post(path)
    assert (answer.status_code, len(receiver.seen)) == (429, 1)
    assert "wait a little" in answer.json["error"]


def test_the_command_line_sends_and_says_how_it_went(
    app: Flask, pia: Program, document: dict[str, Any], receiver: Receiver
) -> None:
    pia.save(document)
    told = app.test_cli_runner().invoke(args=["profiles", "test", document["name"]])
    assert (told.exit_code, "200 OK" in told.output) == (0, True), told.output
    assert "canary" not in told.output
    document["settings"]["url"] = receiver.url("status/500")
    document["mappings"][-1] = {"exportName": "token", "secret": True}
    pia.save(document)
    told = app.test_cli_runner().invoke(args=["profiles", "test", document["name"]])
    assert (told.exit_code, "FAIL" in told.output) == (1, True), told.output
