"""The front door: how many proxies are believed, and under which names Waybill may be called."""

from __future__ import annotations

from flask import Flask, abort, request
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.sansio.utils import host_is_trusted

from config import Config

ASKED_BY_ADDRESS = frozenset({"health"})
"""Load balancers ask after our health by our address; the answers name nobody."""


def init_front(app: Flask, config: Config) -> None:
    """Believe exactly so many proxies, and refuse names that are not ours before anything else looks at a request."""
    if config.proxy_hops:
        # Of the last entries, which only our proxies can have written. Host comes as the browser sent it: a proxy that
        # writes X-Forwarded-Host is rare, and where none does the header is anybody's.
        hops = config.proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0)  # type: ignore[method-assign]  # Flask's own way
    if config.trusted_hosts:
        app.before_request(lambda: _refuse_foreign_host(config.trusted_hosts))


def _refuse_foreign_host(ours: tuple[str, ...]) -> None:
    if request.blueprint not in ASKED_BY_ADDRESS and not host_is_trusted(request.host.lower(), ours):
        abort(400, "This Waybill is not called by that name.")
