"""What the intake asks of Postgres for a post, counted: from the key's check to the commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from config import Config
from models.account import ApiKey, Scope
from models.base import db
from tests.factories import add_profile, event_document, route, unique
from tests.integration.counts.budgets import budget
from tests.integration.counts.ledger import Bill, Ledger, cheapest
from tests.servers import app_environment
from web import create_app

Post = Callable[[int], None]


@pytest.fixture(scope="module")
def engine_and_post(ledger: Ledger) -> Iterator[tuple[sa.Engine, Post]]:
    """The web application, and a post of so many new events of which each is owed to one profile."""
    app = create_app(Config.from_env(app_environment(ledger.url)))
    key, text = ApiKey.issue(unique("key"), [Scope.EVENTS_WRITE])
    campaign = unique("campaign")
    with app.app_context():
        engine = db.engine
        with Session(engine) as session, session.begin():
            session.add(key)
        add_profile(engine, route(campaign=campaign))

    def post(count: int) -> None:
        events = [event_document(campaignId=campaign, customerId=unique("customer")) for _ in range(count)]
        answer = app.test_client().post("/api/v1/events", json=events, headers={"Authorization": f"Bearer {text}"})
        assert answer.json == {"accepted": count, "duplicates": 0, "errors": []}

    yield engine, post
    engine.dispose()


@pytest.mark.parametrize(
    ("row", "count"), [("a post of 500 events, 1 match", 500), ("a post of 50", 50), ("a post of one", 1)]
)
def test_a_post_keeps_its_budget(ledger: Ledger, engine_and_post: tuple[sa.Engine, Post], row: str, count: int):
    engine, post = engine_and_post
    post(count)  # the first one of a key notes when it was used

    def next_post() -> Bill:
        with ledger.counted(engine) as bill:
            post(count)
        return bill

    assert cheapest(next_post).keeps(budget(row), of=count)
