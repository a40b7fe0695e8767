"""What it costs to live: memory, file handles and connections of all of its processes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import psutil
import redis as client

from chaos.house import LINES, House


@dataclass(frozen=True, slots=True)
class Use:
    """A look at one moment. memory in MiB; shared pages are counted once."""

    processes: int
    memory: float
    handles: int
    to_postgres: int
    to_redis: int

    def __str__(self) -> str:
        return (
            f"{self.memory:.0f} MiB, {self.handles} file handles, {self.to_postgres} connections to Postgres and"
            f" {self.to_redis} to Redis, in {self.processes} processes"
        )


def look(house: House) -> Use:
    """Take a look."""
    count, memory, handles = 0, 0, 0
    for process in [one for line in LINES for one in house.tree(line)]:
        with suppress(psutil.Error):
            memory += process.memory_full_info().pss
            handles += process.num_fds()
            count += 1
    with house.connect() as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        ).fetchone()
    with client.Redis.from_url(house.redis_url) as redis:
        to_redis = len(redis.client_list()) - 1
    return Use(count, memory / 2**20, handles, row[0] if row else 0, to_redis)
