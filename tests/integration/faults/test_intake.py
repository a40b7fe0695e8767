"""The intake while its servers fail: a 2xx is kept whatever follows, and a producer that repeats is never counted twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis as client
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from config import Config
from dev.redis import Redis
from models import heartbeat
from models.account import ApiKey, Scope
from models.base import db
from tests.factories import event_document, unique
from tests.integration.worker.works import NO_REDIS, Works
from tests.receivers import Receiver
from tests.servers import app_environment
from web import create_app

Shop = Callable[..., Any]


@pytest.fixture
def shop(works: Works) -> Iterator[Callable[[str], tuple[Flask, Shop]]]:
    """Open the application of this installation with some Redis; gives it, and what sends events to it."""
    key, text = ApiKey.issue("shop", [Scope.EVENTS_WRITE])
    with Session(works.engine) as session, session.begin():
        session.add(key)
    made: list[Flask] = []

    def open_with(redis_url: str) -> tuple[Flask, Shop]:
        url = works.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        app = create_app(Config.from_env(app_environment(url, redis_url)))
        made.append(app)
        shop: FlaskClient = app.test_client()
        return app, lambda *documents: shop.post(
            "/api/v1/events", json=list(documents), headers={"Authorization": f"Bearer {text}"}
        )

    yield open_with
    for app in made:
        with app.app_context():
            db.engine.dispose()


def documents(count: int) -> list[dict[str, Any]]:
    return [event_document(unique("ev")) for _ in range(count)]


def test_without_redis_events_are_accepted_as_fast_and_delivered(
    works: Works, shop: Callable[[str], tuple[Flask, Shop]]
):
    _, send = shop(NO_REDIS)
    with Receiver() as receiver:
        works.profile(receiver.url())
        began = time.monotonic()
        for document in documents(5):
            answer = send(document)
            assert (answer.status_code, answer.json["accepted"]) == (200, 1)
        assert time.monotonic() - began < 5
        works.pump(works.is_done)
        assert len(receiver.seen) == 5


def test_a_redis_that_is_emptied_or_shot_between_two_events_costs_neither(
    works: Works, shop: Callable[[str], tuple[Flask, Shop]], own_redis: Redis
):
    url = own_redis.start()
    _, send = shop(url)
    with Receiver() as receiver:
        works.profile(receiver.url())
        assert send(*documents(1)).status_code == 200
        with client.Redis.from_url(url) as redis:
            redis.flushall()
        assert send(*documents(1)).status_code == 200
        own_redis.stop()
        assert send(*documents(1)).status_code == 200
        own_redis.start()
        assert send(*documents(1)).status_code == 200
        works.pump(works.is_done)
        assert len(receiver.seen) == 4


@pytest.mark.parametrize(("moment", "again"), [("before", "accepted"), ("after", "duplicates")])
def test_a_commit_that_is_cut_off_is_no_2xx_and_a_repeat_makes_it_good(
    works: Works, shop: Callable[[str], tuple[Flask, Shop]], moment: str, again: str
):
    """What the producer hears is: try again. Whether it was committed or not, it then stands once."""
    app, send = shop(NO_REDIS)
    works.profile()
    assert send(*documents(1)).status_code == 200  # the key's use is written down: the next commit is the events'
    batch = documents(3)
    with app.app_context():
        engine = db.engine
    with works.cut_off_once(moment, engine):
        answer = send(*batch)
    assert answer.status_code == 503
    assert len(works.rows("SELECT FROM events")) == (4 if moment == "after" else 1)
    told = send(*batch).json
    assert (told[again], told["errors"]) == (3, [])
    assert works.states() == {"pending": 4}


def test_readyz_says_what_is_away_and_that_it_is_back(
    works: Works, shop: Callable[[str], tuple[Flask, Shop]], own_redis: Redis
):
    app, _ = shop(own_redis.start())
    for name in ("tick", "deliver:a"):
        heartbeat.beat(works.engine, name)

    def ready() -> tuple[int, list[str]]:
        answer = app.test_client().get("/readyz")
        return answer.status_code, (answer.get_json() or {}).get("degraded", [])

    assert ready() == (200, [])
    own_redis.stop()
    assert ready() == (200, ["redis"])
    own_redis.start()
    assert ready() == (200, [])
    with works.closed_to_new_connections():
        assert ready()[0] == 503
    assert ready() == (200, [])
