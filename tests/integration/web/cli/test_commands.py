"""The command line, run in the test's own process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import Result
from cryptography.fernet import Fernet
from flask import Flask
from werkzeug.serving import make_server

from config import Config
from models import jobs
from models.account import ApiKey, Role, User
from models.base import db
from models.event import Event
from models.heartbeat import Heartbeat
from tests.factories import accept_events, add_profile, deliveries, event_document, route, unique
from web import create_app
from web.login import verify

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()

Run = Callable[..., Result]


@contextmanager
def _app(database_url: str, redis_url: str, keys: str = OLD) -> Iterator[Flask]:
    environ = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "SECRET_KEY": "k" * 40, "ENCRYPTION_KEYS": keys}
    app = create_app(Config.from_env(environ | {"EGRESS_ALLOW": "127.0.0.1/32"}))
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def app(fresh_database_url: str, redis_url: str) -> Iterator[Flask]:
    with _app(fresh_database_url, redis_url) as app:
        yield app


@pytest.fixture
def engine(app: Flask) -> sa.Engine:
    with app.app_context():
        return db.engine


@pytest.fixture
def run(app: Flask) -> Run:
    def run(*arguments: str, code: int = 0, text: str | None = None) -> Result:
        result = app.test_cli_runner().invoke(args=list(arguments), input=text)
        assert result.exit_code == code, result.output
        return result

    return run


def _file(tmp_path: Path, name: str, *lines: Any) -> str:
    path = tmp_path / name
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines), "utf-8")
    return str(path)


def _keys(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(sa.select(Event.event_key).order_by(Event.id)))


def test_release_migrates_and_forgets_signs_of_life(run: Run, engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.insert(Heartbeat).values(name="tick"))
    run("release")
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(Heartbeat)) == 0


class TestPeople:
    def test_a_person_gets_a_password_once(self, run: Run, app: Flask) -> None:
        password = run("user", "create", "ada@example.com", "--role", "admin").output.split()[-1]
        with app.app_context():
            ada = db.session.scalars(sa.select(User)).one()
            assert (ada.role, verify(ada, password)) == (Role.ADMIN, True)

    def test_a_password_may_come_over_standard_input(self, run: Run, app: Flask) -> None:
        shown = run("user", "create", "ada@example.com", "--password-stdin", text="correct horse battery\n").output
        assert "correct horse" not in shown
        with app.app_context():
            assert verify(db.session.scalars(sa.select(User)).one(), "correct horse battery")

    def test_what_is_no_account_is_refused(self, run: Run) -> None:
        run("user", "create", "nobody", code=1)
        run("user", "create", "a@example.com", "--password-stdin", text="short\n", code=1)
        run("user", "create", "a@example.com", "--role", "king", code=2)
        run("user", "create", "a@example.com")
        run("user", "create", "A@example.com", code=1)

    def test_a_key_opens_the_api(self, run: Run, app: Flask) -> None:
        key = run("api-key", "create", "shop").output.strip()
        answer = app.test_client().get("/api/v1/profiles", headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 200

    def test_a_key_with_one_scope(self, run: Run, app: Flask) -> None:
        run("api-key", "create", "shop", "--scope", "events:write")
        run("api-key", "create", "shop", code=1)
        run("api-key", "create", " ", code=1)
        run("api-key", "create", "other", "--scope", "everything", code=2)
        with app.app_context():
            assert db.session.scalars(sa.select(ApiKey)).one().scopes == ["events:write"]


class TestEvents:
    def test_lines_are_imported_once(self, run: Run, tmp_path: Path, engine: sa.Engine) -> None:
        file = _file(tmp_path, "a.ndjson", event_document("a"), "", event_document("b"))
        assert "2 accepted, 0 duplicates, 0 refused." in run("events", "import", file).output
        assert "0 accepted, 2 duplicates, 0 refused." in run("events", "import", file).output
        assert _keys(engine) == ["a", "b"]

    def test_faults_are_told_by_line(self, run: Run, tmp_path: Path, engine: sa.Engine) -> None:
        bad = event_document("c", note="4111 1111 1111 1111")
        file = _file(tmp_path, "a.ndjson", event_document("a"), "", "{", bad, event_document("d", "Nope"))
        output = run("events", "import", file, code=1).output
        assert "line 3: " in output
        assert "line 4: order.note: " in output
        assert "line 5: customerType: " in output
        assert "4111" not in output
        assert _keys(engine) == ["a"]

    def test_without_export_they_are_history(self, run: Run, tmp_path: Path, engine: sa.Engine) -> None:
        add_profile(engine)
        run("events", "import", _file(tmp_path, "a.ndjson", event_document("a")), "--no-export")
        assert (_keys(engine), deliveries(engine)) == (["a"], [])

    def test_many_go_in_several_transactions(self, run: Run, tmp_path: Path, engine: sa.Engine) -> None:
        file = _file(tmp_path, "a.ndjson", *(event_document(f"e{number}") for number in range(1_003)), "{")
        output = run("events", "import", file, code=1).output
        assert "line 1004: " in output
        assert len(_keys(engine)) == 1_003

    def test_csv(self, run: Run, tmp_path: Path, engine: sa.Engine) -> None:
        file = _file(
            tmp_path,
            "a.csv",
            "eventId,customerType,clientOrderId,firstName,orderTotal,product1_id,product1_name,custom:x,testCard",
            'a,New Sale,A1,Zoë,49.90,4,"Wid,\nget",blue,',
            "b,Lead,,Jane,,,,,yes",
            "c,Partial,,,,,,,",
            "d,Partial,D1",
        )
        output = run("events", "import", file, code=1).output
        assert "line 5: order.clientOrderId" in output
        assert "line 6: has 3 cells" in output
        with engine.connect() as connection:
            first, second = connection.execute(sa.select(Event.order_snapshot, Event.test_card).order_by(Event.id))
        assert first.order_snapshot == {
            "clientOrderId": "A1",
            "firstName": "Zoë",
            "orderTotal": "49.90",
            "items": [{"productId": "4", "name": "Wid,\nget"}],
            "customFields": {"x": "blue"},
        }
        assert second.test_card

    @pytest.mark.parametrize(
        "lines", [[], ["name,order"], ["eventId,customerType,eventId"], ["eventId,customerType", '"open']]
    )
    def test_csv_that_cannot_be_read(self, run: Run, tmp_path: Path, lines: list[str]) -> None:
        run("events", "import", _file(tmp_path, "a.csv", *lines), code=1)

    def test_csv_of_another_encoding(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_bytes(b"eventId,customerType,firstName\na,Lead,Zo\xeb\n")
        assert "Line 2 is not UTF-8" in run("events", "import", str(tmp_path / "a.csv"), code=1).output

    def test_no_such_file(self, run: Run) -> None:
        run("events", "import", "/nowhere", code=2)

    def test_into_another_waybill(self, run: Run, app: Flask, tmp_path: Path, engine: sa.Engine) -> None:
        key = run("api-key", "create", "far").output.strip()
        file = _file(tmp_path, "a.ndjson", event_document("a", orderTotal=1.10), "{", event_document("b", "Nope"))
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/"
            output = run("events", "import", file, "--to", url, "--api-key", key, code=1).output
            assert "line 2: " in output
            assert "line 3: customerType" in output
            assert "1 accepted, 0 duplicates, 2 refused." in output
            assert "401" in run("events", "import", file, "--to", url, "--api-key", "wb_x_y", code=1).output
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
        assert _keys(engine) == ["a"]

    def test_another_waybill_needs_a_key(self, run: Run, tmp_path: Path) -> None:
        file = _file(tmp_path, "a.ndjson", event_document("a"))
        run("events", "import", file, "--to", "http://127.0.0.1:1", code=2)
        run("events", "import", file, "--to", "http://127.0.0.1:1", "--api-key", "k", "--no-export", code=2)
        run("events", "import", file, "--to", "ftp://x", "--api-key", "k", code=1)


def _document(**changes: Any) -> dict[str, Any]:
    settings = {"url": "http://127.0.0.1:9/"}
    return {"name": unique("Calls"), "exportType": "postback", "settings": settings, **changes}


class TestProfiles:
    def test_exported_and_imported_they_stay_the_same(self, run: Run) -> None:
        documents = [_document(mappings=[{"exportName": "a", "static": "0400"}]), _document(enabled=False)]
        assert run("profiles", "import", "-", text=json.dumps(documents)).output.count("created") == 2
        for kind in ("yaml", "json"):
            exported = run("profiles", "export", "--format", kind).output
            assert run("profiles", "import", "-", text=exported).output.count("changed") == 2
            assert run("profiles", "export", "--format", kind).output == exported

    def test_one_by_its_name(self, run: Run, tmp_path: Path) -> None:
        document = _document()
        run("profiles", "import", _file(tmp_path, "p.yaml", json.dumps(document)))
        assert document["name"] in run("profiles", "export", document["name"].upper()).output
        run("profiles", "export", "nobody", code=1)

    def test_faults_are_told_with_their_places_and_the_others_are_stored(self, run: Run) -> None:
        bad, good = _document(timeZone="x", routes=[{}]), _document()
        output = run("profiles", "import", "-", text=json.dumps([bad, good, 5]), code=1).output
        assert f"{bad['name']}: timeZone: " in output
        assert f"{bad['name']}: routes[0].customerType: " in output
        assert f"{good['name']}: created" in output
        assert "profile 3: " in output

    def test_what_cannot_be_read_is_told(self, run: Run) -> None:
        run("profiles", "import", "-", text="{", code=1)
        run("profiles", "import", "-", text="a: [", code=1)
        run("profiles", "import", "/nowhere", code=1)

    def test_run_makes_all_due(self, run: Run, engine: sa.Engine) -> None:
        add_profile(engine, route("lead"), name="Calls", interval_minutes=600)
        accept_events(engine, event_document(customer_type="Lead"))
        assert "1 deliveries are due." in run("profiles", "run", "calls").output
        run("profiles", "run", "nobody", code=1)


class TestReplay:
    def test_a_dry_run_counts(self, run: Run, engine: sa.Engine) -> None:
        add_profile(engine, name="Calls")
        accept_events(engine, event_document("a"), event_document("b"))
        assert "2 deliveries match." in run("deliveries", "replay", "--dry-run").output
        assert "1 deliveries match." in run("deliveries", "replay", "--event-id", "a", "--dry-run").output
        run("deliveries", "replay", "--state", "gone", code=2)
        run("deliveries", "replay", "--from", "yesterday", code=1)

    def test_it_waits_until_all_are_due(self, run: Run, engine: sa.Engine) -> None:
        add_profile(engine, name="Calls", delay_minutes=600)
        accept_events(engine, event_document("a"))

        def work() -> None:
            while not jobs.run_one_batch(engine):
                pass

        worker = Thread(target=work)
        worker.start()
        try:
            assert "1 deliveries are due again." in run("deliveries", "replay", "--profile", "calls").output
        finally:
            worker.join()


class TestOneDelivery:
    def test_it_is_put_aside_released_cancelled_and_sent_again(self, run: Run, engine: sa.Engine) -> None:
        add_profile(engine, name="Calls")
        accept_events(engine, event_document("a"))
        number = str(deliveries(engine)[0].id)
        steps = (
            (("hold", number, "--reason", "wait"), "Put aside", "held"),
            (("release", number), "Released", "pending"),
            (("cancel", number, "--reason", "no"), "Cancelled", "cancelled"),
            (("send-again", number), "Due now", "pending"),
        )
        for words, said, state in steps:
            assert said in run("deliveries", *words).output
            assert deliveries(engine)[0].state == state
        assert "nobody has put it aside" in run("deliveries", "release", number, code=1).output
        assert "no such delivery" in run("deliveries", "release", "999999", code=1).output
        assert "Give a reason" in run("deliveries", "hold", number, "--reason", " ", code=1).output


class TestRotate:
    def test_with_the_new_key_first_the_old_one_can_go(
        self, run: Run, app: Flask, fresh_database_url: str, redis_url: str
    ) -> None:
        document = _document(mappings=[{"exportName": "token", "static": "canary"}])
        document["settings"]["signingSecret"] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
        run("profiles", "import", "-", text=json.dumps(document))
        again = json.dumps({**document, "settings": {"url": "http://127.0.0.1:9/"}, "mappings": [
            {"exportName": "token", "secret": True}]})  # fmt: skip
        with _app(fresh_database_url, redis_url, f"{NEW},{OLD}") as both:
            assert "2 secrets are sealed" in both.test_cli_runner().invoke(args=["secrets", "rotate"]).output
        with _app(fresh_database_url, redis_url, NEW) as alone:
            imported = alone.test_cli_runner().invoke(args=["profiles", "import", "-"], input=again)
            assert "changed" in imported.output

    def test_what_cannot_be_opened_is_told(self, run: Run, engine: sa.Engine) -> None:
        add_profile(engine, name="Lost", mappings=[{"export_name": "token", "sealed": "x", "secret": True}])
        assert "Lost: mapping token" in run("secrets", "rotate", code=1).output
