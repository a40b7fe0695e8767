"""The first admin and the first key, on a fresh database of their own."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from config import Config
from dev.first_start import EMAIL, prepare
from models.account import ApiKey, Role, Scope, User
from models.base import db
from tests.servers import app_environment
from web import create_app
from web.login import create_user, set_password


@pytest.fixture
def app(fresh_database_url: str) -> Iterator[Flask]:
    app = create_app(Config.from_env(app_environment(fresh_database_url)))
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def login_file(tmp_path: Path) -> Path:
    return tmp_path / "first_login.json"


def _keys(text: str) -> list[ApiKey]:
    return [key for key in db.session.scalars(sa.select(ApiKey)) if key.opens_with(text, datetime.now(UTC))]


def test_the_first_start_makes_an_admin_and_a_key_that_may_do_everything(app: Flask, login_file: Path) -> None:
    made = prepare(login_file)
    assert made["email"] == EMAIL
    assert len(made["password"]) >= 16
    assert db.session.scalars(sa.select(User.role)).all() == [Role.ADMIN]
    assert [set(key.scopes) for key in _keys(made["api_key"])] == [{str(scope) for scope in Scope}]
    assert login_file.stat().st_mode & 0o777 == 0o600


def test_the_next_start_changes_nothing(app: Flask, login_file: Path) -> None:
    assert prepare(login_file) == prepare(login_file)
    assert db.session.scalar(sa.select(sa.func.count()).select_from(ApiKey)) == 1


def test_a_changed_password_is_no_longer_told(app: Flask, login_file: Path) -> None:
    made = prepare(login_file)
    set_password(db.session.scalars(sa.select(User)).one(), "another good password")
    db.session.commit()
    assert prepare(login_file) == {**made, "password": None}


def test_a_revoked_key_is_replaced(app: Flask, login_file: Path) -> None:
    old = prepare(login_file)["api_key"]
    db.session.scalars(sa.select(ApiKey)).one().revoked_at = datetime.now(UTC)
    db.session.commit()
    new = prepare(login_file)["api_key"]
    assert (len(_keys(old)), len(_keys(new))) == (0, 1)


def test_killed_between_file_and_commit_the_next_start_makes_what_the_file_says(app: Flask, login_file: Path) -> None:
    login_file.write_text(json.dumps({"email": EMAIL, "password": "from the file 123", "api_key": "wb_0_lost"}))
    made = prepare(login_file)
    assert made["password"] == "from the file 123"
    assert len(_keys(made["api_key"])) == 1


def test_an_installation_with_an_admin_keeps_its_own(app: Flask, login_file: Path) -> None:
    create_user("olga@example.com", Role.ADMIN, "her own password")
    db.session.commit()
    made = prepare(login_file)
    assert (made["email"], made["password"]) == ("olga@example.com", None)
    assert len(_keys(made["api_key"])) == 1
