"""Olga operates, Vera views, Edda edits, Ada is admin, Nina is not signed in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from config import Config
from models.account import Role, User
from models.base import db
from models.sign_in import LoginFailure
from tests.servers import Servers
from web import create_app
from web.login import create_user

PASSWORD = "correct horse battery"
PEOPLE = {
    "olga@example.com": Role.OPERATOR,
    "vera@example.com": Role.VIEWER,
    "edda@example.com": Role.EDITOR,
    "ada@example.com": Role.ADMIN,
}


class Browser:
    """A person's browser: keeps cookies, and puts the page's token into every form it posts."""

    def __init__(self, app: Flask) -> None:
        self.client: FlaskClient = app.test_client()
        self.token = ""

    def get(self, path: str, *, status: int = 200) -> str:
        """Open a page, and remember its token."""
        answer = self.client.get(path)
        assert answer.status_code == status, f"{path}: {answer.status_code} {answer.text[:300]}"
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', answer.text)
        self.token = found[1] if found else self.token
        return answer.text

    def post(self, path: str, form: dict[str, str] | None = None) -> TestResponse:
        """Send a form with the token of the page seen last."""
        return self.client.post(path, data={"csrf_token": self.token, **(form or {})})

    def sign_in(self, email: str, password: str = PASSWORD) -> TestResponse:
        """Fill in the login form."""
        self.get("/login")
        return self.post("/login", {"email": email, "password": password})


def link_in(page: str) -> str:
    """Give the path of the one-time link a page shows."""
    found = re.search(r"http://localhost(/welcome/[\w-]+)", page)
    assert found is not None, page
    return found[1]


@pytest.fixture(scope="session")
def app(servers: Servers, redis_url: str) -> Iterator[Flask]:
    with servers.database() as url:
        environ = {
            "DATABASE_URL": url,
            "REDIS_URL": redis_url,
            "SECRET_KEY": "k" * 40,
            "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        }
        app = create_app(Config.from_env(environ))
        app.config["TESTING"] = True
        with app.app_context():
            for email, role in PEOPLE.items():
                create_user(email, role, PASSWORD)
            db.session.commit()
        yield app
        with app.app_context():
            db.engine.dispose()


@pytest.fixture(autouse=True)
def _nobody_failed_before(app: Flask) -> None:
    with app.app_context():
        db.session.execute(sa.delete(LoginFailure))
        db.session.execute(sa.update(User).values(active=True))
        db.session.commit()


@pytest.fixture
def signed_in(app: Flask) -> Callable[[str], Browser]:
    def browser(name: str) -> Browser:
        person = Browser(app)
        assert person.sign_in(f"{name}@example.com").status_code == 302
        return person

    return browser


@pytest.fixture
def nina(app: Flask) -> Browser:
    return Browser(app)


@pytest.fixture
def vera(signed_in: Callable[[str], Browser]) -> Browser:
    return signed_in("vera")


@pytest.fixture
def olga(signed_in: Callable[[str], Browser]) -> Browser:
    return signed_in("olga")


@pytest.fixture
def edda(signed_in: Callable[[str], Browser]) -> Browser:
    return signed_in("edda")


@pytest.fixture
def ada(signed_in: Callable[[str], Browser]) -> Browser:
    return signed_in("ada")
