"""The page of what broke: one sentence and an id, found again in the log. No trace, and nothing that needs the database."""

from __future__ import annotations

import logging
import secrets

from flask import current_app, request
from flask.typing import ResponseReturnValue

from web import installed
from web.readiness import Readiness

log = logging.getLogger(__name__)


def note(error: Exception) -> str:
    """Log what broke and give its id."""
    error_id = secrets.token_hex(6)
    log.error("web.broke", extra={"error_id": error_id, "endpoint": request.endpoint}, exc_info=error)
    return error_id


def page(error: Exception, *, is_away: bool) -> ResponseReturnValue:
    """Answer for a page. is_away: the database cannot be reached, which is no fault of ours."""
    if current_app.testing:  # a test wants to see what broke
        raise error
    if is_away:
        log.warning("web.database_away", extra={"error": type(error).__name__, "endpoint": request.endpoint})
        readiness: Readiness = installed.extension("waybill-readiness")
        return _written(None, has_redis=readiness.has_redis()), 503, {"Retry-After": "5"}
    return _written(note(error)), 500


def _written(error_id: str | None, *, has_redis: bool = True) -> str:
    """Without Flask's render_template: it asks who is signed in, and so the database."""
    return current_app.jinja_env.get_template("broken.html").render(error_id=error_id, has_redis=has_redis)
