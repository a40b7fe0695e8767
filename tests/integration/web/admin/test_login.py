from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from models.account import User
from models.base import db
from models.sign_in import SignIn
from web.login import Refused, create_user, set_password, verify
from web.throttle import wait_after

from .conftest import PASSWORD, Browser


def test_a_stranger_is_sent_to_the_login_and_comes_back_to_the_page(app: Flask) -> None:
    nina = Browser(app)
    answer = nina.client.get("/admin/?x=1")
    assert answer.status_code == 302
    assert answer.location == "/login?next=/admin/?x%3D1"
    nina.get(answer.location)
    answer = nina.post(answer.location, {"email": "vera@example.com", "password": PASSWORD})
    assert (answer.status_code, answer.location) == (302, "/admin/?x=1")


def test_the_root_leads_to_the_admin(nina: Browser) -> None:
    assert nina.client.get("/").location == "/admin/"


def test_the_login_is_a_plain_form(nina: Browser) -> None:
    page = nina.get("/login")
    for name in ("email", "password", "csrf_token"):
        assert f'name="{name}"' in page


@pytest.mark.parametrize(
    "away", ["//evil.example", "https://evil.example/", "/\\evil.example", "\t//evil.example", "javascript:alert(1)"]
)
def test_a_next_that_leads_away_is_dropped(nina: Browser, away: str) -> None:
    answer = nina.client.get("/login", query_string={"next": away})
    assert (answer.status_code, answer.location) == (302, "/login")
    nina.get("/login")
    answer = nina.post("/login", {"email": "vera@example.com", "password": PASSWORD, "next": away})
    assert answer.location == "/login"


def test_unknown_people_and_wrong_passwords_get_the_same_words(nina: Browser) -> None:
    pages = [nina.sign_in(email, "wrong password").text for email in ("vera@example.com", "who@example.com")]
    assert all("E-mail address, password or code is wrong." in page for page in pages)
    assert pages[0].count("alert") == pages[1].count("alert")


def test_the_session_cookie_is_out_of_reach_of_scripts_and_secure_over_tls(app: Flask) -> None:
    for base, secure in (("http://localhost", False), ("https://localhost", True)):
        cookie = app.test_client().get("/login", base_url=base).headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert ("Secure" in cookie) == secure


def test_a_login_without_token_is_refused(nina: Browser) -> None:
    assert nina.client.post("/login", data={"email": "vera@example.com", "password": PASSWORD}).status_code == 400


def test_a_cookie_planted_before_the_login_opens_nothing_after_it(app: Flask) -> None:
    victim, thief = Browser(app), app.test_client()
    victim.get("/login")
    planted = victim.client.get_cookie("session")
    assert planted
    thief.set_cookie("session", planted.value)
    assert victim.sign_in("vera@example.com").status_code == 302
    fresh = victim.client.get_cookie("session")
    assert fresh
    assert fresh.value != planted.value
    assert victim.client.get("/admin/").status_code == 200
    assert thief.get("/admin/").status_code == 302


def test_each_sign_in_is_one_of_its_own(app: Flask) -> None:
    first, second = Browser(app), Browser(app)
    first.sign_in("vera@example.com")
    second.sign_in("vera@example.com")
    first.get("/admin/account/")
    first.post("/logout")
    assert first.client.get("/admin/").status_code == 302
    assert second.client.get("/admin/").status_code == 200


def test_the_old_cookie_opens_nothing_after_logout(vera: Browser, app: Flask) -> None:
    vera.get("/admin/")
    old = vera.client.get_cookie("session")
    assert old
    vera.post("/logout")
    assert vera.client.get("/admin/").status_code == 302
    thief = app.test_client()
    thief.set_cookie("session", old.value)
    assert thief.get("/admin/").status_code == 302


@pytest.mark.parametrize(("column", "age"), [("seen_at", timedelta(hours=2)), ("created_at", timedelta(hours=13))])
def test_a_sign_in_ends_when_idle_or_old(vera: Browser, app: Flask, column: str, age: timedelta) -> None:
    with app.app_context():
        db.session.execute(sa.update(SignIn).values({column: sa.func.now() - age}))
        db.session.commit()
    assert vera.client.get("/admin/").status_code == 302


def test_someone_switched_off_is_out_at_once(vera: Browser, app: Flask) -> None:
    with app.app_context():
        db.session.execute(sa.update(User).where(User.email == "vera@example.com").values(active=False))
        db.session.commit()
    assert vera.client.get("/admin/").status_code == 302


def test_the_sixth_failure_of_an_account_has_to_wait_though_the_password_is_right(nina: Browser) -> None:
    for _ in range(5):
        nina.sign_in("Olga@example.com", "wrong password")
    answer = nina.sign_in("olga@example.com")
    assert "Too many failed logins" in answer.text
    assert nina.sign_in("vera@example.com").status_code == 302


def test_the_twenty_first_failure_of_an_address_has_to_wait(nina: Browser) -> None:
    for number in range(20):
        nina.sign_in(f"nobody{number}@example.com", "wrong password")
    assert "Too many failed logins" in nina.sign_in("vera@example.com").text


def test_a_right_password_forgets_the_failures(app: Flask) -> None:
    for _ in range(2):
        for _ in range(4):
            Browser(app).sign_in("olga@example.com", "wrong password")
        assert Browser(app).sign_in("olga@example.com").status_code == 302


def test_the_wait_grows_and_ends() -> None:
    waits = [wait_after(failures=count, limit=5).total_seconds() for count in (4, 5, 6, 7, 500)]
    assert waits == [0, 5, 10, 20, 300]


@pytest.mark.parametrize("email", ["\x00", "a\x00@example.com", "x" * 5000, ""])
def test_odd_addresses_are_answered(nina: Browser, email: str) -> None:
    assert nina.sign_in(email).status_code == 200


def test_accounts_are_made_with_argon2id_and_a_long_password(app: Flask) -> None:
    with app.app_context():
        user = create_user("nora@example.com", "viewer", PASSWORD)
        assert user.password
        assert user.password.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert verify(user, PASSWORD)
        set_password(user, "another long password")
        assert not verify(user, PASSWORD)
        for email, role, password in (
            ("VERA@example.com", "viewer", PASSWORD),
            ("no address", "viewer", PASSWORD),
            ("new@example.com", "root", PASSWORD),
            ("new@example.com", "viewer", "short"),
        ):
            with pytest.raises(Refused):
                create_user(email, role, password)
        db.session.rollback()
