"""The HTTP API for programs: one resource, one file."""

from __future__ import annotations

from flask import Flask

from web.api import (
    customers,
    deliveries,
    delivery_acts,
    documents,
    events,
    jobs,
    preview,
    profiles,
    replay,
    run_acts,
    runs,
    trials,
)
from web.api.door import api
from web.api.errors import init_errors
from web.login import csrf

RESOURCES = (
    customers,
    deliveries,
    delivery_acts,
    documents,
    events,
    jobs,
    preview,
    profiles,
    replay,
    run_acts,
    runs,
    trials,
)


def init_api(app: Flask) -> None:
    """Mount /api/v1. It takes bearer keys and never cookies, so it needs no CSRF token."""
    csrf.exempt(api)
    app.register_blueprint(api)
    app.register_blueprint(documents.docs)
    init_errors(app)
