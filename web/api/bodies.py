"""Request bodies: one JSON or YAML document."""

from __future__ import annotations

from typing import Any

from flask import request

from web.api.errors import Refusal
from web.documents import Unreadable, read_json, read_yaml

YAML_TYPES = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"})


def read_body(*, takes_yaml: bool = False) -> Any:
    """Read the body as one document. Raises Refusal: 400 when it cannot be read, 415 when it is of another kind."""
    kind = request.mimetype
    if request.content_encoding and request.content_encoding != "identity":
        raise Refusal(415, "Send this body unpacked.")
    is_yaml = takes_yaml and kind in YAML_TYPES
    if not (is_yaml or not kind or kind == "application/json" or kind.endswith("+json")):
        raise Refusal(415, "Send application/json." if not takes_yaml else "Send application/json or application/yaml.")
    try:
        return (read_yaml if is_yaml else read_json)(request.get_data(cache=False))
    except Unreadable as error:
        raise Refusal(400, str(error)) from error


def read_object() -> dict[str, Any]:
    """Read the body as one JSON object. Raises Refusal."""
    document = read_body()
    if not isinstance(document, dict):
        raise Refusal(400, "The body must be a JSON object.")
    return document
