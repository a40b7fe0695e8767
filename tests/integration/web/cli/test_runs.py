"""Files on the command line."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import Result
from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy.orm import Session

from config import Config
from models.base import db
from models.profile import Profile
from models.run import Run
from tests.factories import unique
from tests.file_rows import add_file_profile, add_run, add_upload
from web import create_app

CONTENT = b"order,name\r\nB1,Jane\r\n"

Command = Callable[..., Result]


@pytest.fixture
def app(fresh_database_url: str, redis_url: str) -> Iterator[Flask]:
    environ = {"DATABASE_URL": fresh_database_url, "REDIS_URL": redis_url, "SECRET_KEY": "k" * 40}
    app = create_app(Config.from_env(environ | {"ENCRYPTION_KEYS": Fernet.generate_key().decode()}))
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    with app.app_context():
        engine = db.engine
    with Session(engine) as session:
        yield session


@pytest.fixture
def profile(session: Session) -> Profile:
    return add_file_profile(session, "ftp")


@pytest.fixture
def run(session: Session, profile: Profile) -> Run:
    return add_run(session, profile, content=CONTENT)


@pytest.fixture
def command(app: Flask) -> Command:
    def command(*arguments: str, code: int = 0) -> Result:
        result = app.test_cli_runner().invoke(args=list(arguments))
        assert result.exit_code == code, result.output
        return result

    return command


def test_runs_are_listed(command: Command, session: Session, profile: Profile, run: Run) -> None:
    add_upload(session, run, error="553 no")
    add_run(session, profile)
    lines = command("runs", "list", "--profile", profile.name.upper()).output.splitlines()
    assert lines[0].split("\t")[:3] == ["run", "file", "upload"]
    assert lines[1].split("\t")[1] == "planned"
    assert lines[2].split("\t")[:4] == [str(run.id), "written", "pending", profile.name]
    assert lines[3] == "\t553 no"
    assert len(command("runs", "list", "--profile", profile.name, "--state", "written").output.splitlines()) == 3


def test_a_file_is_downloaded_and_checked(command: Command, session: Session, run: Run, tmp_path: Path) -> None:
    target = tmp_path / "here.csv"
    told = command("runs", "download", str(run.id), "--to", str(target)).output
    assert target.read_bytes() == CONTENT
    assert hashlib.sha256(CONTENT).hexdigest() in told
    session.expire_all()
    assert run.downloaded_at is not None
    assert "is there already" in command("runs", "download", str(run.id), "--to", str(target), code=1).output
    assert command("runs", "download", str(run.id), "--to", "-").stdout_bytes == CONTENT


def test_a_file_that_is_not_there_is_said(command: Command, session: Session, profile: Profile) -> None:
    planned = add_run(session, profile)
    assert "not written yet" in command("runs", "download", str(planned.id), code=1).output
    for number in ("0", "999999999", "9" * 30):
        assert "no such run" in command("runs", "download", number, code=1).output


def test_files_are_sent_made_and_cancelled(command: Command, session: Session, run: Run) -> None:
    add_upload(session, run, state="delivered", finished_at=sa.func.now())
    assert "uploaded again" in command("runs", "send-again", str(run.id)).output
    assert "cancelled" in command("runs", "cancel", str(run.id), "--reason", "not needed").output
    assert "no rows" in command("runs", "make-again", str(run.id), code=1).output
    assert "final name" in command("runs", "give-back", str(run.id), code=1).output
    session.expire_all()
    assert [(one.state, one.created_by) for one in run.uploads] == [
        ("delivered", None),
        ("cancelled", "the command line"),
    ]


def test_run_now_says_the_runs(command: Command, session: Session, profile: Profile) -> None:
    told = command("profiles", "run", profile.name).output
    made = session.scalars(sa.select(Run).where(Run.profile_id == profile.id)).one()
    assert told == f"Runs {made.id} make their files.\n"


def test_a_paused_profile_says_so_and_goes_on(command: Command, session: Session, profile: Profile) -> None:
    profile.paused = True
    session.commit()
    assert "paused" in command("profiles", "run", profile.name, code=1).output
    command("profiles", "resume", profile.name)
    session.expire_all()
    assert not profile.paused


def test_a_csv_profile_has_no_server_to_test(command: Command, session: Session) -> None:
    name = unique("Csv")
    add_file_profile(session, name=name)
    assert command("profiles", "test", name).output.startswith("ok")
