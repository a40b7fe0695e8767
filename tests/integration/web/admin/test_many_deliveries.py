"""Put aside, released, and done to many: the ticked ones at once, all that match as a job."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from models import jobs
from models.audit import AuditLine
from models.base import db
from models.delivery import Attempt, Delivery
from models.routing import release_held
from tests.factories import accept_events, add_profile, event_document
from tests.file_rows import forget_everything

from .conftest import Browser


@pytest.fixture
def three(app: Flask) -> list[int]:
    """Three deliveries that wait; the first was refused with 503 once."""
    with app.app_context():
        forget_everything(db.session())
        engine = db.engine
    profile = add_profile(engine)
    accept_events(engine, *(event_document(customerId=f"c{number}", clientOrderId=f"B{number}") for number in range(3)))
    with Session(engine) as session, session.begin():
        ids = list(session.scalars(sa.select(Delivery.id).where(Delivery.profile_id == profile).order_by(Delivery.id)))
        attempt = {"lease_token": 1, "number": 1, "status": 503, "outcome": "failed"}
        session.add(Attempt(started_at=datetime.now(UTC), delivery_id=ids[0], profile_id=profile, **attempt))
        session.execute(sa.update(Delivery).where(Delivery.id == ids[0]).values(failures=1, tries=1))
    return ids


def states(app: Flask, ids: Sequence[int]) -> list[tuple[str, str | None]]:
    with app.app_context():
        rows = db.session.execute(
            sa.select(Delivery.state, Delivery.reason).where(Delivery.id.in_(ids)).order_by(Delivery.id)
        )
        return [(row.state, row.reason) for row in rows]


def lines(app: Flask, target: str) -> list[tuple[str, str | None]]:
    with app.app_context():
        query = sa.select(AuditLine.act, AuditLine.note).where(AuditLine.target == target).order_by(AuditLine.id.desc())
        return [(row.act, row.note) for row in db.session.execute(query)]


def test_a_delivery_is_put_aside_with_a_reason_and_released(olga: Browser, app: Flask, three: list[int]) -> None:
    path = f"/admin/deliveries/{three[0]}"
    olga.get(path)
    olga.post(f"{path}/hold", {"reason": " "})
    assert "Say why" in olga.get(path)
    olga.post(f"{path}/hold", {"reason": "asks for a refund"})
    assert states(app, three[:1]) == [("held", "put aside by olga@example.com: asks for a refund")]
    assert "Release" in olga.get(path)
    olga.post(f"{path}/hold", {"reason": "twice"})
    assert "Not put aside" in olga.get(path)
    olga.post(f"{path}/release")
    assert states(app, three[:1]) == [("pending", None)]
    olga.post(f"{path}/release")
    assert "nobody has put it aside" in olga.get(path)
    assert lines(app, f"delivery {three[0]}")[:2] == [("released", None), ("put aside", "asks for a refund")]


def test_what_is_put_aside_stays_when_its_profile_is_resumed(olga: Browser, app: Flask, three: list[int]) -> None:
    olga.get("/admin/deliveries/")
    olga.post(f"/admin/deliveries/{three[0]}/hold", {"reason": "wait"})
    with app.app_context():
        profile = db.session.get_one(Delivery, three[0]).profile_id
        db.session.execute(sa.update(Delivery).where(Delivery.id == three[1]).values(state="held", reason="a fault"))
        release_held(db.session(), profile)
        db.session.commit()
    assert [state for state, _ in states(app, three)] == ["held", "pending", "pending"]
    olga.post(f"/admin/deliveries/{three[0]}/again")
    with app.app_context():
        assert not db.session.get_one(Delivery, three[0]).aside


def test_what_is_on_its_way_is_not_put_aside(olga: Browser, app: Flask, three: list[int]) -> None:
    with app.app_context():
        leased = {"state": "leased", "lease_token": 5, "lease_until": sa.func.now()}
        db.session.execute(sa.update(Delivery).where(Delivery.id == three[0]).values(**leased))
        db.session.commit()
    olga.get("/admin/deliveries/")
    olga.post(f"/admin/deliveries/{three[0]}/hold", {"reason": "wait"})
    assert states(app, three[:1]) == [("leased", None)]


def test_the_ticked_ones_are_put_aside_released_and_cancelled(olga: Browser, app: Flask, three: list[int]) -> None:
    assert f'name="id" value="{three[0]}" form="many"' in olga.get("/admin/deliveries/")
    ticked = [str(number) for number in three[:2]]

    def many(**form: str) -> None:
        answer = olga.client.post(
            "/admin/deliveries/many?state=pending", data={"csrf_token": olga.token, "id": ticked, **form}
        )
        assert answer.headers["Location"] == "/admin/deliveries/?state=pending"

    many(deed="hold", reason="wait")
    assert [state for state, _ in states(app, three)] == ["held", "held", "pending"]
    many(deed="release")
    assert [state for state, _ in states(app, three)] == ["pending"] * 3
    many(deed="cancel")
    assert "Say why" in olga.get("/admin/deliveries/")
    many(deed="cancel", reason="not needed")
    assert states(app, three)[1:] == [("cancelled", "cancelled by olga@example.com: not needed"), ("pending", None)]
    assert lines(app, f"delivery {three[1]}")[0] == ("cancelled", "not needed")
    many(deed="cancel", reason="again")
    assert "done to 0. 2 stay as they are" in olga.get("/admin/deliveries/")


@pytest.mark.parametrize(
    "form",
    [{}, {"deed": "burn", "id": "1"}, {"deed": "release", "id": "x"}, {"deed": "hold", "id": "1", "reason": "\x00"}],
)
def test_what_cannot_be_done_to_many_is_told(olga: Browser, form: dict[str, str]) -> None:
    olga.get("/admin/")
    assert olga.post("/admin/deliveries/many", form).status_code == 302
    page = olga.get("/admin/deliveries/")
    assert "Tick deliveries" in page or "Say why" in page


def test_a_viewer_ticks_nothing(vera: Browser, three: list[int]) -> None:
    page = vera.get("/admin/deliveries/")
    assert f"/admin/deliveries/{three[0]}" in page
    assert 'type="checkbox"' not in page
    assert vera.post("/admin/deliveries/many", {"deed": "release", "id": str(three[0])}).status_code == 403


@pytest.mark.parametrize(
    ("filters", "taken"),
    [
        ({}, {0, 1, 2}),
        ({"order": "B1"}, {1}),
        ({"status": "503"}, {0}),
        ({"status": "404"}, set()),
        ({"state": "failing"}, {0}),
        ({"state": "pending", "customer": "c2"}, {2}),
    ],
)
def test_all_that_match_are_counted_then_put_aside_as_a_job(
    olga: Browser, app: Flask, three: list[int], filters: dict[str, str], taken: set[int]
) -> None:
    form = {"deed": "hold", "reason": "wrong list", **filters}
    olga.get("/admin/replays/new")
    page = olga.post("/admin/replays/new", form).text
    if not taken:
        assert "No delivery matches" in page
        return
    seen = f"hold {len(taken)}"
    assert f'value="{seen}"' in page
    assert [state for state, _ in states(app, three)] == ["pending"] * 3
    job = olga.post("/admin/replays/new", form | {"seen": seen}).headers["Location"]
    with app.app_context():
        while jobs.run_one_batch(db.engine):
            pass
    held = {place for place, (state, _) in enumerate(states(app, three)) if state == "held"}
    assert held == taken
    page = olga.get(job)
    assert f"{len(taken)} of {len(taken)} are done" in page
    assert "Put aside: " in page
    assert "because: wrong list" in page
    assert lines(app, f"job {job.rpartition('/')[2]}")[0][0] == "put aside"


def test_a_count_seen_for_one_deed_starts_no_other(olga: Browser, three: list[int]) -> None:
    olga.get("/admin/replays/new")
    answer = olga.post("/admin/replays/new", {"deed": "cancel", "reason": "x", "seen": "send again 3"})
    assert answer.status_code == 200
    assert 'value="cancel 3"' in answer.text


def test_the_filters_of_the_list_come_along(olga: Browser, three: list[int]) -> None:
    page = olga.get("/admin/deliveries/?state=failing&order=B0&status=503")
    assert "/admin/replays/new?state=failing&amp;order=B0&amp;status=503" in page
