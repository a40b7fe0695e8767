"""Who may do what: every address and method of the application, tried as everybody. A new address must be put in here."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from models.account import ApiKey, Role, Scope
from models.base import db
from tests.integration.web.admin.conftest import Browser
from web.api.door import scope_of

from .addresses import MADE_UP, path_of, rules_of
from .world import World

OPEN = "everybody"
CLOSED = "nobody"
VIEWER, OPERATOR, EDITOR, ADMIN = Role

GET = {
    "root": OPEN,
    "static": OPEN,
    "admin.static": OPEN,
    "security.static": OPEN,
    "security.login": OPEN,
    "welcome.choose": OPEN,
    "health.healthz": OPEN,
    "health.readyz": OPEN,
    "health.metrics": OPEN,
    "api_docs.page": OPEN,
    "api.openapi": OPEN,
    "admin.index": VIEWER,
    "account.index": VIEWER,
    "account.second_factor": VIEWER,
    "audit.index": ADMIN,
    "campaigns.index_view": VIEWER,
    "campaigns.ajax_lookup": CLOSED,
    "campaigns.details_view": CLOSED,
    "campaigns.edit_view": CLOSED,
    "campaigns.create_view": CLOSED,
    "campaigns.export": CLOSED,
    "customers.index": VIEWER,
    "customers.one": VIEWER,
    "deliveries.index": VIEWER,
    "deliveries.one": VIEWER,
    "draft.index": EDITOR,
    "keys.index": ADMIN,
    "keys.new": ADMIN,
    "preview.index": VIEWER,
    "preview.one": VIEWER,
    "probe.index": OPERATOR,
    "products.index_view": VIEWER,
    "products.ajax_lookup": CLOSED,
    "products.details_view": CLOSED,
    "products.edit_view": CLOSED,
    "products.create_view": CLOSED,
    "products.export": CLOSED,
    "profile.index": EDITOR,
    "profile.bring": EDITOR,
    "profile.edit": EDITOR,
    "profile.export": EDITOR,
    "profile.lookup": EDITOR,
    "profile.new": EDITOR,
    "profiles.index": VIEWER,
    "profiles.delete": EDITOR,
    "replays.index": VIEWER,
    "replays.one": VIEWER,
    "replays.new": OPERATOR,
    "runs.index": VIEWER,
    "runs.one": VIEWER,
    "users.index": ADMIN,
    "users.one": ADMIN,
    "users.new": ADMIN,
}

POST = {
    "security.login": OPEN,
    "security.logout": OPEN,
    "welcome.choose": OPEN,
    "account.password": VIEWER,
    "account.second_factor": VIEWER,
    "account.without": VIEWER,
    "account.sign_out_others": VIEWER,
    "account.time_zone": VIEWER,
    "campaigns.action_view": CLOSED,
    "campaigns.ajax_update": CLOSED,
    "campaigns.delete_view": CLOSED,
    "campaigns.edit_view": CLOSED,
    "campaigns.create_view": CLOSED,
    "deliveries.again": OPERATOR,
    "deliveries.cancel": OPERATOR,
    "deliveries.hold": OPERATOR,
    "deliveries.many": OPERATOR,
    "deliveries.release": OPERATOR,
    "draft.one": EDITOR,
    "keys.revoke": ADMIN,
    "keys.new": ADMIN,
    "preview.dry_run": OPERATOR,
    "probe.one": EDITOR,
    "probe.stored": OPERATOR,
    "products.action_view": CLOSED,
    "products.ajax_update": CLOSED,
    "products.delete_view": CLOSED,
    "products.edit_view": CLOSED,
    "products.create_view": CLOSED,
    "profile.bring": EDITOR,
    "profile.edit": EDITOR,
    "profile.new": EDITOR,
    "profiles.delete": EDITOR,
    "profiles.pause": OPERATOR,
    "profiles.resume": OPERATOR,
    "profiles.run": OPERATOR,
    "profiles.switch": EDITOR,
    "replays.move": OPERATOR,
    "replays.new": OPERATOR,
    "runs.again": OPERATOR,
    "runs.back": OPERATOR,
    "runs.cancel": OPERATOR,
    "runs.file": OPERATOR,
    "runs.make": OPERATOR,
    "users.one": ADMIN,
    "users.link": ADMIN,
    "users.second_factor": ADMIN,
    "users.new": ADMIN,
}

API = {
    ("POST", "post_events"): Scope.EVENTS_WRITE,
    ("GET", "customer_history"): Scope.READ,
    ("GET", "list_deliveries"): Scope.READ,
    ("GET", "get_job"): Scope.READ,
    ("GET", "list_profiles"): Scope.READ,
    ("GET", "get_profile"): Scope.READ,
    ("GET", "list_runs"): Scope.READ,
    ("GET", "get_run"): Scope.READ,
    ("POST", "preview_profile"): Scope.READ,
    ("POST", "replay_deliveries"): Scope.OPERATE,
    ("POST", "move_job"): Scope.OPERATE,
    ("POST", "resume_profile"): Scope.OPERATE,
    ("POST", "run_profile"): Scope.OPERATE,
    ("POST", "test_profile"): Scope.OPERATE,
    ("POST", "test_connection"): Scope.PROFILES_WRITE,
    ("POST", "cancel_delivery"): Scope.OPERATE,
    ("POST", "hold_delivery"): Scope.OPERATE,
    ("POST", "release_delivery"): Scope.OPERATE,
    ("POST", "send_delivery_again"): Scope.OPERATE,
    ("POST", "cancel_run"): Scope.OPERATE,
    ("GET", "download_run"): Scope.OPERATE,
    ("POST", "give_run_back"): Scope.OPERATE,
    ("POST", "make_run_again"): Scope.OPERATE,
    ("POST", "send_run_again"): Scope.OPERATE,
    ("PUT", "put_profile"): Scope.PROFILES_WRITE,
    ("DELETE", "delete_profile"): Scope.PROFILES_WRITE,
}

ROLES: dict[str, Role | None] = {"nina": None, "vera": VIEWER, "olga": OPERATOR, "edda": EDITOR, "ada": ADMIN}
OUT = {"security.logout", "account.sign_out_others"}
"""These end the sign-ins that the other tests need; they are tried by strangers only."""


def test_every_address_stands_in_the_matrix_and_nothing_else_does(app: Flask) -> None:
    pages: dict[str, set[str]] = {"GET": set(), "POST": set()}
    calls = {}
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            scope = scope_of(app.view_functions[rule.endpoint])
            if rule.rule.startswith("/api/v1") and scope is not None:
                calls[method, rule.endpoint.removeprefix("api.")] = scope
            else:
                pages[method].add(rule.endpoint)
    assert pages == {"GET": set(GET), "POST": set(POST)}
    assert calls == API


def _is_refused(answer: TestResponse) -> bool:
    return answer.status_code == 403 or answer.headers.get("Location", "").startswith("/login")


def _is_closed(answer: TestResponse) -> bool:
    """Flask-Admin's own pages that we do not use: nothing there, or back to the list."""
    return answer.status_code in {403, 404} or answer.headers.get("Location", "").endswith(("s/", "s/?"))


@pytest.mark.parametrize("name", ROLES)
def test_pages_are_seen_by_those_who_may(app: Flask, world: World, browsers: dict[str, Browser], name: str) -> None:
    for rule in rules_of(app, GET, "GET"):
        answer = browsers[name].client.get(path_of(rule, world), buffered=True)
        needed = GET[rule.endpoint]
        assert answer.status_code < 500 or rule.endpoint == "health.readyz", rule
        if needed == CLOSED:
            assert _is_closed(answer) or _is_refused(answer), rule
        else:
            assert _is_refused(answer) == (not _may(name, needed)), (rule, answer.status_code)


@pytest.mark.parametrize("name", ROLES)
def test_acts_are_done_by_those_who_may(app: Flask, world: World, browsers: dict[str, Browser], name: str) -> None:
    """Refused on what is there; let through to what is not, so that nothing is changed for the others."""
    person = browsers[name]
    person.get("/login" if name == "nina" else "/admin/account/")
    for rule in rules_of(app, POST, "POST"):
        needed = POST[rule.endpoint]
        if rule.endpoint in OUT and name != "nina":
            continue
        if rule.endpoint == "welcome.choose":
            assert person.client.post("/welcome/none", data={"csrf_token": person.token}).status_code == 404
            continue
        if rule.endpoint == "security.logout":
            assert person.post("/logout").status_code == 302
            continue
        is_let_in = needed != CLOSED and _may(name, needed)
        answer = person.post(path_of(rule, world, made_up=is_let_in))
        assert answer.status_code < 500, rule
        is_refused = _is_refused(answer) or (name == "nina" and answer.status_code == 400)  # a stranger has no token
        if needed == CLOSED:
            assert is_refused or _is_closed(answer), rule
        else:
            assert is_refused != is_let_in, (rule, answer.status_code)


def _may(name: str, needed: str) -> bool:
    role = ROLES[name]
    return needed == OPEN or (role is not None and role.covers(Role(needed)))


@pytest.mark.parametrize("name", [name for name in ROLES if name != "nina"])
def test_nothing_is_done_without_the_forms_token(
    app: Flask, world: World, browsers: dict[str, Browser], name: str
) -> None:
    before = _everything(app)
    for rule in rules_of(app, POST, "POST"):
        for headers in ({}, {"Content-Type": "application/json"}, {"X-CSRFToken": "none"}):
            answer = browsers[name].client.post(path_of(rule, world), headers=headers)
            assert answer.status_code in {400, 403}, (rule, answer.status_code)
    assert _everything(app) == before


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
def test_no_other_method_does_anything(app: Flask, world: World, browsers: dict[str, Browser], method: str) -> None:
    ada = browsers["ada"]
    ada.get("/admin/account/")
    for rule in app.url_map.iter_rules():
        if rule.endpoint in GET and method not in (rule.methods or ()):
            headers = {"X-CSRFToken": ada.token, "X-HTTP-Method-Override": "POST"}
            answer = ada.client.open(path_of(rule, world), method=method, headers=headers)
            assert answer.status_code == 405, (rule, answer.status_code)


def test_looking_changes_nothing(app: Flask, world: World, browsers: dict[str, Browser]) -> None:
    before = _everything(app)
    for rule in rules_of(app, GET, "GET"):
        for query in ("", "?delete=1&action=delete&url=//evil.example&next=//evil.example&_method=POST"):
            answer = browsers["ada"].client.get(path_of(rule, world).partition("?")[0] + query, buffered=True)
            assert "evil.example" not in answer.headers.get("Location", ""), rule
    assert _everything(app) == before


def test_an_api_key_opens_no_page_and_a_sign_in_no_call(app: Flask, world: World, browsers: dict[str, Browser]) -> None:
    key, text = ApiKey.issue("everything", list(Scope))
    with app.app_context():
        db.session.add(key)
        db.session.commit()
    for rule in app.url_map.iter_rules():
        endpoint = rule.endpoint.removeprefix("api.")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            if (method, endpoint) in API:
                path = re.sub("<[^>]+>", str(MADE_UP), rule.rule)
                assert browsers["ada"].client.open(path, method=method).status_code == 401, rule
            elif GET.get(rule.endpoint, OPEN) != OPEN and method == "GET":
                answer = app.test_client().get(path_of(rule, world), headers={"Authorization": f"Bearer {text}"})
                assert _is_refused(answer), rule


def _everything(app: Flask) -> dict[str, tuple[int, str | None]]:
    """Every table's rows as one checksum; who signed in when aside."""
    found = {}
    with app.app_context(), Session(db.engine) as session:
        for table in db.metadata.sorted_tables:
            if table.name in {"sign_ins", "login_failures"}:
                continue
            statement = sa.text(f"SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table.name} t")
            count, digest = session.execute(statement).one()
            found[table.name] = (count, digest)
    return found
