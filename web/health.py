"""Is it alive, is it ready, how does it do: for load balancers, `make run` and Prometheus."""

from __future__ import annotations

from flask import Blueprint, Flask, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from redis import Redis
from sqlalchemy.exc import SQLAlchemyError

from config import Config
from models.base import db
from web import installed
from web.api.answers import answer
from web.metrics import Metrics
from web.readiness import Readiness
from worker.queues import hasty_redis

health = Blueprint("health", __name__)


def init_health(app: Flask) -> None:
    """Mount /healthz, /readyz and /metrics; they are open to all and name nobody."""
    config: Config = installed.config_of(app)
    redis: Redis = hasty_redis(config.redis_url)
    app.extensions["waybill-readiness"] = Readiness(redis, config.encryption_keys)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Metrics(lambda: db.engine))
    app.extensions["waybill-metrics"] = registry
    app.register_blueprint(health)


@health.get("/healthz")
def healthz() -> Response:
    """Say that the process answers."""
    return answer({"status": "alive"})


@health.get("/readyz")
def readyz() -> Response:
    """Say whether events can be taken: 503 if not; what else is wrong stands in `degraded`."""
    refusals, degraded = look()
    if refusals:
        refusal = answer({"status": "not ready", "reasons": refusals}, 503)
        refusal.headers["Retry-After"] = "5"
        return refusal
    return answer({"status": "ready", "degraded": degraded} if degraded else {"status": "ready"})


def look() -> tuple[list[str], list[str]]:
    """Give why no event can be taken, and what else is wrong."""
    readiness: Readiness = installed.extension("waybill-readiness")
    return readiness.look(db.engine)


@health.get("/metrics")
def metrics() -> Response:
    """Give the numbers, counted at this moment."""
    try:
        body = generate_latest(installed.extension("waybill-metrics"))
    except SQLAlchemyError:
        return Response("# the database cannot be asked\n", 503, {"Retry-After": "5"}, content_type=CONTENT_TYPE_LATEST)
    return Response(body, content_type=CONTENT_TYPE_LATEST)
