import re

import pytest
from flask import Flask

from models.account import ApiKey, User
from models.base import db

from .conftest import PASSWORD, Browser, link_in

ODD = "99999999999999999999999999"
PUBLIC = {
    "welcome.choose",
    "security.login",
    "security.logout",
    "root",
    "static",
    "admin.static",
    "security.static",
}


def admin_rules(app: Flask) -> list[tuple[str, set[str]]]:
    """Every address below /admin with its methods; numbers are 1, words are what the route knows."""
    found = []
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/admin") and rule.endpoint != "admin.static":
            path = re.sub(r"<int:\w+>", "1", rule.rule)
            path = re.sub(r"<any\((\w+).*?\):\w+>", r"\1", path)
            found.append((re.sub(r"<(\w+:)?\w+>", "campaigns", path), set(rule.methods or ())))
    return found


def test_everything_below_admin_is_closed_to_strangers(app: Flask) -> None:
    rules = admin_rules(app)
    assert len(rules) > 20
    for path, methods in rules:
        for method in methods - {"OPTIONS"}:
            answer = app.test_client().open(path, method=method)
            expected = {302} if method in {"GET", "HEAD"} else {302, 400}
            assert answer.status_code in expected, (path, method)
            if answer.status_code == 302:
                assert answer.location.startswith("/login"), (path, method)


def test_no_page_outside_of_admin_was_forgotten(app: Flask) -> None:
    for rule in app.url_map.iter_rules():
        is_known = rule.endpoint in PUBLIC or rule.rule.startswith(
            ("/admin", "/api/", "/healthz", "/readyz", "/metrics")
        )
        assert is_known, rule.rule


def test_a_post_without_token_is_refused_everywhere(ada: Browser, app: Flask) -> None:
    ada.get("/admin/")
    for path, methods in admin_rules(app):
        if "POST" in methods:
            assert ada.client.post(path, data={}).status_code == 400, path


def test_a_viewer_changes_nothing(vera: Browser, app: Flask) -> None:
    vera.get("/admin/")
    for path, methods in admin_rules(app):
        if "POST" in methods and not path.startswith("/admin/account/"):
            assert vera.post(path).status_code == 403, path


@pytest.mark.parametrize(
    "path", ["/admin/users/", "/admin/users/new", "/admin/users/1", "/admin/keys/", "/admin/keys/new", "/admin/audit/"]
)
def test_people_and_keys_are_for_admins(olga: Browser, edda: Browser, ada: Browser, path: str) -> None:
    olga.get(path, status=403)
    edda.get(path, status=403)
    ada.get(path)


@pytest.mark.parametrize("path", ["/admin/profile/new", "/admin/profile/lookup/campaigns"])
def test_profiles_are_changed_by_editors(olga: Browser, edda: Browser, path: str) -> None:
    olga.get(path, status=403)
    edda.get(path)


def test_no_get_is_ever_a_500(ada: Browser, app: Flask) -> None:
    for path, methods in admin_rules(app):
        if "GET" in methods:
            assert ada.client.get(path).status_code < 500, path


@pytest.mark.parametrize(
    "path",
    [
        f"/admin/deliveries/{ODD}",
        "/admin/deliveries/abc",
        "/admin/deliveries/-1",
        f"/admin/users/{ODD}",
        f"/admin/profile/{ODD}",
        f"/admin/preview/{ODD}",
        "/admin/customers/one",
        "/admin/customers/one?id=%00",
        "/admin/nothing",
    ],
)
def test_odd_numbers_are_not_found(ada: Browser, path: str) -> None:
    ada.get(path, status=404)


@pytest.mark.parametrize(
    "path",
    [
        f"/admin/deliveries/?before={ODD}&profile=x&state=%00&customer=%00&event={'x' * 5000}",
        "/admin/campaigns/?page=-5",
        f"/admin/campaigns/?page={ODD}&search=%00&sort=99&desc=x",
        "/admin/products/?page=abc&page_size=-1&flt1_0=%00",
        "/admin/customers/?q=%00",
        f"/admin/profiles/?page={ODD}&q=%25%00",
        "/admin/customers/one?id=1&after=x",
        "/admin/profile/lookup/campaigns?q=%00%25",
    ],
)
def test_odd_questions_are_answered(ada: Browser, path: str) -> None:
    assert ada.client.get(path).status_code in {200, 404}, path


def test_an_admin_makes_people_and_nobody_takes_their_own_rights(ada: Browser, app: Flask) -> None:
    ada.get("/admin/users/new")
    person = {"email": "new@example.com", "role": "viewer"}
    assert "Not a valid choice" in ada.post("/admin/users/new", person | {"role": "king"}).text
    link = link_in(ada.post("/admin/users/new", person).text)
    assert "already" in ada.post("/admin/users/new", person).text
    new = Browser(app)
    new.get(link)
    assert new.post(link, {"password": PASSWORD}).status_code == 302
    assert new.sign_in("new@example.com").status_code == 302
    with app.app_context():
        numbers = {user.email: user.id for user in db.session.query(User)}
    own = f"/admin/users/{numbers['ada@example.com']}"
    assert "their own rights" in ada.post(own, {"role": "viewer", "active": "y"}).text
    assert ada.post(f"/admin/users/{numbers['new@example.com']}", {"role": "editor", "active": "y"}).status_code == 302
    new.get("/admin/profile/new")
    assert ada.post(f"/admin/users/{numbers['new@example.com']}", {"role": "editor"}).status_code == 302
    assert new.client.get("/admin/").status_code == 302


def test_a_key_is_shown_once_and_revoked(ada: Browser, app: Flask) -> None:
    ada.get("/admin/keys/new")
    assert "Tick at least one" in ada.post("/admin/keys/new", {"name": "Shop"}).text
    page = ada.post("/admin/keys/new", {"name": "Shop", "scopes": "read", "days": "7"}).text
    text = re.search(r"wb_[0-9a-f]{8}_[\w-]+", page)
    assert text
    assert text[0] not in ada.get("/admin/keys/")
    with app.app_context():
        key = db.session.query(ApiKey).filter_by(name="Shop").one()
        assert key.scopes == ["read"]
        number = key.id
    ada.post(f"/admin/keys/{number}/revoke")
    with app.app_context():
        assert db.session.get_one(ApiKey, number).revoked_at


def test_only_scripts_with_the_word_of_this_answer_run(ada: Browser) -> None:
    words = set()
    for _ in range(2):
        answer = ada.client.get("/admin/")
        found = re.search(r"script-src 'nonce-([\w-]{20,})';", answer.headers["Content-Security-Policy"])
        assert found
        words.add(found[1])
        tags = re.findall(r"<script[^>]*>", answer.text)
        assert tags
        assert all(f'nonce="{found[1]}"' in tag for tag in tags)
    assert len(words) == 2


def test_an_address_without_a_page_is_answered_in_the_frame(vera: Browser, nina: Browser) -> None:
    for path in ("/admin/nothing", "/admin/deliveries/abc", "/admin/runs/1/2/3"):
        page = vera.get(path, status=404)
        assert "There is nothing here" in page
        assert 'href="/admin/deliveries/"' in page
        assert nina.client.get(path).headers["Location"].startswith("/login")
    assert "for a button" in vera.get("/admin/deliveries/1/again", status=405)
