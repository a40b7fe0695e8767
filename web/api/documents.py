"""The OpenAPI document, made from the routes and what stands beside them, and a readable page made from that."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from types import UnionType
from typing import Any, get_args

from apispec import APISpec
from flask import Blueprint, Flask, Response, current_app, render_template
from pydantic.json_schema import models_json_schema
from werkzeug.routing import Rule

from exporters.registry import KINDS
from web.api import shapes
from web.api.answers import answer
from web.api.described import Description, Shapes, describe, description_of
from web.api.door import api, public, scope_of

docs = Blueprint("api_docs", __name__, url_prefix="/api")

TITLE = "Waybill"
INTRODUCTION = (
    "Producers send events; Waybill sends them on to the systems that wait for them. "
    "Lists are newest first; the next of a page is the after of the following one."
)
REFUSALS = {
    400: "The request cannot be read",
    401: "No good key",
    403: "The key lacks the scope",
    404: "There is no such thing",
    422: "Refused; the details name every place",
}
_PLACE = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")


@api.get("/openapi.json")
@public
@describe("Read this document.", answers={200: None})
def openapi() -> Response:
    """Give the OpenAPI document."""
    return answer(build(current_app))


@docs.get("/docs")
@describe("Read the manual of this API.", answers={200: None}, answer_type="text/html")
def page() -> str:
    """Draw the document for people."""
    document = build(current_app)
    return render_template("api_docs.html", document=document, operations=list(_operations(document)))


def build(app: Flask) -> dict[str, Any]:
    """Make the OpenAPI 3.1 document of all routes below /api."""
    spec = APISpec(TITLE, _version(), "3.1.0", info={"description": INTRODUCTION})
    spec.components.security_scheme("apiKey", {"type": "http", "scheme": "bearer", "description": "wb_..."})
    _schemas(spec)
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        if rule.rule.startswith("/api/"):
            spec.path(_PLACE.sub(r"{\1}", rule.rule), operations=dict(_methods(app, rule)))
    return spec.to_dict()


def _version() -> str:
    try:
        return version("waybill")
    except PackageNotFoundError:
        return "0.1.0"


def _schemas(spec: APISpec) -> None:
    models = [one for one in vars(shapes).values() if _is_shape(one)]
    settings = [exporter.Settings for exporter in KINDS]
    _, found = models_json_schema(
        [(one, "validation") for one in (*models, *settings)], ref_template="#/components/schemas/{model}"
    )
    for name, schema in found["$defs"].items():
        spec.components.schema(name, schema)


def _is_shape(one: object) -> bool:
    return isinstance(one, type) and issubclass(one, shapes.Shape) and one is not shapes.Shape


def _methods(app: Flask, rule: Rule) -> Iterator[tuple[str, dict[str, Any]]]:
    view = app.view_functions[rule.endpoint]
    said = description_of(view)
    scope = scope_of(view)
    for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
        operation: dict[str, Any] = {"operationId": f"{method.lower()}_{rule.endpoint.replace('.', '_')}"}
        operation["security"] = [{"apiKey": [str(scope)]}] if scope is not None else []
        if said is not None:
            operation |= _described(said, rule, is_open=scope is None)
        yield method.lower(), operation


def _described(said: Description, rule: Rule, *, is_open: bool) -> dict[str, Any]:
    operation: dict[str, Any] = {"summary": said.summary, "parameters": list(_parameters(said, rule))}
    if said.note:
        operation["description"] = said.note
    if said.body is not None:
        content = {kind: {"schema": _ref(said.body)} for kind in said.body_types}
        operation["requestBody"] = {"required": True, "content": content}
    operation["responses"] = _responses(said, is_open=is_open)
    return operation


def _parameters(said: Description, rule: Rule) -> Iterator[dict[str, Any]]:
    for name in _PLACE.findall(rule.rule):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
    if said.query is not None:
        for name, schema in said.query.model_json_schema()["properties"].items():
            yield {"name": name, "in": "query", "required": False, "schema": schema}


def _responses(said: Description, *, is_open: bool) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, shape in said.answers.items():
        responses[str(status)] = {"description": "Done" if status < 300 else "Refused"}
        if shape is not None:
            responses[str(status)]["content"] = {said.answer_type: {"schema": _ref(shape)}}
    for status, words in REFUSALS.items() if not is_open else ():
        content = {"application/json": {"schema": _ref(shapes.Error)}}
        responses[str(status)] = {"description": words, "content": content}
    return responses


def _ref(shape: Shapes) -> dict[str, Any]:
    if isinstance(shape, UnionType):
        return {"oneOf": [_ref(one) for one in get_args(shape)]}
    return {"$ref": f"#/components/schemas/{shape.__name__}"}


def _operations(document: dict[str, Any]) -> Iterable[tuple[str, str, dict[str, Any]]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield method.upper(), path, operation
