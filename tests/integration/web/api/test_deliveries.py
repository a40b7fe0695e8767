"""Deliveries with their attempts, replay, history and preview over the API."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from models import jobs
from models.base import utc_now
from models.delivery import Attempt, Delivery
from models.heartbeat import Installation
from models.profile import Profile
from tests.factories import accept_events, event_document, unique
from tests.integration.web.api.conftest import Program
from web.api import shapes
from web.installed import seal
from worker.plan import Plan


@pytest.fixture
def owed(pia: Program, document: dict[str, Any], engine: sa.Engine) -> dict[str, Any]:
    """A profile with one delivery that is due at once: its document with customerId and eventId."""
    document |= {
        "intervalMinutes": 0,
        "delayMinutes": 0,
        "routes": [{"customerType": "Partial", "campaign": unique("c")}],
    }
    pia.save(document)
    event = event_document(
        unique("ev"), "Partial", customerId=unique("cust"), campaignId=document["routes"][0]["campaign"]
    )
    accept_events(engine, event)
    return {**document, "customerId": event["order"]["customerId"], "event": event, "eventId": event["eventId"]}


def _only(pia: Program, query: str) -> Any:
    (item,) = pia.get(f"/deliveries?{query}").json["items"]
    return item


def _tried(session: Session, delivery_id: int, **columns: Any) -> None:
    """Write an attempt down as the pump does, and what became of the delivery."""
    outcome = columns.get("outcome", "failed")
    done = {"state": "delivered", "finished_at": sa.func.now()} if outcome == "delivered" else {}
    given = {
        "started_at": utc_now(),
        "delivery_id": delivery_id,
        "lease_token": 1,
        "number": 1,
        "duration_ms": 41,
        "method": "GET",
        "url": "http://127.0.0.1:9/?a=b",
        "request_headers": [["webhook-id", "x"]],
        "response_headers": [["A", "b"]],
        "response_body": "no",
        "outcome": outcome,
    }
    session.add(Attempt(**given | columns))
    session.execute(sa.update(Delivery).where(Delivery.id == delivery_id).values(tries=Delivery.tries + 1, **done))
    session.commit()


def test_a_delivery_has_the_shape_of_the_contract(pia: Program, owed: dict[str, Any], session: Session) -> None:
    item = _only(pia, f"eventId={owed['eventId']}")
    assert item == {
        "id": item["id"],
        "profile": owed["name"],
        "eventId": owed["eventId"],
        "customerId": owed["customerId"],
        "customerType": "Partial",
        "state": "pending",
        "reason": None,
        "dueAt": item["dueAt"],
        "webhookId": f"wb_{session.scalar(sa.select(Installation.key))}_{item['id']}",
        "attemptCount": 0,
        "attempts": [],
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", item["dueAt"])


def test_the_webhook_id_is_the_one_that_is_sent(
    app: Flask, pia: Program, owed: dict[str, Any], session: Session
) -> None:
    item = _only(pia, f"eventId={owed['eventId']}")
    profile = session.scalars(sa.select(Profile).where(Profile.name == owed["name"])).one()
    installation = session.scalars(sa.select(Installation.key)).one()
    with app.app_context():
        plan = Plan.of(profile, seal=seal(), account_time_zone="UTC", installation=installation)
    assert plan.key_of(item["id"]) == item["webhookId"]


def test_attempts_stand_in_their_order(pia: Program, owed: dict[str, Any], session: Session) -> None:
    delivery_id = _only(pia, f"eventId={owed['eventId']}")["id"]
    _tried(session, delivery_id, number=1, status=503, error="503 Service Unavailable")
    _tried(session, delivery_id, number=2, lease_token=2, status=200, outcome="delivered")
    item = _only(pia, f"eventId={owed['eventId']}")
    shapes.Delivery.model_validate(item)
    assert (item["state"], item["attemptCount"]) == ("delivered", 2)
    assert [(one["number"], one["status"], one["outcome"]) for one in item["attempts"]] == [
        (1, 503, "failed"),
        (2, 200, "delivered"),
    ]
    assert item["attempts"][0]["requestHeaders"] == [["webhook-id", "x"]]
    assert item["attempts"][0]["startedAt"].endswith("Z")


@pytest.mark.parametrize(("change", "reason"), [({"paused": True}, "paused"), ({"enabled": False}, "disabled")])
def test_behind_a_closed_gate_an_open_delivery_is_held(
    pia: Program, owed: dict[str, Any], change: dict[str, Any], reason: str
) -> None:
    document = {key: owed[key] for key in owed if key not in {"customerId", "event", "eventId"}}
    pia.save({**document, **change})
    item = _only(pia, f"profile={owed['name']}&state=held")
    assert (item["state"], item["reason"]) == ("held", reason)
    assert pia.get(f"/deliveries?profile={owed['name']}&state=pending").json["items"] == []


def test_filters_narrow_the_list(pia: Program, owed: dict[str, Any]) -> None:
    for query in (
        f"profile={owed['name'].lower()}",
        f"customerId={owed['customerId']}",
        f"eventId={owed['eventId']}",
        f"profile={owed['name']}&state=pending&customerId={owed['customerId']}&eventId={owed['eventId']}",
    ):
        assert _only(pia, query)["eventId"] == owed["eventId"]
    for query in ("profile=nobody", "customerId=nobody", "eventId=nothing", f"eventId={owed['eventId']}&state=skipped"):
        assert pia.get(f"/deliveries?{query}").json == {"items": [], "next": None}


def test_filters_that_cannot_be_are_400(pia: Program) -> None:
    for query in ("state=gone", "customerld=1", "eventId=%00", "eventId=%F0"):
        assert pia.get(f"/deliveries?{query}").status_code in {200, 400}
    assert pia.get("/deliveries?state=gone").status_code == 400
    assert pia.get("/deliveries?customerld=1").status_code == 400
    assert pia.get("/deliveries?eventId=%00").status_code == 400


def test_pages_follow_each_other(pia: Program, owed: dict[str, Any], engine: sa.Engine) -> None:
    for _ in range(4):
        accept_events(engine, event_document(None, "Partial", campaignId=owed["routes"][0]["campaign"]))
    seen: list[int] = []
    after = ""
    while True:
        page = pia.get(f"/deliveries?profile={owed['name']}&limit=2{after}").json
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert len(seen) == 5
    assert seen == sorted(seen, reverse=True)


def test_replay_counts_then_does_it(pia: Program, owed: dict[str, Any], session: Session, engine: sa.Engine) -> None:
    delivery_id = _only(pia, f"eventId={owed['eventId']}")["id"]
    _tried(session, delivery_id, status=200, outcome="delivered")
    filters = {"profile": owed["name"], "state": "delivered", "from": (utc_now() - timedelta(hours=1)).isoformat()}
    dry = pia.post("/deliveries/replay", {**filters, "dryRun": True})
    assert (dry.status_code, dry.json) == (202, {"job": None, "matched": 1})
    answer = pia.post("/deliveries/replay", filters)
    assert (answer.status_code, answer.json["matched"]) == (202, 1)
    job = pia.get(f"/jobs/{answer.json['job']}")
    assert job.json == {"state": "waiting", "done": 0, "total": 1, "error": None}
    while jobs.run_one_batch(engine):
        pass
    assert pia.get(f"/jobs/{answer.json['job']}").json == {"state": "done", "done": 1, "total": 1, "error": None}
    assert _only(pia, f"eventId={owed['eventId']}")["state"] == "pending"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"colour": 1}, "colour"),
        ({"state": "gone"}, "state"),
        ({"profile": 5}, "profile"),
        ({"customerId": [1]}, "customerId"),
        ({"eventId": "\x00"}, "eventId"),
        ({"from": "yesterday"}, "from"),
        ({"to": 5}, "to"),
        ({"from": "9999-12-31T23:59:59-23:59"}, "from"),
        ({"dryRun": "yes"}, "dryRun"),
        ({"perSecond": 0}, "perSecond"),
        ({"perSecond": "5"}, "perSecond"),
        ({"perSecond": True}, "perSecond"),
        ({"perSecond": 10_001}, "perSecond"),
    ],
)
def test_a_replay_that_cannot_be_is_refused(pia: Program, body: dict[str, Any], path: str) -> None:
    answer = pia.post("/deliveries/replay", body)
    assert answer.status_code == 422, answer.text
    assert [detail["path"] for detail in answer.json["details"]] == [path]


def test_a_replay_is_paused_goes_on_and_is_stopped(pia: Program, owed: dict[str, Any]) -> None:
    started = pia.post("/deliveries/replay", {"profile": owed["name"], "perSecond": 0.5}).json["job"]
    assert pia.post(f"/jobs/{started}/pause").json["state"] == "paused"
    assert pia.post(f"/jobs/{started}/pause").status_code == 409
    assert pia.post(f"/jobs/{started}/resume").json["state"] == "running"
    assert pia.post(f"/jobs/{started}/stop").json["state"] == "stopped"
    assert pia.post(f"/jobs/{started}/resume").status_code == 409
    assert pia.post(f"/jobs/{started}/explode").status_code == 404
    assert pia.post("/jobs/99999999/stop").status_code == 404


class TestHistory:
    """The lines are those of the history page."""

    def _lines(self, pia: Program, owed: dict[str, Any]) -> list[dict[str, Any]]:
        answer = pia.get(f"/customers/{owed['customerId']}/history")
        assert answer.status_code == 200, answer.text
        shapes.History.model_validate(answer.json)
        return list(answer.json["items"])

    def _begin(self, owed: dict[str, Any], session: Session) -> tuple[str, str]:
        profile_id = session.scalar(sa.select(Profile.id).where(Profile.name == owed["name"]))
        return f"Order {owed['event']['order']['clientOrderId']} (Partial)", f'to "{owed["name"]}" ({profile_id})'

    def test_delivered(self, pia: Program, owed: dict[str, Any], session: Session) -> None:
        delivery_id = _only(pia, f"eventId={owed['eventId']}")["id"]
        _tried(session, delivery_id, status=200, outcome="delivered")
        export, event = self._lines(pia, owed)
        order, target = self._begin(owed, session)
        assert export["message"] == f"{order} exported {target}: 200 OK. View"
        assert (export["kind"], export["result"], export["deliveryId"], export["runId"]) == (
            "export",
            "delivered",
            delivery_id,
            None,
        )
        assert (event["kind"], event["result"], event["profile"]) == ("event", "accepted", None)

    def test_failed(self, pia: Program, owed: dict[str, Any], session: Session) -> None:
        delivery_id = _only(pia, f"eventId={owed['eventId']}")["id"]
        _tried(session, delivery_id, status=404, error="404 Not Found")
        order, target = self._begin(owed, session)
        pattern = rf"{re.escape(f'{order} not exported {target}: 404 Not Found. Try 1, next ')}\d\d:\d\d:\d\d\. View"
        assert re.fullmatch(pattern, self._lines(pia, owed)[0]["message"])

    def test_skipped(self, pia: Program, owed: dict[str, Any], session: Session, engine: sa.Engine) -> None:
        order = {"customerId": owed["customerId"], "campaignId": owed["routes"][0]["campaign"], "clientOrderId": "T1"}
        accept_events(engine, event_document(None, "Partial", testCard=True, **order))
        _, target = self._begin(owed, session)
        messages = [line["message"] for line in self._lines(pia, owed)]
        assert f"Order T1 (Partial) not exported {target}: skipped: test card" in messages

    def test_pages_hold_every_entry_once(self, pia: Program, owed: dict[str, Any], engine: sa.Engine) -> None:
        order = {"customerId": owed["customerId"], "campaignId": owed["routes"][0]["campaign"]}
        accept_events(engine, *(event_document(None, "Partial", **order) for _ in range(3)))
        whole = self._lines(pia, owed)
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            page = pia.get(f"/customers/{owed['customerId']}/history?limit=3{after}").json
            found += page["items"]
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        assert found == whole
        assert len(found) == 8
        assert [line["at"] for line in found] == sorted((line["at"] for line in found), reverse=True)

    def test_a_customer_that_is_not_there_is_404(self, pia: Program) -> None:
        for name in ("nobody", "%00", "a b", "<img src=x>"):
            assert pia.get(f"/customers/{name}/history").status_code == 404

    def test_a_bad_place_is_400(self, pia: Program, owed: dict[str, Any]) -> None:
        for after in ("x", "1-3-3", "9" * 18 + "-1-1"):
            assert pia.get(f"/customers/{owed['customerId']}/history?after={after}").status_code == 400


class TestPreview:
    """Preview writes what would be sent, and sends nothing."""

    def test_of_a_document(self, pia: Program, owed: dict[str, Any]) -> None:
        event = event_document(None, "Partial", firstName="Zoë", lastName="Søn", orderTotal="49.950")
        made = pia.post(f"/profiles/{owed['name']}/preview", event)
        assert made.status_code == 200, made.text
        assert made.json == {
            "request": {
                "method": "GET",
                "url": "http://127.0.0.1:9/partials.php?first_name=Zo%C3%AB&list_id=400&name=ZO%C3%8B%20S%C3%98N",
                "headers": [["webhook-id", "preview_0"]],
                "body": None,
            }
        }
        assert pia.get(f"/deliveries?eventId={event['eventId']}").json["items"] == []

    def test_of_a_stored_event(self, pia: Program, owed: dict[str, Any]) -> None:
        made = pia.post(f"/profiles/{owed['name']}/preview", {"eventId": owed["eventId"]})
        assert "first_name=Jane" in made.json["request"]["url"]

    def test_of_an_event_that_is_not_there(self, pia: Program, owed: dict[str, Any]) -> None:
        for key in ("nothing", 5, None, "\x00", ["x"]):
            assert pia.post(f"/profiles/{owed['name']}/preview", {"eventId": key}).status_code == 404

    def test_of_a_test_order_works(self, pia: Program, owed: dict[str, Any]) -> None:
        event = event_document(None, "Partial", testCard=True)
        assert pia.post(f"/profiles/{owed['name']}/preview", event).status_code == 200

    @pytest.mark.parametrize(
        "event",
        [
            {},
            {"eventId": "x", "customerType": "Nope", "order": {}},
            {"eventId": "x", "customerType": "Lead", "order": {"note": "4111111111111111"}},
            {"eventId": "x", "customerType": "Partial", "order": {}},
            {"eventId": "x", "customerType": "Lead", "order": {"a": "\ud800"}},
        ],
    )
    def test_of_a_bad_event_is_422(self, pia: Program, owed: dict[str, Any], event: dict[str, Any]) -> None:
        answer = pia.post(f"/profiles/{owed['name']}/preview", event)
        assert answer.status_code == 422, answer.text
        assert answer.json["details"][0]["path"] is not None
        assert "4111" not in answer.text

    @pytest.mark.parametrize("body", [b"", b"[]", b"[{},{}]", b"5", b"nope", b"\xff"])
    def test_of_no_event_is_400(self, pia: Program, owed: dict[str, Any], body: bytes) -> None:
        path = f"/profiles/{owed['name']}/preview"
        assert pia.call("POST", path, data=body, content_type="application/json").status_code == 400

    def test_of_no_profile_is_404(self, pia: Program) -> None:
        assert pia.post("/profiles/nobody/preview", {"eventId": "x"}).status_code == 404
