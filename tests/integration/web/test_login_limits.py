"""The limits of signing in hold without Redis: failures are counted in Postgres."""

from __future__ import annotations

from models.base import db
from tests.factories import unique
from tests.integration.web.admin.conftest import PASSWORD, Browser
from tests.integration.web.conftest import MakeApp
from web.login import create_user


def test_without_redis_the_sixth_failure_has_to_wait_and_others_come_in(start: MakeApp) -> None:
    app = start(REDIS_URL="redis://127.0.0.1:1/0")
    guessed, other = (f"{unique('who')}@example.com".lower() for _ in range(2))
    with app.app_context():
        for email in (guessed, other):
            create_user(email, "viewer", PASSWORD)
        db.session.commit()
    nina = Browser(app)
    for _ in range(5):
        nina.sign_in(guessed, "wrong password")
    assert "Too many failed logins" in nina.sign_in(guessed).text
    assert nina.sign_in(other).status_code == 302
