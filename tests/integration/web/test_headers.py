"""What every answer tells the browser."""

from __future__ import annotations

import re

import pytest

from .conftest import MakeApp

PATHS = ("/login", "/welcome/none", "/api/docs", "/nothing", "/admin/", "/api/v1/profiles", "/healthz", "/metrics")


@pytest.mark.parametrize("path", [*PATHS, "/static/admin.js", "/admin/static/vendor/jquery.min.js"])
def test_no_answer_is_sniffed_framed_or_runs_what_stands_in_it(start: MakeApp, path: str) -> None:
    headers = start().test_client().get(path, buffered=True).headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("path", PATHS)
def test_nothing_but_our_own_files_is_kept_by_browsers(start: MakeApp, path: str) -> None:
    assert start().test_client().get(path).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/login", "/welcome/none", "/api/docs", "/nothing"])
def test_a_page_without_scripts_runs_none(start: MakeApp, path: str) -> None:
    answer = start().test_client().get(path)
    assert "<script" not in answer.text
    assert "script-src 'none'" in answer.headers["Content-Security-Policy"]
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", answer.text)


@pytest.mark.parametrize("path", ["/api/v1/profiles", "/api/v1/openapi.json", "/healthz", "/metrics"])
def test_what_is_no_page_is_put_into_a_sandbox(start: MakeApp, path: str) -> None:
    assert start().test_client().get(path).headers["Content-Security-Policy"].endswith("; sandbox")
