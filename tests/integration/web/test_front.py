"""Who stands before us, and under which name we are called: nobody can make either up."""

from __future__ import annotations

import pytest
from flask import Flask, Response, jsonify, request, url_for

from .conftest import MakeApp


def _seen(app: Flask, **headers: str) -> dict[str, str]:
    """What a view sees of a request from 10.0.0.9."""

    @app.get("/seen")
    def seen() -> Response:
        return jsonify(
            address=request.remote_addr, scheme=request.scheme, host=request.host, link=url_for("seen", _external=True)
        )

    given = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = app.test_client().get("/seen", headers=given, environ_overrides={"REMOTE_ADDR": "10.0.0.9"})
    assert answer.status_code == 200
    got: dict[str, str] = answer.get_json()
    return got


def test_without_a_proxy_nothing_that_says_so_is_believed(start: MakeApp) -> None:
    seen = _seen(
        start(),
        X_Forwarded_For="6.6.6.6",
        X_Forwarded_Proto="https",
        X_Forwarded_Host="evil.example",
        Forwarded="for=6.6.6.6",
    )
    assert seen == {"address": "10.0.0.9", "scheme": "http", "host": "localhost", "link": "http://localhost/seen"}


def test_one_proxy_is_believed_and_what_it_was_told_is_not(start: MakeApp) -> None:
    seen = _seen(start(PROXY_HOPS="1"), X_Forwarded_For="6.6.6.6, 7.7.7.7", X_Forwarded_Proto="http, https")
    assert (seen["address"], seen["scheme"]) == ("7.7.7.7", "https")


def test_two_proxies_are_counted_from_the_end(start: MakeApp) -> None:
    seen = _seen(start(PROXY_HOPS="2"), X_Forwarded_For="6.6.6.6, 7.7.7.7, 8.8.8.8", X_Forwarded_Proto="https, http")
    assert (seen["address"], seen["scheme"]) == ("7.7.7.7", "https")


def test_fewer_entries_than_proxies_are_not_believed(start: MakeApp) -> None:
    seen = _seen(start(PROXY_HOPS="2"), X_Forwarded_For="6.6.6.6", X_Forwarded_Proto="https")
    assert (seen["address"], seen["scheme"]) == ("10.0.0.9", "http")


@pytest.mark.parametrize("name", ["X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Host", "Forwarded"])
def test_no_header_but_host_names_us(start: MakeApp, name: str) -> None:
    assert _seen(start(PROXY_HOPS="1"), **{name: "host=evil.example"})["link"] == "http://localhost/seen"


OURS = {"TRUSTED_HOSTS": "export.example.com,.waybill.internal"}


@pytest.mark.parametrize(
    "host",
    ["export.example.com", "EXPORT.example.com", "export.example.com:8443", "a.waybill.internal", "waybill.internal"],
)
@pytest.mark.parametrize("path", ["/login", "/api/v1/openapi.json", "/static/admin.css"])
def test_our_own_names_are_answered(start: MakeApp, host: str, path: str) -> None:
    assert start(**OURS).test_client().get(path, headers={"Host": host}, buffered=True).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "export.example.com.evil.example",
        "evil-export.example.com",
        "export.example.com@evil.example",
        "export.example.com:99999",
        "127.0.0.1",
        "[::1]",
        "xwaybill.internal",
        "",
        "a b",
    ],
)
@pytest.mark.parametrize(
    "path", ["/", "/login", "/admin/", "/api/v1/openapi.json", "/api/v1/events", "/static/admin.css", "/no"]
)
def test_other_names_are_refused_everywhere(start: MakeApp, host: str, path: str) -> None:
    answer = start(**OURS).test_client().get(path, headers={"Host": host})
    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert host not in answer.text or not host


def test_health_is_told_to_who_asks_by_address(start: MakeApp) -> None:
    client = start(**OURS).test_client()
    assert client.get("/healthz", headers={"Host": "10.0.0.5:5000"}).status_code == 200
    assert client.get("/metrics", headers={"Host": "10.0.0.5:5000"}).status_code == 200


def test_without_names_of_ours_any_is_taken(start: MakeApp) -> None:
    assert start().test_client().get("/login", headers={"Host": "anything.example"}).status_code == 200


def test_the_cookie_behind_tls_belongs_to_this_host_alone(start: MakeApp) -> None:
    client = start(PROXY_HOPS="1").test_client()
    plain = client.get("/login").headers["Set-Cookie"]
    assert plain.startswith("session=")
    over_tls = client.get("/login", headers={"X-Forwarded-Proto": "https"}).headers["Set-Cookie"]
    assert over_tls.startswith("__Host-session=")
    parts = {part.strip() for part in over_tls.split(";")}
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= parts
    assert not any(part.startswith("Domain") for part in parts)


def test_browsers_are_told_to_stay_with_tls_once_they_came_by_it(start: MakeApp) -> None:
    client = start(PROXY_HOPS="1").test_client()
    for path in ("/login", "/api/v1/profiles", "/static/admin.css", "/nothing", "/healthz"):
        assert "Strict-Transport-Security" not in client.get(path, buffered=True).headers
        answer = client.get(path, headers={"X-Forwarded-Proto": "https"}, buffered=True)
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000", path
