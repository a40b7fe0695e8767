"""`POST /api/v1/events`: the intake. A 2xx means that everything it counts as accepted has been committed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, request
from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy.exc import OperationalError

from models.account import Scope
from models.base import db, utc_now
from models.intake import BATCH, Accepted, accept
from models.rules.bodies import MOST_BODY_BYTES, UnreadableBody, read_body, unpack
from web import installed
from web.api import shapes
from web.api.answers import answer
from web.api.described import describe
from web.api.door import api, require
from web.api.errors import Refusal

LINES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"})
TRIES = 4
"""A profile being switched on holds the routing lock for milliseconds; a batch that met it is tried again."""


@api.post("/events")
@require(Scope.EVENTS_WRITE)
@describe(
    "Send events.",
    body=shapes.Event,
    answers={200: shapes.Accepted},
    note="One event document, an array of them, or NDJSON, gzip-encoded or not. Good events are taken, bad ones told.",
    body_types=("application/json", "application/x-ndjson"),
)
def post_events() -> Response:
    """Take one event, an array, or NDJSON, also gzip-encoded; 1,000 events a transaction, in order."""
    request.max_content_length = MOST_BODY_BYTES
    documents = _documents()
    zone, taken = ZoneInfo(installed.config().account_time_zone), Accepted()
    for first in range(0, len(documents), BATCH):
        taken.add(_accept(documents[first : first + BATCH], first, zone))
        if taken.due:
            installed.ring()
    errors = [{"index": one.index, "field": one.field, "message": one.message} for one in taken.errors]
    return answer({"accepted": taken.accepted, "duplicates": taken.duplicates, "errors": errors})


def _documents() -> list[Any]:
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in {"", "identity", "gzip", "x-gzip"}:
        raise Refusal(415, "Send the body as it is, or gzip-encoded.")
    raw = request.get_data(cache=False)
    try:
        body = unpack(raw) if "gzip" in encoding else raw
        return read_body(body, lines=request.mimetype in LINES)
    except UnreadableBody as error:
        raise Refusal(400, f"{str(error)[0].upper()}{str(error)[1:]}.") from error


def _accept(documents: Sequence[Any], first: int, zone: ZoneInfo) -> Accepted:
    """Take one batch; again when it only met a lock."""
    for tries_left in reversed(range(TRIES)):
        try:
            with db.engine.begin() as connection:
                return accept(
                    connection,
                    documents,
                    now=utc_now(),
                    zone=zone,
                    card_exempt=installed.config().card_scan_exempt,
                    first_index=first,
                )
        except OperationalError as error:
            if not tries_left or not isinstance(error.orig, LockNotAvailable | DeadlockDetected):
                raise
            time.sleep(0.05)
    raise AssertionError("the last try returns or raises")
