"""JSON answers: exact decimals, times in UTC with a Z, and never a failure on odd text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from flask import Response

_JSON = msgspec.json.Encoder(decimal_format="number")


def answer(value: Any, status: int = 200) -> Response:
    """Write a JSON answer."""
    try:
        body = _JSON.encode(value)
    except UnicodeEncodeError:  # half of a character, quoted from what the caller sent
        body = _JSON.encode(_whole(value))
    return Response(body, status, mimetype="application/json", headers={"Cache-Control": "no-store"})


def utc(moment: datetime | None) -> str | None:
    """Write a time as in the contract: 2026-11-23T15:00:00.123456Z."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_whole(key): _whole(inner) for key, inner in value.items()}
    return [_whole(inner) for inner in value] if isinstance(value, list | tuple) else value
