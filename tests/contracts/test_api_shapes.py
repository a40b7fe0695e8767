"""The documents of the contract, word for word: other people's scripts rely on these keys."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from exporters.postback_settings import PostbackSettings
from models import tables
from models.base import Base
from web.api import shapes
from web.api.queries import MOST_LIMIT, STATES, USUAL_LIMIT
from web.profiles.head import KEYS
from web.profiles.settings import keys_of
from web.runs import RUN_STATES, UPLOAD_STATES

DELIVERY = {
    "id": 12,
    "profile": "Call centre partials",
    "eventId": "..",
    "customerId": "77",
    "customerType": "New Sale",
    "state": "delivered",
    "reason": None,
    "dueAt": "..Z",
    "webhookId": "..",
    "attemptCount": 2,
    "attempts": [
        {
            "number": 1,
            "startedAt": "..Z",
            "durationMs": 41,
            "method": "GET",
            "url": "..",
            "requestHeaders": [["..", ".."]],
            "requestBody": None,
            "status": 503,
            "responseHeaders": [["..", ".."]],
            "responseBody": "..",
            "error": None,
            "outcome": "failed",
            "late": False,
        }
    ],
}
RUN = {
    "id": 3,
    "profile": "..",
    "route": "Partial / Lander / all",
    "period": "2026-11-23",
    "fileName": "..",
    "state": "written",
    "uploadState": "delivered",
    "rows": 120,
    "bytes": 9120,
    "sha256": "..",
    "error": None,
}
HISTORY = {
    "at": "..Z",
    "kind": "export",
    "customerType": "Partial",
    "profile": "..",
    "result": "delivered",
    "message": "one readable line",
    "deliveryId": 12,
    "runId": None,
}
EVENT = {
    "eventId": "producer's own key",
    "customerType": "New Sale",
    "occurredAt": "2026-11-23T10:00:00-05:00",
    "testCard": False,
    "order": {"clientOrderId": "B94140F702", "orderId": 9, "orderTotal": "49.95", "items": [{"productId": 4}]},
}
PROFILE = {
    "name": "Call centre partials",
    "exportType": "postback",
    "enabled": True,
    "intervalMinutes": 15,
    "delayMinutes": 5,
    "settings": {"url": "https://postingmydata.com/partials.php"},
    "mappings": [
        {"exportName": "first_name", "field": "firstName"},
        {"exportName": "name", "template": "{firstName} {lastName}", "modifiers": ["trim", "upper"]},
    ],
    "routes": [{"customerType": "Partial", "campaign": 1, "product": "all"}],
}


@pytest.mark.parametrize(
    ("shape", "document"),
    [
        (shapes.Delivery, DELIVERY),
        (shapes.HistoryLine, HISTORY),
        (shapes.Event, EVENT),
        (shapes.Profile, PROFILE),
        (shapes.Job, {"state": "done", "done": 1, "total": 1, "error": None}),
        (shapes.Replaying, {"job": "1", "matched": 1}),
        (shapes.Due, {"due": 1}),
        (shapes.Preview, {"request": {"method": "GET", "url": "..", "headers": [["n", "v"]], "body": None}}),
        (shapes.Accepted, {"accepted": 1, "duplicates": 0, "errors": [{"index": 0, "field": "x", "message": "y"}]}),
        (shapes.Error, {"error": "..", "details": [{"path": "mappings[2].field", "message": ".."}]}),
        (shapes.Deliveries, {"items": [DELIVERY], "next": None}),
        (shapes.Runs, {"items": [RUN], "next": None}),
        (shapes.MadeRuns, {"runs": [3]}),
    ],
)
def test_the_document_of_the_contract_has_this_shape(shape: type[BaseModel], document: dict[str, Any]) -> None:
    shape.model_validate(document)


@pytest.mark.parametrize(
    ("shape", "document"),
    [
        (shapes.Run, RUN),
        (shapes.Delivery, DELIVERY),
        (shapes.Attempt, DELIVERY["attempts"][0]),  # type: ignore[index]  # a list
        (shapes.HistoryLine, HISTORY),
    ],
)
def test_no_key_is_missing_and_none_is_new(shape: type[BaseModel], document: dict[str, Any]) -> None:
    assert {field.alias for field in shape.model_fields.values()} == set(document)


def test_a_profile_has_these_keys() -> None:
    assert [field.alias for field in shapes.Profile.model_fields.values()] == list(KEYS)
    assert set(KEYS) == {
        "name", "exportType", "enabled", "paused", "intervalMinutes", "delayMinutes", "timeZone",
        "skipCompletedPartials", "pciDocument", "settings", "mappings", "routes",
    }  # fmt: skip


def test_the_settings_of_a_postback_have_these_keys_and_defaults() -> None:
    defaults = PostbackSettings.model_validate({"url": "http://example.com"}).model_dump(by_alias=True)
    assert set(keys_of(PostbackSettings)) == set(defaults)
    assert defaults == {
        "url": "http://example.com/",
        "timeoutSeconds": 30,
        "maxInFlight": 32,
        "ratePerSecond": None,
        "successBody": None,
        "retryFirstSeconds": 15,
        "retryCapSeconds": 3600,
        "signingSecret": None,
        "idempotencyKey": False,
        "caCertificate": None,
    }


@pytest.mark.parametrize(
    ("table", "states"),
    [
        ("deliveries", STATES),
        ("runs", RUN_STATES),
        ("uploads", UPLOAD_STATES),
        ("deliveries", get_args(shapes.State)),
        ("runs", get_args(shapes.RunState)),
        ("uploads", get_args(shapes.UploadState)),
    ],
)
def test_the_states_are_those_that_are_stored(table: str, states: tuple[str, ...]) -> None:
    assert tables.ALL
    (check,) = (one for one in Base.metadata.tables[table].constraints if str(one.name).endswith("state_known"))
    assert set(re.findall("'([a-z]+)'", str(getattr(check, "sqltext", "")))) == set(states)


def test_a_page_is_so_long() -> None:
    assert (USUAL_LIMIT, MOST_LIMIT) == (100, 1_000)
