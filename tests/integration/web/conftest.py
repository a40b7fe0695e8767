"""Applications with settings of a test's own, on one database."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from cryptography.fernet import Fernet
from flask import Flask

from config import Config
from models.base import db
from web import create_app

KEY = Fernet.generate_key().decode()

MakeApp = Callable[..., Flask]


@pytest.fixture
def start(database_url: str, redis_url: str) -> Iterator[MakeApp]:
    """Start an application with these settings besides the necessary ones."""
    made: list[Flask] = []

    def make(**environ: str) -> Flask:
        given = {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "SECRET_KEY": "k" * 40,
            "ENCRYPTION_KEYS": KEY,
        }
        made.append(create_app(Config.from_env(given | environ)))
        return made[-1]

    yield make
    for app in made:
        with app.app_context():
            db.engine.dispose()
