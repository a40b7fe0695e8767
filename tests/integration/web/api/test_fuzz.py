"""Whatever comes in, the API never breaks: no answer is a 500."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.account import Scope
from tests.integration.web.api.conftest import Program, issue

CALM = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(st.characters(codec=None), max_size=20),
    st.sampled_from(["\x00", "\ud800", "all", "0" * 20, "{firstName", "header:", "Partial", "-1", "1e999", "🦄" * 60]),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
GOOD: dict[str, Any] = {
    "name": "Fuzzed",
    "exportType": "postback",
    "timeZone": "Europe/Berlin",
    "pciDocument": {"reference": "AOC", "validUntil": "2030-01-01"},
    "settings": {
        "url": "http://127.0.0.1:9/x?y=1",
        "ratePerSecond": 1.5,
        "successBody": {"jsonPath": "a[0].b", "equals": 1},
        "signingSecret": None,
    },
    "mappings": [
        {"exportName": "a", "field": "firstName", "modifiers": ["trim", "cut:3"], "type": "text", "whenEmpty": "omit"},
        {"exportName": "header:X-A", "static": "b", "secret": True},
        {"exportName": "c", "template": "{firstName} {custom:x}"},
    ],
    "routes": [{"customerType": "Partial", "campaign": 1, "product": "all"}],
}


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*path, key)
        yield from _places(item, (*path, key))


def _changed(path: tuple[Any, ...], value: Any) -> Any:
    document: Any = copy.deepcopy(GOOD)
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return document


@pytest.fixture
def fuzzer(app: Flask, engine: sa.Engine) -> Program:
    return Program(app, issue(engine, *Scope))


def _put(fuzzer: Program, document: Any) -> int:
    answer = fuzzer.call("PUT", "/profiles/Fuzzed", data=json.dumps(document), content_type="application/json")
    assert answer.status_code in {200, 201, 400, 422}, answer.text
    assert fuzzer.get("/profiles").status_code == 200
    return answer.status_code


def test_the_good_document_is_good(fuzzer: Program) -> None:
    assert _put(fuzzer, GOOD) in {200, 201}


@CALM
@given(path=st.sampled_from(list(_places(GOOD))), value=ANYTHING)
def test_one_thing_wrong_is_refused_and_never_breaks(fuzzer: Program, path: tuple[Any, ...], value: Any) -> None:
    _put(fuzzer, _changed(path, value))


@CALM
@given(document=ANYTHING)
def test_any_document_is_refused_and_never_breaks(fuzzer: Program, document: Any) -> None:
    _put(fuzzer, document)


@CALM
@given(body=st.binary(max_size=200), kind=st.sampled_from(["application/json", "application/yaml", "text/yaml", ""]))
def test_any_bytes_are_refused_and_never_break(fuzzer: Program, body: bytes, kind: str) -> None:
    assert fuzzer.call("PUT", "/profiles/Fuzzed", data=body, content_type=kind).status_code in {400, 415, 422}


@CALM
@given(
    body=st.dictionaries(
        st.sampled_from(["profile", "state", "customerId", "eventId", "from", "to", "dryRun"]), SCALARS
    )
)
def test_any_replay_is_counted_or_refused(fuzzer: Program, body: dict[str, Any]) -> None:
    data = json.dumps({**body, "dryRun": True})
    answer = fuzzer.call("POST", "/deliveries/replay", data=data, content_type="application/json")
    assert answer.status_code in {202, 400, 422}, answer.text


@CALM
@given(text=st.text(max_size=30))
def test_any_filter_is_taken_or_refused(fuzzer: Program, text: str) -> None:
    for name in ("profile", "state", "customerId", "eventId", "limit", "after"):
        assert fuzzer.get("/deliveries", query_string={name: text}).status_code in {200, 400}


@CALM
@given(
    order=st.dictionaries(st.text(max_size=8) | st.sampled_from(["firstName", "items", "custom"]), ANYTHING, max_size=5)
)
def test_any_order_is_previewed_or_refused(fuzzer: Program, order: dict[str, Any]) -> None:
    _put(fuzzer, GOOD)
    data = json.dumps({"eventId": "x", "customerType": "Lead", "order": order})
    answer = fuzzer.call("POST", "/profiles/Fuzzed/preview", data=data, content_type="application/json")
    assert answer.status_code in {200, 400, 422}, answer.text
