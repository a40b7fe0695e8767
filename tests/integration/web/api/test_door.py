"""Who may come in, and how refusals look."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from models.account import ApiKey, Scope, key_prefix
from models.base import utc_now
from tests.integration.web.api.conftest import Program, issue
from web.api.door import require, scope_of


def _routes(app: Flask) -> list[tuple[str, str, Scope]]:
    found = []
    for rule in app.url_map.iter_rules():
        scope = scope_of(app.view_functions[rule.endpoint])
        if rule.rule.startswith("/api/v1") and scope is not None:
            path = re.sub("<[^>]+>", "1", rule.rule).removeprefix("/api/v1")
            found += [(method, path, scope) for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}]
    return found


def test_every_call_without_a_key_is_401(app: Flask, nobody: Program) -> None:
    assert len(_routes(app)) >= 10
    for method, path, _ in _routes(app):
        answer = nobody.call(method, path)
        assert answer.status_code == 401, (method, path)
        assert answer.json["details"] == []
        assert "Bearer" in answer.headers["WWW-Authenticate"]


def test_every_call_without_the_scope_is_403(app: Flask, engine: sa.Engine) -> None:
    for method, path, scope in _routes(app):
        other = Program(app, issue(engine, *(set(Scope) - {scope})))
        assert other.call(method, path).status_code == 403, (method, path)


@pytest.mark.parametrize(
    "text",
    ["", "x", "wb_", "wb__", "wb_aaaaaaaa_bbb", "wb_" + "a" * 500, "wb_é_x", "Bearer", "wb_%00_x", "wb_'_--"],
)
def test_what_is_no_key_is_401(app: Flask, text: str) -> None:
    answer = app.test_client().get("/api/v1/profiles", headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 401


def test_a_cut_key_is_401(app: Flask, engine: sa.Engine) -> None:
    key = issue(engine, *Scope)
    assert Program(app, key).get("/profiles").status_code == 200
    assert Program(app, key[:-1]).get("/profiles").status_code == 401
    assert Program(app, key + "x").get("/profiles").status_code == 401


@pytest.mark.parametrize("column", ["expires_at", "revoked_at"])
def test_a_key_that_is_over_is_401(app: Flask, engine: sa.Engine, column: str) -> None:
    key = issue(engine, *Scope, **{column: utc_now() - timedelta(seconds=1)})
    assert Program(app, key).get("/profiles").status_code == 401


def test_other_ways_to_say_who_one_is_are_401(app: Flask, engine: sa.Engine) -> None:
    key = issue(engine, *Scope)
    client = app.test_client()
    assert client.get("/api/v1/profiles", headers={"Authorization": f"Basic {key}"}).status_code == 401
    assert client.get(f"/api/v1/profiles?api_key={key}").status_code == 401
    assert client.get("/api/v1/profiles", headers={"Authorization": f"bearer  {key}"}).status_code == 200


def test_the_last_use_of_a_key_is_written_once_a_minute(app: Flask, engine: sa.Engine, session: Session) -> None:
    key = issue(engine, *Scope)
    row = sa.select(ApiKey.last_used_at).where(ApiKey.prefix == key_prefix(key))
    Program(app, key).get("/profiles")
    first = session.scalar(row)
    assert first is not None
    session.rollback()
    Program(app, key).get("/profiles")
    assert session.scalar(row) == first


def test_what_is_not_there_is_404_in_the_same_shape(pia: Program) -> None:
    for path in ("/nothing", "/profiles/nobody", "/jobs/999999", "/jobs/abc", "/jobs/" + "9" * 30, "/profiles/%00"):
        answer = pia.get(path)
        assert (answer.status_code, set(answer.json)) == (404, {"error", "details"}), path


def test_a_wrong_method_is_405_and_says_which_are_right(pia: Program) -> None:
    answer = pia.call("PATCH", "/profiles")
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
    assert answer.json["details"] == []


def test_a_huge_body_is_413(pia: Program) -> None:
    answer = pia.call("PUT", "/profiles/x", data=b" " * 1_100_000, content_type="application/json")
    assert answer.status_code == 413
    assert set(answer.json) == {"error", "details"}


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_another_kind_of_body_is_415(pia: Program, kind: str) -> None:
    assert pia.call("PUT", "/profiles/x", data=b"{}", content_type=kind).status_code == 415
    assert pia.call("POST", "/deliveries/replay", data=b"{}", content_type=kind).status_code == 415


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b'{"a":NaN}', b'{"a":1,"a":2}', b"[" * 5000, b'{"a":' + b"9" * 9000 + b"}"]
)
def test_a_body_that_is_no_json_is_400(pia: Program, body: bytes) -> None:
    for method, path in (("PUT", "/profiles/x"), ("POST", "/deliveries/replay")):
        answer = pia.call(method, path, data=body, content_type="application/json")
        assert answer.status_code == 400, answer.text


def test_a_fault_of_ours_is_500_with_an_id_and_no_trace(
    app: Flask, pia: Program, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    @require(Scope.READ)
    def broken(**_: Any) -> None:
        raise RuntimeError("canary-in-the-trace")

    monkeypatch.setitem(app.view_functions, "api.get_job", broken)
    answer = pia.get("/jobs/1")
    assert answer.status_code == 500
    assert "canary" not in answer.text
    error_id = re.search("[0-9a-f]{12}", answer.json["error"])
    assert error_id
    assert any(getattr(record, "error_id", None) == error_id[0] for record in caplog.records)


def test_a_view_that_asks_for_no_scope_is_closed(app: Flask, pia: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.view_functions, "api.get_job", lambda **_: "open")
    assert pia.get("/jobs/1").status_code == 403


def test_pages_outside_the_api_keep_their_own_errors(app: Flask) -> None:
    answer = app.test_client().get("/nothing-here")
    assert answer.status_code == 404
    assert answer.mimetype == "text/html"
