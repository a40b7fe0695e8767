"""What the running application was started with: settings, seal, address guard, doorbell. Needs an application context."""

from __future__ import annotations

from typing import Any

from flask import Flask, current_app

from config import Config
from exporters.guard import Guard
from exporters.transfer import guard_from
from models.sealed import Seal
from worker.queues import Doorbell, files_bell, hasty_redis


def config() -> Config:
    """Give the settings `create_app` was called with."""
    return config_of(current_app)


def config_of(app: Flask) -> Config:
    """Give an application's settings, also where none is current yet."""
    given: Config = app.config["WAYBILL"]
    return given


def extension(name: str) -> Any:
    """Give what `create_app` has put down under this name."""
    return current_app.extensions[name]


def seal() -> Seal:
    """Give the seal of stored secrets."""
    return Seal(config().encryption_keys)


def guard() -> Guard:
    """Give the judge of addresses that may be dialled."""
    return guard_from(config().egress_allow)


def ring() -> None:
    """Wake the pumps, after the commit. Never raises."""
    bell: Doorbell = extension("waybill-bell")
    bell.ring()


def ring_files() -> None:
    """Wake the worker that makes and uploads files, after the commit. Never raises."""
    bell: Doorbell = extension("waybill-files-bell")
    bell.ring()


def init_installed(app: Flask, given: Config) -> None:
    """Keep the settings and the doorbell where the functions here find them."""
    app.config["WAYBILL"] = given
    redis = hasty_redis(given.redis_url)
    app.extensions["waybill-bell"] = Doorbell(redis, workers=given.worker_processes)
    app.extensions["waybill-files-bell"] = files_bell(redis)
