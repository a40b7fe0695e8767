"""Schemathesis makes calls out of the API's own description: none breaks, and each refusal is of the one shape."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.core.transport import Response

from models.account import Scope
from models.base import db
from tests.integration.web.api.conftest import issue

CALLS_EACH = 20
CALM = settings(
    max_examples=CALLS_EACH,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")


@pytest.fixture(scope="module")
def key(app: Flask) -> str:
    with app.app_context():
        return issue(db.engine, *Scope)


def _operations(app: Flask) -> list[Any]:
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)
    return [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_call_breaks_and_each_refusal_is_of_one_shape(app: Flask, key: str, mode: GenerationMode) -> None:
    seen: set[int] = set()
    for operation in _operations(app):
        if mode is GenerationMode.NEGATIVE and not _can_be_wrong(operation):
            continue

        @CALM
        @given(case=operation.as_strategy(generation_mode=mode))
        def calls(case: Any) -> None:
            answer = case.call(headers={"Authorization": f"Bearer {key}"})
            seen.add(answer.status_code)
            _judge(answer, case.operation.label)

        calls()
    assert {400, 404, 422} <= seen
    assert mode is GenerationMode.NEGATIVE or 200 in seen


def _can_be_wrong(operation: Any) -> bool:
    return bool(operation.body or operation.query or operation.path_parameters)


def _judge(answer: Response, call: str) -> None:
    assert answer.status_code < 500, (call, answer.status_code, answer.text)
    if answer.status_code >= 400:
        told = answer.json()
        assert set(told) - {"details"} == {"error"}, (call, told)
        assert isinstance(told["error"], str), (call, told)
        for detail in told.get("details", []):
            assert {name: type(value) for name, value in detail.items()} == {"path": str, "message": str}, (call, told)
