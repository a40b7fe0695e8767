"""Running file profiles over the API: preview, run, download, and what is done to runs by hand."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from models import chunks
from models.account import Scope
from models.audit import AuditLine
from models.campaign import Campaign
from models.profile import Profile
from models.run import FileItem, Run, Upload
from tests.factories import accept_events, event_document, unique
from tests.file_rows import add_file_profile, add_run, add_upload, fill
from tests.integration.web.api.conftest import Program, issue
from web.api import shapes

CONTENT = b"order,name\r\nB1,Jane\r\nB2,Joe\r\n"


@pytest.fixture
def daily(pia: Program) -> dict[str, Any]:
    """A csv profile with two routes, of campaigns of its own."""
    document = {
        "name": unique("Daily"),
        "exportType": "csv",
        "settings": {"fileName": "{customerType}_{date}"},
        "mappings": [
            {"exportName": "order", "field": "clientOrderId"},
            {"exportName": "name", "field": "firstName"},
            {"exportName": "formula", "static": "=1"},
        ],
        "routes": [{"customerType": kind, "campaign": unique("c")} for kind in ("Partial", "New Sale")],
    }
    pia.save(document)
    return document


def _event(daily: dict[str, Any], **more: Any) -> dict[str, Any]:
    return event_document(unique("ev"), "New Sale", campaignId=daily["routes"][1]["campaign"], **more)


def _counts(session: Session) -> list[int]:
    """Say how many rows there are of all that a look must not change."""
    session.rollback()
    tables = (Run, FileItem, Upload, AuditLine, Profile, Campaign)
    return [session.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for table in tables]


class TestPreview:
    """A preview marks nothing (F26)."""

    def test_of_a_document(self, pia: Program, daily: dict[str, Any], session: Session) -> None:
        before = _counts(session)
        event = _event(daily, firstName='Zoë "Z"')
        made = pia.post(f"/profiles/{daily['name']}/preview", event)
        assert made.status_code == 200, made.text
        shapes.FilePreview.model_validate(made.json)
        assert made.json["fileName"].startswith("New_Sale_20")
        assert made.json["lines"] == ["order,name,formula", f'{event["order"]["clientOrderId"]},"Zoë ""Z""",\'=1']
        assert _counts(session) == before

    def test_of_a_stored_event(self, pia: Program, daily: dict[str, Any], engine: sa.Engine, session: Session) -> None:
        event = _event(daily)
        accept_events(engine, event)
        made = pia.post(f"/profiles/{daily['name']}/preview", {"eventId": event["eventId"]})
        assert made.json["lines"][1].startswith(event["order"]["clientOrderId"])
        item = session.scalars(sa.select(FileItem).join(FileItem.event).where(FileItem.run_id.is_(None))).all()[-1]
        assert item.event.event_key == event["eventId"]

    def test_of_a_character_that_must_not_be_lost(self, pia: Program, daily: dict[str, Any]) -> None:
        daily["settings"] |= {"encoding": "windows-1252", "unmappable": "fail"}
        pia.save(daily)
        made = pia.post(f"/profiles/{daily['name']}/preview", _event(daily, firstName="Łukasz"))
        assert made.status_code == 422
        assert '"name"' in made.json["error"]

    def test_without_a_route(self, pia: Program, daily: dict[str, Any]) -> None:
        pia.save(daily | {"routes": []})
        assert pia.post(f"/profiles/{daily['name']}/preview", _event(daily)).status_code == 422


class TestRunNow:
    """Run now makes a real run for each route."""

    def test_each_route_gets_a_run(self, pia: Program, daily: dict[str, Any]) -> None:
        answer = pia.post(f"/profiles/{daily['name']}/run")
        assert answer.status_code == 202, answer.text
        shapes.MadeRuns.model_validate(answer.json)
        items = pia.get(f"/runs?profile={daily['name']}").json["items"]
        assert sorted(answer.json["runs"]) == sorted(item["id"] for item in items)
        assert [item["state"] for item in items] == ["planned", "planned"]

    @pytest.mark.parametrize("change", [{"paused": True}, {"enabled": False}, {"routes": []}])
    def test_a_profile_that_makes_no_files_says_so(
        self, pia: Program, daily: dict[str, Any], change: dict[str, Any]
    ) -> None:
        pia.save(daily | change)
        answer = pia.post(f"/profiles/{daily['name']}/run")
        assert answer.status_code == 409
        assert pia.get(f"/runs?profile={daily['name']}").json["items"] == []

    def test_a_paused_profile_goes_on(self, pia: Program, daily: dict[str, Any]) -> None:
        pia.save(daily | {"paused": True})
        answer = pia.post(f"/profiles/{daily['name']}/resume")
        assert (answer.status_code, answer.json["paused"]) == (200, False)


class TestConnection:
    """The connection test takes what is stored, or what is not saved yet."""

    def test_a_csv_profile_has_no_server(self, pia: Program, daily: dict[str, Any]) -> None:
        answer = pia.post(f"/profiles/{daily['name']}/test")
        shapes.TestResult.model_validate(answer.json)
        assert answer.json["ok"]

    def test_settings_that_cannot_be_are_told(self, pia: Program) -> None:
        for body, path in (
            ({"exportType": "ftp", "settings": {"host": "x y"}}, "settings.host"),
            (
                {"exportType": "ftp", "settings": {"host": "169.254.169.254", "user": "a", "password": "b"}},
                "settings.host",
            ),
            ({"exportType": "ftp"}, "settings.host"),
            ({"exportType": "ftp", "settings": []}, "settings"),
            ({"exportType": "postback", "settings": {}}, "settings.url"),
            ({}, "exportType"),
        ):
            answer = pia.post("/profiles/test", body)
            assert answer.status_code == 422, answer.text
            assert path in [detail["path"] for detail in answer.json["details"]]

    def test_a_stored_password_stays_with_its_server(self, pia: Program, daily: dict[str, Any]) -> None:
        settings = {"host": "127.0.0.1", "port": 2222, "user": "waybill", "password": "c4n4ry"}
        name = unique("Warehouse")
        pia.save(daily | {"name": name, "exportType": "ftp", "enabled": False, "settings": settings})
        del settings["password"]
        answer = pia.post("/profiles/test", {"name": name, "exportType": "ftp", "settings": settings | {"user": "eve"}})
        assert answer.status_code == 422
        assert "give the secret again" in answer.text
        assert "c4n4ry" not in answer.text


class TestDownload:
    """The delivered bytes, as a stream; who took them is noted."""

    @pytest.fixture
    def run(self, session: Session) -> Run:
        return add_run(session, add_file_profile(session), content=CONTENT)

    def test_gives_the_bytes_with_their_name(self, pia: Program, run: Run, session: Session) -> None:
        answer = pia.get(f"/runs/{run.id}/file")
        assert (answer.status_code, answer.text.encode()) == (200, CONTENT)
        headers = answer.headers
        assert headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
        assert headers["Content-Disposition"] == f'attachment; filename="{run.file_name}"'
        assert (headers["X-Content-Type-Options"], headers["Content-Length"]) == ("nosniff", str(len(CONTENT)))
        session.expire_all()
        assert run.downloaded_at is not None
        line = session.scalars(sa.select(AuditLine).where(AuditLine.target == f"run {run.id}")).one()
        assert (line.act, line.actor.startswith("API key")) == ("downloaded", True)

    def test_a_look_at_its_size_is_no_download(self, pia: Program, run: Run, session: Session) -> None:
        answer = pia.call("HEAD", f"/runs/{run.id}/file")
        assert (answer.status_code, answer.headers["Content-Length"], answer.text) == (200, str(len(CONTENT)), "")
        session.expire_all()
        assert run.downloaded_at is None

    def test_a_file_is_many_pieces(self, app: Flask, pia: Program, session: Session, engine: sa.Engine) -> None:
        run = add_run(session, add_file_profile(session), content=b"a" * 10)
        pieces = [bytes([number]) * 1000 for number in range(20)]
        session.execute(sa.text("ALTER TABLE run_chunks DISABLE TRIGGER USER"))
        session.execute(sa.text("ALTER TABLE runs DISABLE TRIGGER USER"))
        session.execute(sa.text("DELETE FROM run_chunks WHERE run_id = :id"), {"id": run.id})
        session.execute(sa.text("UPDATE runs SET bytes = 20000, stored_packed = false WHERE id = :id"), {"id": run.id})
        session.execute(sa.text("ALTER TABLE run_chunks ENABLE TRIGGER USER"))
        session.execute(sa.text("ALTER TABLE runs ENABLE TRIGGER USER"))
        for number, piece in enumerate(pieces):
            chunks.add(session.connection(), run.id, number, piece, is_packed=False)
        session.commit()
        got = pia.client.get(f"/api/v1/runs/{run.id}/file", headers=pia.headers)
        assert got.data == b"".join(pieces)

    @pytest.mark.parametrize("scope", [Scope.READ, Scope.EVENTS_WRITE, Scope.PROFILES_WRITE])
    def test_needs_its_scope(self, app: Flask, engine: sa.Engine, run: Run, scope: Scope, session: Session) -> None:
        assert Program(app, issue(engine, scope)).get(f"/runs/{run.id}/file").status_code == 403
        session.expire_all()
        assert run.downloaded_at is None

    def test_before_it_is_written_there_is_none(self, pia: Program, session: Session) -> None:
        for state in ("planned", "claimed", "empty", "held", "cancelled"):
            run = add_run(session, add_file_profile(session), state=state)
            assert pia.get(f"/runs/{run.id}/file").status_code == 409, state

    def test_after_its_time_it_is_gone(self, pia: Program, run: Run, session: Session) -> None:
        session.execute(sa.update(Run).where(Run.id == run.id).values(bytes_gone_at=sa.func.now()))
        session.commit()
        assert pia.get(f"/runs/{run.id}/file").status_code == 410
        assert pia.get(f"/runs/{run.id}").json["state"] == "written"


class TestByHand:
    """Send again, make again, give back, cancel; what is not possible is 409 with the reason."""

    @pytest.fixture
    def run(self, session: Session) -> Run:
        return add_run(session, add_file_profile(session, "ftp"), content=CONTENT)

    def test_send_again_is_a_new_upload_of_the_same_bytes(self, pia: Program, run: Run, session: Session) -> None:
        add_upload(session, run, state="delivered", finished_at=sa.func.now())
        answer = pia.post(f"/runs/{run.id}/send-again")
        assert (answer.status_code, answer.json["uploadState"]) == (202, "pending")
        assert answer.json["sha256"] == run.sha256
        session.expire_all()
        assert [upload.state for upload in run.uploads] == ["delivered", "pending"]

    def test_make_again_is_a_new_run(self, pia: Program, run: Run, session: Session, engine: sa.Engine) -> None:
        event = event_document()
        accept_events(engine, event)
        fill(session, run, [event["eventId"]])
        answer = pia.post(f"/runs/{run.id}/make-again")
        assert answer.status_code == 202, answer.text
        assert (answer.json["id"] > run.id, answer.json["state"]) == (True, "planned")
        item = session.scalars(sa.select(FileItem).where(FileItem.run_id == run.id)).one()
        assert item.event.event_key == event["eventId"]

    def test_rows_go_back_while_nobody_has_seen_them(
        self, pia: Program, run: Run, session: Session, engine: sa.Engine
    ) -> None:
        event = event_document()
        accept_events(engine, event)
        fill(session, run, [event["eventId"]])
        answer = pia.post(f"/runs/{run.id}/give-back")
        assert (answer.status_code, answer.json) == (200, {"rows": 1})
        assert pia.get(f"/runs/{run.id}").json["state"] == "cancelled"

    def test_a_downloaded_file_keeps_its_rows(self, pia: Program, run: Run) -> None:
        pia.get(f"/runs/{run.id}/file")
        answer = pia.post(f"/runs/{run.id}/give-back")
        assert answer.status_code == 409
        assert "downloaded" in answer.json["error"]

    def test_cancel_names_who_and_why(self, pia: Program, session: Session) -> None:
        run = add_run(session, add_file_profile(session))
        answer = pia.post(f"/runs/{run.id}/cancel", {"reason": "wrong month"})
        assert (answer.status_code, answer.json["state"]) == (200, "cancelled")
        assert answer.json["error"].endswith(": wrong month")
        assert "API key" in answer.json["error"]
        assert pia.post(f"/runs/{run.id}/cancel").status_code == 409

    def test_a_reason_that_cannot_be_is_422(self, pia: Program, run: Run) -> None:
        for body in ({"reason": 5}, {"reason": "x" * 501}, {"reason": "\x00"}, {"why": "x"}):
            assert pia.post(f"/runs/{run.id}/cancel", body).status_code == 422, body

    @pytest.mark.parametrize("act", ["send-again", "make-again", "give-back"])
    def test_of_a_planned_run_is_not_possible(self, pia: Program, session: Session, act: str) -> None:
        run = add_run(session, add_file_profile(session, "ftp"))
        answer = pia.post(f"/runs/{run.id}/{act}")
        assert answer.status_code == 409
        assert answer.json["error"].endswith(".")

    @pytest.mark.parametrize("act", ["send-again", "make-again", "give-back", "cancel"])
    def test_needs_the_right_to_operate(self, reader: Program, run: Run, act: str) -> None:
        assert reader.post(f"/runs/{run.id}/{act}").status_code == 403

    def test_every_act_is_a_line_in_the_record(self, pia: Program, session: Session, engine: sa.Engine) -> None:
        run = add_run(session, add_file_profile(session, "ftp"), content=CONTENT)
        add_upload(session, run)
        pia.post(f"/runs/{run.id}/send-again")
        pia.post(f"/runs/{run.id}/cancel", {"reason": "x"})
        lines = session.scalars(sa.select(AuditLine).where(AuditLine.target == f"run {run.id}").order_by(AuditLine.id))
        assert [line.act for line in lines] == ["sent again", "cancelled"]
