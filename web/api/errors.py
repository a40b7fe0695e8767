"""Every refusal of the API in one shape: {"error": one sentence, "details": [{"path", "message"}]}."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import psycopg
from flask import Flask, Response, request
from flask.typing import ResponseReturnValue
from psycopg.errors import ReadOnlySqlTransaction
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from models.base import db
from models.rules.mapping import Fault
from web import broken
from web.api.answers import answer

log = logging.getLogger(__name__)

AREA = "/api/"

SENTENCES = {
    400: "The request cannot be read.",
    404: "There is nothing at this address.",
    405: "This address does not know this method.",
    413: "The body is too large.",
    415: "This kind of body is not understood.",
}


class Refusal(Exception):
    """An API call is refused. sentence and faults are for the caller; nothing secret stands in them."""

    def __init__(self, status: int, sentence: str, faults: Iterable[Fault] = ()) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.faults = tuple(faults)


def init_errors(app: Flask) -> None:
    """Answer in JSON below /api/. What breaks elsewhere is told on a page, refusals there are left as they are."""
    app.register_error_handler(Refusal, _refused)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _broken)


def refusal(status: int, sentence: str, faults: Iterable[Fault] = ()) -> Response:
    """Write a refusal."""
    details = [{"path": fault.path, "message": fault.message} for fault in faults]
    return answer({"error": sentence, "details": details}, status)


def _refused(error: Refusal) -> Response:
    db.session.rollback()
    response = refusal(error.status, error.sentence, error.faults)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="Waybill"'
    if error.status == 503:
        response.headers["Retry-After"] = "5"
    return response


def _http(error: HTTPException) -> ResponseReturnValue:
    if not request.path.startswith(AREA):
        return error
    status = error.code or 500
    given = error.get_response()
    if status < 400:  # a redirect to the right address is no refusal
        return given
    response = refusal(status, SENTENCES.get(status, f"{error.name}."))
    for name in ("Allow", "Retry-After"):
        if name in given.headers:
            response.headers[name] = given.headers[name]
    return response


def _broken(error: Exception) -> ResponseReturnValue:
    if not request.path.startswith(AREA):
        return broken.page(error, is_away=is_database_away(error))
    if is_database_away(error):
        log.warning("api.database_away", extra={"error": type(error).__name__})
        return _refused(Refusal(503, "The database cannot be reached at this moment; try again."))
    return _refused(Refusal(500, f"Something broke here; it was logged as {broken.note(error)}."))


def is_database_away(error: Exception) -> bool:
    """Say whether this is the database's absence, and not a fault of ours or the caller's.

    One that may only be read is away, too: a failover is under way, or a host has shut a full disk.
    """
    if isinstance(error, DBAPIError) and (
        error.connection_invalidated or isinstance(error.orig, ReadOnlySqlTransaction)
    ):
        return True
    return isinstance(
        error, OperationalError | InterfaceError | PoolTimeout | psycopg.OperationalError | ReadOnlySqlTransaction
    )
