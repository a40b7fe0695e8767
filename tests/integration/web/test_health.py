"""Alive, ready, and the numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy.orm import Session

from config import Config
from models.account import ApiKey, Scope
from models.base import db
from tests.factories import accept_events, add_profile, event_document
from tests.file_rows import add_file_profile, add_run
from web import create_app

KEY = Fernet.generate_key().decode()


@pytest.fixture
def make_app(fresh_database_url: str, redis_url: str) -> Iterator[Callable[..., Flask]]:
    made: list[Flask] = []

    def make(**environ: str) -> Flask:
        given = {
            "DATABASE_URL": fresh_database_url,
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


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app()


def _do(app: Flask, statement: str, **values: Any) -> None:
    with app.app_context(), db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text(statement), values)


def _beat(app: Flask, name: str = "tick", age: int = 0) -> None:
    _do(
        app,
        "INSERT INTO heartbeats (name, at) VALUES (:name, now() - make_interval(secs => :age))"
        " ON CONFLICT (name) DO UPDATE SET at = excluded.at",
        name=name,
        age=age,
    )


def _ready(app: Flask) -> tuple[int, dict[str, Any]]:
    answer = app.test_client().get("/readyz")
    return answer.status_code, answer.get_json()


def _set(app: Flask, setting: str) -> None:
    """Change a setting of this database; sessions opened from now on have it."""
    with app.app_context():
        name = db.engine.url.database
    _do(app, f'ALTER DATABASE "{name}" SET {setting}')
    with app.app_context():
        db.engine.dispose()


def test_alive_asks_nobody(make_app: Callable[..., Flask]) -> None:
    app = make_app(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    answer = app.test_client().get("/healthz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "alive"})


def test_not_ready_before_the_first_tick(app: Flask) -> None:
    assert _ready(app)[0] == 503


def test_ready(app: Flask) -> None:
    _beat(app)
    _beat(app, "deliver:host:1")
    assert _ready(app) == (200, {"status": "ready"})


def test_an_old_tick_and_no_worker_only_degrade(app: Flask) -> None:
    _beat(app, age=61)
    assert _ready(app) == (200, {"status": "ready", "degraded": ["schedule", "workers"]})


def test_behind_a_pooler_whose_role_has_no_limits_it_only_degrades(make_app: Callable[..., Flask]) -> None:
    app = make_app(DATABASE_POOLED="yes")  # as long as no release has given them
    _beat(app)
    _beat(app, "deliver:host:1")
    assert _ready(app) == (200, {"status": "ready", "degraded": ["limits"]})


def _add_run(app: Flask, **columns: Any) -> None:
    with app.app_context(), Session(db.engine) as session:
        add_run(session, add_file_profile(session), **columns)
    _beat(app)
    _beat(app, "deliver:host:1")


LONG_AGO = datetime.now(UTC) - timedelta(hours=9)
CLAIMED = {"state": "claimed", "lease_token": 1, "created_at": LONG_AGO, "due_at": LONG_AGO}


@pytest.mark.parametrize(
    ("columns", "is_late"),
    [
        ({"due_at": LONG_AGO, "created_at": LONG_AGO}, True),
        ({"due_at": LONG_AGO}, False),  # planned a moment ago, to catch up
        ({"created_at": LONG_AGO}, False),  # tried again a moment ago
        (CLAIMED | {"lease_until": LONG_AGO}, True),
        (CLAIMED | {"lease_until": datetime.now(UTC)}, False),  # being made, however long it takes
        ({"state": "held", "due_at": LONG_AGO, "created_at": LONG_AGO}, False),
        ({"state": "empty", "due_at": LONG_AGO, "created_at": LONG_AGO}, False),
    ],
)
def test_a_file_that_is_a_quarter_of_an_hour_late_degrades(app: Flask, columns: dict[str, Any], is_late: bool) -> None:
    _add_run(app, **columns)
    assert _ready(app) == (200, {"status": "ready", **({"degraded": ["files"]} if is_late else {})})


@pytest.mark.parametrize(
    "change",
    ["UPDATE profiles SET paused = true", "UPDATE gates SET fault = 'making', fault_since = now()"],
)
def test_a_file_behind_a_closed_gate_is_not_late(app: Flask, change: str) -> None:
    _add_run(app, due_at=LONG_AGO, created_at=LONG_AGO)
    _do(app, change)
    assert _ready(app) == (200, {"status": "ready"})


def test_an_absent_database_is_503(make_app: Callable[..., Flask]) -> None:
    app = make_app(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert _ready(app)[0] == 503


def test_an_empty_database_is_503(make_app: Callable[..., Flask], empty_database_url: str) -> None:
    assert _ready(make_app(DATABASE_URL=empty_database_url))[0] == 503


@pytest.mark.parametrize("setting", ["default_transaction_read_only = on", "synchronous_commit = off"])
def test_a_database_that_cannot_keep_events_is_503(app: Flask, setting: str) -> None:
    _beat(app)
    _set(app, setting)
    status, answer = _ready(app)
    assert status == 503
    assert answer["reasons"]


def test_a_database_that_cannot_be_written_is_503(app: Flask) -> None:
    _beat(app)
    _do(app, "ALTER TABLE heartbeats ADD CONSTRAINT only_tick CHECK (name = 'tick')")
    assert _ready(app)[0] == 503


def test_an_absent_redis_only_degrades(make_app: Callable[..., Flask]) -> None:
    app = make_app(REDIS_URL="redis://127.0.0.1:1/0")
    _beat(app)
    _beat(app, "deliver:host:1")
    assert _ready(app) == (200, {"status": "ready", "degraded": ["redis"]})


def test_secrets_that_cannot_be_opened_only_degrade(app: Flask) -> None:
    _beat(app)
    _beat(app, "deliver:host:1")
    with app.app_context():
        add_profile(
            db.engine,
            mappings=[{"export_name": "token", "sealed": "not sealed by us", "secret": True}],
            settings={"signingSecret": {"sealed": "nor this"}},
        )
    assert _ready(app) == (200, {"status": "ready", "degraded": ["keys"]})


def test_the_numbers_name_nobody(app: Flask) -> None:
    with app.app_context():
        profile_id = add_profile(db.engine, name="Canary Ltd")
        accept_events(db.engine, event_document(firstName="Canary", emailAddress="canary@example.com"))
    _beat(app)
    answer = app.test_client().get("/metrics")
    assert answer.status_code == 200
    assert f'waybill_waiting{{profile="{profile_id}"}} 1.0' in answer.text
    assert "waybill_tick_age_seconds" in answer.text
    assert "canary" not in answer.text.lower()


def test_an_alert_is_a_number_until_it_is_cleared(app: Flask) -> None:
    with app.app_context():
        profile_id = add_profile(db.engine)
    name = f'waybill_alert_hours{{profile="{profile_id}"}}'
    assert f"{name} 0.0" in app.test_client().get("/metrics").text
    _do(app, "INSERT INTO alerts SELECT :n, now(), 6, now()", n=profile_id)
    assert f"{name} 6.0" in app.test_client().get("/metrics").text
    _do(app, "DELETE FROM alerts")
    assert f"{name} 0.0" in app.test_client().get("/metrics").text


def test_the_numbers_without_a_database_are_503(make_app: Callable[..., Flask]) -> None:
    app = make_app(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert app.test_client().get("/metrics").status_code == 503


def test_the_intake_of_a_read_only_database_asks_to_try_again(app: Flask) -> None:
    key, text = ApiKey.issue("shop", [Scope.EVENTS_WRITE])
    with app.app_context():
        db.session.add(key)
        db.session.commit()
    _set(app, "default_transaction_read_only = on")
    with app.app_context():
        db.engine.dispose()
    for _ in range(2):  # the first call would write down when the key was used
        answer = app.test_client().post(
            "/api/v1/events", json=event_document(), headers={"Authorization": f"Bearer {text}"}
        )
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5"), answer.text
