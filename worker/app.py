"""What a job works with: settings, database, Redis, secrets, the address guard. Made after the fork, never before."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from redis import Redis

from config import Config
from exporters.guard import Guard
from exporters.transfer import guard_from
from models.base import engine_options
from models.sealed import Seal
from worker.queues import patient_redis


@dataclass(frozen=True, slots=True)
class Workplace:
    """One process's own connections. Sockets that cross a fork break TLS, so each work horse opens its own."""

    config: Config
    engine: sa.Engine
    redis: Redis
    seal: Seal
    guard: Guard


def open_workplace(config: Config, *, pool_size: int = 2) -> Workplace:
    """Open everything a job needs. Connects to nothing yet."""
    options = engine_options(pool_size=pool_size, asks=False, pooled=config.database_pooled)
    return Workplace(
        config=config,
        engine=sa.create_engine(config.database_url, **options),
        redis=patient_redis(config.redis_url),
        seal=Seal(config.encryption_keys),
        guard=guard_from(config.egress_allow),
    )
