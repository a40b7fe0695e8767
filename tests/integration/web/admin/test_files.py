"""Pages for file profiles and their files: form, look, list, download, and what an operator does by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from models.audit import AuditLine
from models.base import db
from models.profile import Gate, Profile
from models.run import FileItem, Run, Upload
from tests.factories import accept_events, event_document, unique
from tests.file_rows import add_file_profile, add_run, add_try, add_upload
from web.profile_documents import document_of, find, save

from .conftest import Browser

CONTENT = b"order,name\r\nB1,Jane\r\n"
CANARY = "<img src=x onerror=alert(1)>"
SECRET = "c4n4ry-s3cr3t"


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    """A session beside the application's: an open context of it would be shared by all browsers."""
    with app.app_context():
        engine = db.engine
    with Session(engine) as session:
        yield session


def _saved(app: Flask, session: Session, document: dict[str, Any]) -> Profile:
    with app.app_context():
        number = save(db.session(), document, actor="test").profile.id
        db.session.commit()
    return session.get_one(Profile, number)


def _document(**more: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": unique("Daily"),
        "exportType": "csv",
        "settings": {},
        "mappings": [{"exportName": "order", "field": "clientOrderId"}],
        "routes": [{"customerType": "Partial", "campaign": unique("c")}],
    }
    return document | more


class _Fields(HTMLParser):
    """Reads the fields of a page as a browser would send them."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._open: str | None = None
        self._is_hidden = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._is_hidden |= tag == "template"
        name = given.get("name")
        if self._is_hidden or (name is None and tag != "option"):
            return
        if tag == "option" and self._open is not None and ("selected" in given or self._open not in self.values):
            self.values[self._open] = given.get("value") or ""
        elif tag in {"select", "textarea"}:
            self._open = name
        elif tag == "input" and name is not None and (given.get("type") != "checkbox" or "checked" in given):
            self.values[name] = given.get("value") or ""

    def handle_data(self, data: str) -> None:
        if self._open is not None and self.lasttag == "textarea":
            self.values[self._open] = self.values.get(self._open, "") + data

    def handle_endtag(self, tag: str) -> None:
        self._is_hidden &= tag != "template"
        if tag == "textarea" and self._open is not None:
            self.values[self._open] = self.values.get(self._open, "").removeprefix("\r\n").removeprefix("\n")
        if tag in {"select", "textarea"}:
            self._open = None


def _form(page: str) -> dict[str, str]:
    """Read the form of a profile's page."""
    fields = _Fields()
    fields.feed(page)
    return fields.values


class TestForm:
    """The form of a file profile is drawn from its settings, and saves the same document."""

    @pytest.mark.parametrize("kind", ["csv", "ftp"])
    def test_a_new_profile_is_made(self, edda: Browser, session: Session, kind: str) -> None:
        page = edda.get(f"/admin/profile/new?type={kind}")
        for heading in ("Columns", "Format", "Name", "Schedule"):
            assert f"<legend>{heading}</legend>" in page
        form = _form(page)
        form |= {
            "name": unique("Made"),
            "mappings-0-name": "order",
            "mappings-0-field": "clientOrderId",
            "routes-0-customer_type": "partial",
            "settings-schedule": "every 4 hours",
        }
        if kind == "ftp":
            form |= {"settings-host": "files.example.com", "settings-user": "w", "settings-password": SECRET}
            del form["enabled"]  # without a host key it can be stored only
        answer = edda.post(f"/admin/profile/new?type={kind}", form)
        assert answer.status_code == 302, re.findall(r'wb-fault">([^<]+)', answer.text)
        profile = find(session, form["name"])
        assert profile is not None
        assert profile.settings["schedule"] == "every 4 hours"
        assert profile.settings["delimiter"] == ","
        page = edda.get(f"/admin/profile/{profile.id}")
        assert SECRET not in page
        assert ("stored; leave empty to keep it" in page) == (kind == "ftp")

    def test_opened_and_saved_it_is_the_same(self, app: Flask, edda: Browser, session: Session) -> None:
        profile = _saved(app, session, _document(settings={"preset": "excel-semicolon", "retentionDays": 7}))
        before = document_of(profile)
        path = f"/admin/profile/{profile.id}"
        answer = edda.post(path, _form(edda.get(path)))
        assert answer.status_code == 302, re.findall(r'wb-fault">([^<]+)', answer.text)
        session.expire_all()
        assert document_of(profile) == before

    def test_faults_stand_at_their_fields(self, edda: Browser) -> None:
        form = _form(edda.get("/admin/profile/new?type=csv"))
        form |= {"name": "x", "settings-schedule": "daily 25:00", "settings-fileName": "../{colour}"}
        page = edda.post("/admin/profile/new?type=csv", form).text
        assert "is no time of day" in page
        assert "A file name must not begin with a dot" in page

    def test_a_private_key_never_comes_back(self, edda: Browser) -> None:
        form = _form(edda.get("/admin/profile/new?type=ftp")) | {"settings-privateKey": SECRET}
        assert SECRET not in edda.post("/admin/profile/new?type=ftp", form).text

    def test_a_copy_has_no_secrets(self, app: Flask, edda: Browser, session: Session) -> None:
        settings = {"host": "files.example.com", "user": "w", "password": SECRET}
        profile = _saved(app, session, _document(exportType="ftp", enabled=False, settings=settings))
        page = edda.get(f"/admin/profile/new?like={profile.id}")
        assert "files.example.com" in page
        assert "stored; leave empty" not in page


class TestLook:
    """What would be made is shown, and nothing is marked (F26)."""

    @pytest.fixture
    def profile(self, app: Flask, session: Session) -> Profile:
        document = _document(settings={"schedule": "weekdays mon 06:00"}, timeZone="America/New_York")
        profile = _saved(app, session, document)
        order = {"campaignId": document["routes"][0]["campaign"]}
        with app.app_context():
            engine = db.engine
        accept_events(engine, *(event_document(f"{profile.name}-{n}", "Partial", **order) for n in range(5)))
        return profile

    @staticmethod
    def _counts(session: Session) -> list[Any]:
        session.rollback()
        taken = sa.select(sa.func.count()).where(FileItem.run_id.is_not(None))
        return [
            session.scalar(sa.select(sa.func.count()).select_from(one)) for one in (Run, FileItem, Upload, Profile)
        ] + [session.scalar(taken)]

    def test_of_a_stored_profile(self, vera: Browser, profile: Profile, session: Session) -> None:
        before = self._counts(session)
        page = vera.get(f"/admin/preview/{profile.id}")
        assert "Sends" not in page
        assert "once, on Monday at 06:00 New York, for download; 5 wait." in page
        assert page.count(" 06:00 E") == 5
        assert page.count("<li>Mon ") == 5
        assert f"{profile.name}_Partial_" in page
        assert "order\n" in page
        assert "Dry run" not in page
        assert self._counts(session) == before

    def test_of_a_form_that_is_not_saved(self, edda: Browser, profile: Profile, session: Session) -> None:
        path = f"/admin/profile/{profile.id}"
        form = _form(edda.get(path))
        before = self._counts(session)
        form |= {"settings-schedule": "daily 02:30", "settings-fileName": "mine_{route}", "settings-delimiter": ";"}
        form |= {"mappings-1-name": "name", "mappings-1-field": "firstName", "mappings-1-source": "field"}
        form |= {"routes-1-customer_type": "upsell", "routes-1-campaign": "new", "settings-header": "y"}
        look = edda.post(f"/admin/draft/csv/{profile.id}", form).text
        assert "daily at 02:30 New York" in look
        assert "mine_Partial_" in look
        assert "order;name" in look
        assert ";Jane" in look
        assert "new, it also takes the last 24 hours: 0 wait" in look
        assert self._counts(session) == before
        session.refresh(profile)
        assert profile.settings["schedule"] == "weekdays mon 06:00"

    def test_a_form_half_written_shows_the_next_times(self, edda: Browser) -> None:
        form = _form(edda.get("/admin/profile/new?type=csv")) | {"settings-schedule": "every 4 hours"}
        look = edda.post("/admin/draft/csv", form).text
        assert "No file can be made yet" in look
        assert look.count("<li>") >= 5
        form["settings-schedule"] = "now and then"
        assert "Write daily 06:00" in edda.post("/admin/draft/csv", form).text

    def test_a_dry_run_is_the_whole_file(
        self, olga: Browser, vera: Browser, profile: Profile, session: Session
    ) -> None:
        path = f"/admin/preview/{profile.id}/dry-run/{profile.routes[0].id}"
        before = self._counts(session)
        assert "Dry run" in olga.get(f"/admin/preview/{profile.id}")
        answer = olga.post(path)
        assert answer.status_code == 200
        assert answer.data.startswith(b"\xef\xbb\xbforder\r\n")
        assert answer.data.count(b"\r\n") == 6
        assert answer.headers["Content-Disposition"].startswith('attachment; filename="dry-run_')
        assert self._counts(session) == before
        line = session.scalars(
            sa.select(AuditLine).where(AuditLine.target == f"profile {profile.name}").order_by(AuditLine.id.desc())
        ).first()
        assert line is not None
        assert str(line.note).startswith("dry run ")
        vera.get("/admin/")
        assert vera.post(path).status_code == 403

    def test_a_file_that_cannot_be_made_says_why(self, olga: Browser, profile: Profile, session: Session) -> None:
        profile.settings = {**profile.settings, "encoding": "windows-1252", "unmappable": "fail"}
        profile.mappings[0].field, profile.mappings[0].template = None, "{clientOrderId} Ł"
        session.commit()
        olga.get(f"/admin/preview/{profile.id}")
        olga.post(f"/admin/preview/{profile.id}/dry-run/{profile.routes[0].id}")
        assert "does not fit Windows-1252" in olga.get(f"/admin/preview/{profile.id}")

    def test_the_connection_test_takes_the_form(self, edda: Browser, olga: Browser) -> None:
        form = _form(edda.get("/admin/profile/new?type=ftp"))
        assert "No connection can be tried yet" in edda.post("/admin/probe/ftp", form).text
        form |= {"settings-host": "169.254.169.254", "settings-user": "w", "settings-password": SECRET}
        told = edda.post("/admin/probe/ftp", form).text
        assert "address not allowed" in told
        assert SECRET not in told


class TestRuns:
    """The list of files and the page of one."""

    @pytest.fixture
    def run(self, session: Session) -> Run:
        profile = add_file_profile(session, "ftp", name=f"{unique('Ware')} {CANARY}".replace("/", ""))
        run = add_run(session, profile, content=CONTENT, error=None)
        upload = add_upload(session, run, error=CANARY, failures=1, remote_name=CANARY)
        add_try(session, upload, message=f"553 {CANARY}")
        return run

    def test_what_others_wrote_is_text(self, ada: Browser, run: Run) -> None:
        for path in (
            "/admin/",
            "/admin/profiles/",
            "/admin/runs/",
            f"/admin/runs/{run.id}",
            f"/admin/preview/{run.profile_id}",
        ):
            page = ada.get(path)
            assert "<img src=x" not in page, path
            assert "img src=x" in page, path

    def test_the_page_has_both_states_and_the_servers_words(self, vera: Browser, run: Run) -> None:
        page = vera.get(f"/admin/runs/{run.id}")
        assert re.search(r"file\s*<span[^>]*>written</span>", page)
        assert re.search(r"upload\s*<span[^>]*>pending</span>", page)
        for shown in (str(run.file_name), str(run.sha256), "553 &lt;img", "The same as today"):
            assert shown in page
        for act in ("Download", "Send again", "Make again", "Give rows back", "Cancel upload"):
            assert f">{act}</button>" not in page

    def test_what_was_set_otherwise_is_named(self, vera: Browser, run: Run, session: Session) -> None:
        run.profile.settings = {**run.profile.settings, "fileName": "today_{route}"}
        session.commit()
        page = vera.get(f"/admin/runs/{run.id}")
        assert "<code>settings.fileName</code>" in page
        assert "today_{route}" in page

    def test_the_list_is_filtered(self, vera: Browser, run: Run) -> None:
        link = f'href="/admin/runs/{run.id}"'
        for query in (
            "",
            "?state=written",
            "?upload=failing",
            "?upload=pending",
            f"?profile={run.profile_id}",
            f"?before={run.id + 1}",
        ):
            assert link in vera.get(f"/admin/runs/{query}"), query
        for query in ("?state=held", "?upload=delivered", "?profile=999999", f"?before={run.id}"):
            assert link not in vera.get(f"/admin/runs/{query}"), query

    def test_odd_questions_are_answered(self, vera: Browser) -> None:
        for path in ("?before=x&state=%00&upload=%00&profile=9999999999999999999999", "?state=gone"):
            vera.get(f"/admin/runs/{path}")
        for path in ("/admin/runs/99999999999999999999", "/admin/runs/0"):
            vera.get(path, status=404)

    def test_an_operator_downloads_and_that_is_noted(self, olga: Browser, run: Run, session: Session) -> None:
        assert ">Download</button>" in olga.get(f"/admin/runs/{run.id}")
        answer = olga.post(f"/admin/runs/{run.id}/file")
        assert (answer.status_code, answer.data) == (200, CONTENT)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        session.expire_all()
        assert run.downloaded_at is not None
        line = session.scalars(sa.select(AuditLine).where(AuditLine.target == f"run {run.id}")).one()
        assert (line.act, line.actor) == ("downloaded", "olga@example.com")

    def test_a_viewer_downloads_nothing(self, vera: Browser, run: Run) -> None:
        vera.get("/admin/")
        assert vera.post(f"/admin/runs/{run.id}/file").status_code == 403

    def test_a_file_that_is_not_there_is_said(self, olga: Browser, session: Session) -> None:
        run = add_run(session, add_file_profile(session))
        olga.get("/admin/")
        assert olga.post(f"/admin/runs/{run.id}/file").status_code == 302
        assert "There is no file" in olga.get(f"/admin/runs/{run.id}")

    def test_an_operator_cancels_with_a_reason(self, olga: Browser, run: Run, session: Session) -> None:
        path = f"/admin/runs/{run.id}"
        olga.get(path)
        olga.post(f"{path}/cancel", {"reason": " "})
        assert "Say why you cancel it." in olga.get(path)
        olga.post(f"{path}/cancel", {"reason": "sent by hand"})
        assert "cancelled by olga@example.com: sent by hand" in olga.get(path)

    def test_an_operator_sends_makes_and_gives_back(self, olga: Browser, session: Session, run: Run) -> None:
        path = f"/admin/runs/{run.id}"
        olga.get(path)
        olga.post(f"{path}/again")
        assert "uploaded again" in olga.get(path)
        olga.post(f"{path}/make")
        assert "no rows" in olga.get(path)
        olga.post(f"{path}/back")
        assert "no rows" in olga.get(path)


class TestStopped:
    """Uploads that a server refuses for good stop; home says so, and Resume lets them go."""

    def test_resume_lets_uploads_go(self, olga: Browser, session: Session) -> None:
        profile = add_file_profile(session, "ftp")
        run = add_run(session, profile, content=CONTENT)
        upload = add_upload(session, run, state="held", error="530 Login incorrect.", failures=3)
        values = {"fault": "upload", "fault_message": "530 Login incorrect.", "fault_since": sa.func.now()}
        session.execute(sa.update(Gate).where(Gate.profile_id == profile.id).values(**values))
        session.commit()
        for path in ("/admin/", "/admin/profiles/", f"/admin/runs/{run.id}"):
            page = olga.get(path)
            assert "530 Login incorrect." in page, path
            assert f'action="/admin/profiles/{profile.id}/resume"' in page, path
        olga.post(f"/admin/profiles/{profile.id}/resume")
        session.expire_all()
        assert (upload.state, session.get_one(Gate, profile.id).fault) == ("pending", None)

    def test_run_now_makes_files(self, olga: Browser, session: Session) -> None:
        profile = add_file_profile(session)
        olga.get("/admin/profiles/")
        assert olga.post(f"/admin/profiles/{profile.id}/run").location == f"/admin/runs/?profile={profile.id}"
        assert session.scalars(sa.select(Run.state).where(Run.profile_id == profile.id)).all() == ["planned"]
        profile.paused = True
        session.commit()
        olga.post(f"/admin/profiles/{profile.id}/run")
        assert "paused" in olga.get("/admin/profiles/")
