"""What broke is told in one sentence with an id; its insides stand in the log alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask

from .conftest import KEY, MakeApp

CANARY = "canary-in-the-trace"


def _break(app: Flask, path: str) -> Flask:
    def broken() -> str:
        raise RuntimeError(CANARY)

    app.add_url_rule(path, "broken_here", broken)
    return app


def test_a_page_that_breaks_shows_an_id_and_no_trace(start: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
    answer = _break(start(), "/broken").test_client().get("/broken")
    assert (answer.status_code, answer.mimetype) == (500, "text/html")
    assert CANARY not in answer.text
    assert "Traceback" not in answer.text
    found = re.search("<code>([0-9a-f]{12})</code>", answer.text)
    assert found
    (record,) = [record for record in caplog.records if getattr(record, "error_id", None) == found[1]]
    assert record.exc_info
    assert CANARY in str(record.exc_info[1])


def test_the_page_is_sealed_off_as_all_are(start: MakeApp) -> None:
    headers = _break(start(), "/broken").test_client().get("/broken").headers
    assert "script-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("cookie", ["", "x" * 50, "eyJfdXNlcl9pZCI6IjEifQ.aaaa.bbbb"])
@pytest.mark.parametrize("path", ["/admin/", "/login", "/welcome/none"])
def test_pages_without_a_database_say_so(start: MakeApp, path: str, cookie: str) -> None:
    app = start(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    client = app.test_client()
    client.set_cookie("session", cookie)
    answer = client.get(path)
    assert answer.status_code in {200, 302, 503}
    assert "Traceback" not in answer.text
    assert "127.0.0.1:1" not in answer.text


def test_a_person_who_is_signed_in_is_told_that_the_database_is_away(start: MakeApp) -> None:
    app = start(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    client = app.test_client()
    with client.session_transaction() as session:
        session["_user_id"], session["_fresh"] = "someone", True
    answer = client.get("/admin/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "cannot be reached" in answer.text


@pytest.mark.parametrize("path", ["/broken/", "/api/v1/broken", "/login", "/admin/x"])
def test_no_method_makes_an_answer_of_the_server(start: MakeApp, path: str) -> None:
    client = start().test_client()
    for method in ("TRACE", "CONNECT", "PROPFIND", "X" * 300):
        answer = client.open(path, method=method)
        assert answer.status_code in {302, 401, 404, 405}, method
        assert method not in answer.text or len(method) < 9


@pytest.mark.parametrize(
    "command", [["gunicorn", "wsgi:app"], ["flask", "--app", "wsgi", "--debug", "run", "--host", "0.0.0.0"]]
)
def test_nothing_starts_with_the_debugger_on(command: list[str]) -> None:
    environ = {
        **os.environ,
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "SECRET_KEY": "k" * 40,
        "ENCRYPTION_KEYS": KEY,
        "FLASK_DEBUG": "1",
    }
    program = str(Path(sys.executable).parent / command[0])
    ended = subprocess.run([program, *command[1:]], env=environ, capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0
    assert "FLASK_DEBUG is on" in ended.stderr
