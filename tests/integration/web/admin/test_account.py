"""One's own account: one-time links, the second factor, sign-ins; and what the record says of it all."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from flask import Flask

from models.account import Role, User
from models.audit import AuditLine, differences
from models.base import db
from web import second_factor
from web.login import create_user, give_link

from .conftest import PASSWORD, Browser, link_in

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


def code_of(secret: str, at: datetime) -> str:
    totp = TOTP(base64.b32decode(secret), 6, SHA1(), 30)
    return totp.generate(int(at.timestamp())).decode()


@pytest.fixture
def zoe(app: Flask) -> str:
    """A person whom only this test knows."""
    with app.app_context():
        email = f"zoe{db.session.scalar(sa.select(sa.func.max(User.id)))}@example.com"
        create_user(email, Role.VIEWER, PASSWORD)
        db.session.commit()
    return email


def set_up(browser: Browser) -> str:
    """Set up a second factor by the page; gives the secret."""
    page = browser.get("/admin/account/second-factor")
    found = re.search(r"<code>([A-Z2-7 ]+)</code>", page)
    assert found is not None
    secret = found[1].replace(" ", "")
    answer = browser.post(
        "/admin/account/second-factor", {"code": code_of(secret, datetime.now(UTC) - timedelta(seconds=30))}
    )
    assert answer.status_code == 302
    return secret


def lines_on(app: Flask, target: str) -> list[AuditLine]:
    with app.app_context():
        query = sa.select(AuditLine).where(AuditLine.target == target).order_by(AuditLine.id)
        return list(db.session.scalars(query))


def test_rfc_6238_s_own_example_is_understood() -> None:
    secret = base64.b32encode(b"12345678901234567890").decode()
    assert second_factor.matching_step(secret, "287082", datetime.fromtimestamp(59, UTC)) == 1
    assert second_factor.matching_step(secret, "28 70 82", datetime.fromtimestamp(59, UTC)) == 1


@pytest.mark.parametrize("off", [-2, 2])
def test_a_code_of_another_minute_is_wrong(off: int) -> None:
    secret = second_factor.new_secret()
    assert second_factor.matching_step(secret, code_of(secret, NOW + timedelta(seconds=30 * off)), NOW) is None


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "12345\x00"])
def test_what_is_no_code_is_wrong(code: str) -> None:
    assert second_factor.matching_step(second_factor.new_secret(), code, NOW) is None


def test_signing_in_asks_for_the_code_and_takes_each_once(app: Flask, zoe: str) -> None:
    browser = Browser(app)
    browser.sign_in(zoe)
    secret = set_up(browser)
    other = Browser(app)
    other.get("/login")
    login = {"email": zoe, "password": PASSWORD}
    assert "code is wrong" in other.post("/login", login).text
    assert "code is wrong" in other.post("/login", login | {"code": "000000"}).text
    code = code_of(secret, datetime.now(UTC))
    assert other.post("/login", login | {"code": code}).status_code == 302
    third = Browser(app)
    third.get("/login")
    assert "code is wrong" in third.post("/login", login | {"code": code}).text


def test_a_code_used_at_two_places_at_once_opens_one(app: Flask, zoe: str) -> None:
    with app.app_context():
        user = db.session.scalars(sa.select(User).where(User.email == zoe)).one()
        assert second_factor.use_up(db.session(), user, 7)
        assert not second_factor.use_up(db.session(), user, 7)
        assert not second_factor.use_up(db.session(), user, 6)


def test_a_wrong_code_sets_nothing_up(app: Flask, zoe: str) -> None:
    browser = Browser(app)
    browser.sign_in(zoe)
    browser.get("/admin/account/second-factor")
    assert "not the code" in browser.post("/admin/account/second-factor", {"code": "123"}).text
    assert Browser(app).sign_in(zoe).status_code == 302


def test_the_second_factor_goes_with_a_code_or_by_an_admin(app: Flask, zoe: str, ada: Browser) -> None:
    browser = Browser(app)
    browser.sign_in(zoe)
    secret = set_up(browser)
    browser.get("/admin/account/")
    browser.post("/admin/account/second-factor/off", {"code": "1"})
    assert "The code is wrong" in browser.get("/admin/account/")
    browser.post("/admin/account/second-factor/off", {"code": code_of(secret, datetime.now(UTC))})
    assert Browser(app).sign_in(zoe).status_code == 302
    with app.app_context():
        number = db.session.scalars(sa.select(User.id).where(User.email == zoe)).one()
        db.session.execute(sa.update(User).where(User.id == number).values(totp_last=None))
        db.session.commit()
    set_up(browser)
    ada.get(f"/admin/users/{number}")
    ada.post(f"/admin/users/{number}/second-factor")
    assert Browser(app).sign_in(zoe).status_code == 302


def test_the_secret_is_nowhere_in_the_open(app: Flask, zoe: str) -> None:
    browser = Browser(app)
    browser.sign_in(zoe)
    secret = set_up(browser)
    with app.app_context():
        user = db.session.scalars(sa.select(User).where(User.email == zoe)).one()
        assert secret not in (user.totp_sealed or "")
    assert secret not in browser.get("/admin/account/")


def test_a_one_time_link_opens_once(app: Flask, zoe: str, ada: Browser) -> None:
    with app.app_context():
        number = db.session.scalars(sa.select(User.id).where(User.email == zoe)).one()
    ada.get(f"/admin/users/{number}")
    first = link_in(ada.post(f"/admin/users/{number}/link").text)
    second = link_in(ada.post(f"/admin/users/{number}/link").text)
    nina = Browser(app)
    assert "used already" in nina.get(first, status=404)
    nina.get(second)
    assert "at least 10" in nina.post(second, {"password": "short"}).text.lower()
    assert nina.post(second, {"password": "a wholly new one"}).status_code == 302
    assert "used already" in nina.get(second, status=404)
    assert Browser(app).sign_in(zoe).status_code == 200
    assert nina.sign_in(zoe, "a wholly new one").status_code == 302


def test_a_link_whose_time_is_over_opens_nothing(app: Flask, zoe: str) -> None:
    with app.app_context():
        user = db.session.scalars(sa.select(User).where(User.email == zoe)).one()
        token = give_link(user)
        user.link_until = datetime.now(UTC) - timedelta(seconds=1)
        db.session.commit()
    Browser(app).get(f"/welcome/{token}", status=404)


def test_a_new_password_signs_out_all_other_browsers(app: Flask, zoe: str) -> None:
    browser, other = Browser(app), Browser(app)
    browser.sign_in(zoe)
    other.sign_in(zoe)
    browser.get("/admin/account/")
    assert "not your present" in browser.post("/admin/account/password", {"old": "no", "password": "x" * 12}).text
    assert "at least 10" in browser.post("/admin/account/password", {"old": PASSWORD, "password": "x"}).text
    browser.post("/admin/account/password", {"old": PASSWORD, "password": "a wholly new one"})
    assert "All other browsers are signed out" in browser.get("/admin/account/")
    assert other.client.get("/admin/").status_code == 302


def test_other_browsers_are_signed_out_by_one_button(app: Flask, zoe: str) -> None:
    browser, other = Browser(app), Browser(app)
    browser.sign_in(zoe)
    other.sign_in(zoe)
    browser.get("/admin/account/")
    browser.post("/admin/account/sign-out-others")
    assert "1 other browser is" in browser.get("/admin/account/")
    assert other.client.get("/admin/").status_code == 302


def test_the_record_tells_who_came_in_and_who_did_not(app: Flask, zoe: str, ada: Browser) -> None:
    browser = Browser(app)
    browser.sign_in(zoe, "wrong password")
    browser.sign_in(zoe)
    browser.get("/admin/")
    browser.post("/logout")
    acts = [line.act for line in lines_on(app, f"person {zoe}")]
    assert acts == ["sign-in refused", "signed in", "signed out"]
    page = ada.get(f"/admin/audit/?what=person {zoe}")
    assert page.count(f"person {zoe}") >= 3


def test_a_stranger_s_typing_is_not_in_the_record(app: Flask) -> None:
    Browser(app).sign_in("my secret password", "x")
    with app.app_context():
        last = db.session.scalars(sa.select(AuditLine).order_by(AuditLine.id.desc()).limit(1)).one()
        assert (last.actor, last.target) == ("a stranger", "person a stranger")


def test_the_record_shows_what_changed(app: Flask, zoe: str, ada: Browser) -> None:
    with app.app_context():
        number = db.session.scalars(sa.select(User.id).where(User.email == zoe)).one()
    ada.get(f"/admin/users/{number}")
    ada.post(f"/admin/users/{number}", {"role": "editor", "active": "y"})
    (line,) = lines_on(app, f"person {zoe}")
    assert (line.actor, line.act, line.address) == ("ada@example.com", "changed", "127.0.0.1")
    assert differences(line.before, line.after) == [("role", "viewer", "editor")]


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_lines SET actor = 'me'", "DELETE FROM audit_lines", "TRUNCATE audit_lines"]
)
def test_the_record_is_only_ever_added_to(app: Flask, zoe: str, statement: str) -> None:
    Browser(app).sign_in(zoe)
    with app.app_context(), pytest.raises(sa.exc.DBAPIError, match="only ever added to"):
        db.session.execute(sa.text(statement))


def test_differences_name_their_places() -> None:
    before = {"a": 1, "rows": [{"x": 1}, {"x": 2}], "gone": True}
    after = {"a": 1, "rows": [{"x": 1}, {"x": 3}, {"x": 4}], "new": None}
    assert differences(before, after) == [
        ("rows[1].x", 2, 3),
        ("rows[2]", None, {"x": 4}),
        ("gone", True, None),
    ]


def test_times_are_in_the_zone_a_person_chooses(app: Flask, vera: Browser) -> None:
    assert "The account&#39;s: UTC" in vera.get("/admin/account/")
    vera.post("/admin/account/time-zone", {"time_zone": "Asia/Kathmandu"})
    page = vera.get("/admin/account/")
    assert '<option selected value="Asia/Kathmandu">' in page
    assert re.search(r'<time datetime="[^"]+Z" title="[^"]+ UTC">[^<]+ \+0545</time>', page)
    vera.post("/admin/account/time-zone", {"time_zone": ""})
    assert "+0545" not in vera.get("/admin/account/")


def test_a_zone_that_is_nowhere_is_refused(app: Flask, vera: Browser) -> None:
    vera.get("/admin/account/")
    for odd in ("Asia/Nowhere", "../etc/passwd", "\x00"):
        vera.post("/admin/account/time-zone", {"time_zone": odd})
        assert "Choose a time zone of the list" in vera.get("/admin/account/")
