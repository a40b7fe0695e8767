"""The OpenAPI document and the page made from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from flask import Flask

from tests.integration.web.api.conftest import Program
from web.api.documents import build


def _refs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (inner for key, inner in value.items() if key == "$ref")
        for inner in value.values():
            yield from _refs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _refs(inner)


def test_every_route_stands_in_the_document(app: Flask, nobody: Program) -> None:
    document = nobody.get("/openapi.json").json
    assert document["openapi"] == "3.1.0"
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api"):
            path = re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)
            methods = {method.lower() for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
            assert methods <= set(document["paths"][path]), path


def test_every_call_is_described(app: Flask) -> None:
    document = build(app)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            assert operation["responses"], (method, path)


def test_every_reference_leads_somewhere(app: Flask) -> None:
    document = build(app)
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(_refs(document)) <= known


def test_the_page_needs_no_stranger(app: Flask) -> None:
    answer = app.test_client().get("/api/docs")
    assert answer.status_code == 200
    assert "/api/v1/profiles/{name}" in answer.text
    assert re.findall(r'(?:src|href)="(?:https?:)?//', answer.text) == []
    assert "<script" not in answer.text
