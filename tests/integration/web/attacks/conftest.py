"""One application and one hostile world for all attacks: they look, and change nothing that others need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from flask import Flask

from config import Config
from models.base import db
from models.sign_in import LoginFailure
from tests.integration.web.admin.conftest import PASSWORD, PEOPLE, Browser
from tests.servers import Servers
from web import create_app

from .world import World, build, people


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
        yield app
        with app.app_context():
            db.engine.dispose()


@pytest.fixture(scope="session")
def world(app: Flask) -> World:
    with app.app_context():
        people(db.session(), PASSWORD, PEOPLE)
        return build(db.session())


@pytest.fixture(scope="session")
def browsers(app: Flask, world: World) -> dict[str, Browser]:
    """Nina is a stranger, all others are signed in."""
    found = {"nina": Browser(app)}
    for email in PEOPLE:
        found[email.partition("@")[0]] = person = Browser(app)
        assert person.sign_in(email).status_code == 302
    with app.app_context():
        db.session.execute(sa.delete(LoginFailure))
        db.session.commit()
    return found
