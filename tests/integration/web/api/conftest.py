"""Pia is a program with a key for everything; others come with less."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy.orm import Session
from werkzeug.datastructures import Headers

from config import Config
from models.account import ApiKey, Scope
from models.base import db
from tests.factories import unique
from tests.servers import Servers
from web import create_app


@dataclass(frozen=True)
class Answer:
    """What came back. json is None when it is none."""

    status_code: int
    headers: Headers
    mimetype: str | None
    text: str
    json: Any


class Program:
    """A caller of the API with a key."""

    def __init__(self, app: Flask, key: str | None) -> None:
        self.client = app.test_client()
        self.headers = {} if key is None else {"Authorization": f"Bearer {key}"}

    def call(self, method: str, path: str, **more: Any) -> Answer:
        """Call an address below /api/v1."""
        headers = {**self.headers, **more.pop("headers", {})}
        got = self.client.open(f"/api/v1{path}", method=method, headers=headers, **more)
        return Answer(got.status_code, got.headers, got.mimetype, got.text, got.get_json(silent=True))

    def get(self, path: str, **more: Any) -> Answer:
        return self.call("GET", path, **more)

    def put(self, path: str, document: Any, **more: Any) -> Answer:
        return self.call("PUT", path, json=document, **more)

    def post(self, path: str, document: Any = None, **more: Any) -> Answer:
        return self.call("POST", path, json=document, **more)

    def save(self, document: dict[str, Any], *, status: int | None = None) -> Any:
        """Store a profile document; the answer's JSON."""
        answer = self.put(f"/profiles/{document['name']}", document)
        assert answer.status_code == status if status else answer.status_code in {200, 201}, answer.text
        return answer.json

    def refused(self, document: dict[str, Any]) -> dict[str, str]:
        """Try to store a profile document; path -> message of every fault."""
        answer = self.put(f"/profiles/{document['name']}", document)
        assert answer.status_code == 422, answer.text
        assert set(answer.json) == {"error", "details"}
        return {detail["path"]: detail["message"] for detail in answer.json["details"]}


@pytest.fixture(scope="session")
def app(servers: Servers, redis_url: str) -> Iterator[Flask]:
    with servers.database() as url:
        environ = {
            "DATABASE_URL": url,
            "REDIS_URL": redis_url,
            "SECRET_KEY": "k" * 40,
            "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
            "EGRESS_ALLOW": "127.0.0.1/32",
        }
        app = create_app(Config.from_env(environ))
        yield app
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def engine(app: Flask) -> sa.Engine:
    with app.app_context():
        return db.engine


@pytest.fixture
def session(engine: sa.Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session


def issue(engine: sa.Engine, *scopes: Scope, **columns: Any) -> str:
    """Make a key."""
    key, text = ApiKey.issue(unique("key"), scopes)
    for name, value in columns.items():
        setattr(key, name, value)
    with Session(engine) as session, session.begin():
        session.add(key)
    return text


@pytest.fixture
def pia(app: Flask, engine: sa.Engine) -> Program:
    return Program(app, issue(engine, *Scope))


@pytest.fixture
def reader(app: Flask, engine: sa.Engine) -> Program:
    return Program(app, issue(engine, Scope.READ))


@pytest.fixture
def nobody(app: Flask) -> Program:
    return Program(app, None)


@pytest.fixture
def document() -> dict[str, Any]:
    """The profile document of the contract, under a name of its own."""
    return {
        "name": unique("Calls"),
        "exportType": "postback",
        "enabled": True,
        "intervalMinutes": 15,
        "delayMinutes": 5,
        "settings": {"url": "http://127.0.0.1:9/partials.php"},
        "mappings": [
            {"exportName": "first_name", "field": "firstName"},
            {"exportName": "list_id", "static": "400"},
            {"exportName": "name", "template": "{firstName} {lastName}", "modifiers": ["trim", "upper"]},
        ],
        "routes": [{"customerType": "Partial", "campaign": 1, "product": "all"}],
    }
