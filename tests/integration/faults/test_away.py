"""While Redis, Postgres or both are away everybody is told the truth; and the first requests after a restart of Postgres."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from config import Config
from dev.postgres import Postgres
from dev.redis import Redis
from models import base, heartbeat
from models.account import ApiKey, Role, Scope
from models.base import db
from tests.factories import event_document, unique
from tests.integration.worker.rig import is_running, wait_until
from tests.integration.worker.works import NO_REDIS, Works
from tests.receivers import Receiver
from tests.servers import app_environment, migrate
from web import create_app
from web.login import create_user
from worker import jobs
from worker.horse import Horse

PASSWORD = "correct horse battery"
PAGES = ("/admin/", "/admin/profiles/", "/admin/deliveries/", "/admin/customers/")
CALLS = ("/api/v1/profiles", "/api/v1/deliveries")
SOON = 4.0
"""Seconds. Nobody waits longer for the truth."""


class House:
    """An application on servers of its own, with a person signed in and a program."""

    def __init__(self, folder: Path) -> None:
        self.postgres, self.redis = Postgres(folder / "postgres"), Redis(folder / "redis")
        url = self.postgres.start()
        migrate(url)
        self.app: Flask = create_app(Config.from_env(app_environment(url, self.redis.start())))
        key, text = ApiKey.issue("shop", list(Scope))
        with self.app.app_context():
            create_user("ada@example.com", Role.ADMIN, PASSWORD)
            db.session.add(key)
            db.session.commit()
        self._program = {"Authorization": f"Bearer {text}"}
        self.person: FlaskClient = self.app.test_client()
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.person.get("/login").text)
        assert found
        form = {"csrf_token": found[1], "email": "ada@example.com", "password": PASSWORD}
        assert self.person.post("/login", data=form).status_code == 302

    def call(self, path: str) -> TestResponse:
        return self.app.test_client().get(path, headers=self._program)

    def send(self, *documents: dict[str, Any]) -> TestResponse:
        return self.app.test_client().post("/api/v1/events", json=list(documents), headers=self._program)

    def ready(self) -> tuple[int, dict[str, Any]]:
        answer = self.app.test_client().get("/readyz")
        return answer.status_code, answer.get_json()

    def beat(self) -> None:
        with self.app.app_context():
            for name in ("tick", "deliver:here:1"):
                heartbeat.beat(db.engine, name)

    def break_off(self) -> None:
        """Stop Postgres as by `-m immediate`."""
        pid = self.postgres.pid
        assert pid
        os.kill(pid, signal.SIGQUIT)
        wait_until(lambda: not is_running(pid))

    def heal(self) -> None:
        self.postgres.start()
        self.redis.start()
        with self.app.app_context():
            db.engine.dispose()

    def close(self) -> None:
        with self.app.app_context():
            db.engine.dispose()
        self.redis.stop()
        self.postgres.stop()


@pytest.fixture(scope="module")
def whole_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("house"))
    yield made
    made.close()


@pytest.fixture
def house(whole_house: House) -> Iterator[House]:
    yield whole_house
    whole_house.heal()


def in_time(ask: Callable[..., TestResponse], *given: Any) -> TestResponse:
    """Ask; it must not hang, and must not show its insides."""
    began = time.monotonic()
    answer = ask(*given)
    assert time.monotonic() - began < SOON
    for inside in ("Traceback", "psycopg", "sqlalchemy", "127.0.0.1", 'File "'):
        assert inside not in answer.text
    return answer


@pytest.mark.parametrize("with_redis", [True, False])
def test_without_postgres_pages_and_calls_say_so_what_becomes_of_orders_and_what_to_do(house: House, with_redis: bool):
    house.break_off()
    if not with_redis:
        house.redis.stop()
    assert in_time(house.call, "/healthz").get_json() == {"status": "alive"}
    ready = in_time(house.call, "/readyz")
    assert (ready.status_code, ready.get_json()["reasons"]) == (503, ["the database cannot be written"])
    assert in_time(house.call, "/metrics").status_code == 503
    for path in PAGES:
        page = in_time(house.person.get, path)
        assert (page.status_code, page.mimetype, page.headers["Retry-After"]) == (503, "text/html", "5")
        assert "Nothing that was accepted is lost." in page.text
        assert "New orders are turned away meanwhile" in page.text
        assert "is Postgres up" in page.text
        assert ("nor does Redis" in page.text) is not with_redis
    answers = [in_time(house.call, path) for path in CALLS]
    for answer in (*answers, in_time(house.send, event_document())):
        assert (answer.status_code, answer.mimetype, answer.headers["Retry-After"]) == (503, "application/json", "5")
        assert answer.get_json()["error"].startswith("The database cannot be reached")
    house.heal()
    house.beat()
    assert house.ready()[0] == 200
    assert [house.person.get(path).status_code for path in PAGES] == [200] * len(PAGES)


def test_without_redis_all_is_served_and_home_says_that_the_bell_is_away(house: House):
    house.beat()
    house.redis.stop()
    assert house.ready() == (200, {"status": "ready", "degraded": ["redis"]})
    home = in_time(house.person.get, "/admin/")
    assert home.status_code == 200
    assert "Redis, the bell, cannot be reached. Nothing is lost: the workers at work go on without it" in home.text
    assert [in_time(house.call, path).status_code for path in CALLS] == [200, 200]
    assert in_time(house.send, event_document(unique("ev"))).status_code == 200
    house.redis.start()
    house.beat()
    assert "the bell" not in house.person.get("/admin/").text


def test_the_first_request_after_a_restart_of_postgres_is_at_worst_told_to_come_again(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    """A connection that was just used is not asked whether it lives: here none ever is, however long the restart takes."""
    monkeypatch.setattr(base, "QUIET_SECONDS", 3600.0)
    asks: tuple[Callable[[], TestResponse], ...] = (
        lambda: house.person.get("/admin/"),
        lambda: house.call("/api/v1/profiles"),
        lambda: house.send(event_document(unique("ev"))),
        lambda: house.call("/readyz"),
        lambda: house.call("/metrics"),
    )
    for ask in asks:
        house.beat()
        assert ask().status_code == 200
        house.break_off()
        house.postgres.start()
        first = in_time(ask)
        assert first.status_code in {200, 503}, first.text
        assert first.status_code == 200 or first.headers.get("Retry-After") == "5"
        wait_until(lambda ask=ask: ask().status_code == 200)  # type: ignore[misc]  # mypy cannot infer it


def test_without_redis_pumps_go_on_box_after_box_and_do_the_ticks_work(works: Works, monkeypatch: pytest.MonkeyPatch):
    """What came by plain SQL is found by a tick alone, and a tick comes through Redis."""
    monkeypatch.setattr(jobs, "BOX_SECONDS", 0.2)
    with Receiver() as receiver:
        works.profile(receiver.url())
        works.run(
            "INSERT INTO events (event_key, customer_type, order_snapshot) SELECT 'stray-' || n, 'new_sale',"
            " jsonb_build_object('clientOrderId', 'S-' || n, 'customerId', '1') FROM generate_series(1, 3) AS n"
        )
        ends = time.monotonic() + 20
        horse = Horse(
            Config.from_env(app_environment("postgresql://x/x", NO_REDIS)),
            "lonely",
            lambda: len(receiver.seen) >= 3 or time.monotonic() > ends,
        )
        jobs.pump_on(works.place, horse)
        assert len(receiver.seen) == 3
    assert works.states() == {"delivered": 3}
    assert works.rows("SELECT FROM heartbeats WHERE name = 'tick'")
