"""What a thousand deliveries cost: processor time by who takes it, bytes of Postgres and of Redis."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa
from redis import Redis

from bench.api import Api
from bench.events import batches, profile
from bench.rows import Row
from bench.stage import Stage

COUNT = 30_000


def rows(stage: Stage, api: Api) -> list[Row]:
    """Accept, send and record events of one match each, in batches of 500; nothing else happens."""
    routes = [{"customerType": "New Sale", "campaign": "all", "product": "all"}]
    api.put(profile("cost", f"{stage.receiver}/in", routes))
    worker = stage.start_worker(2)
    stage.forget_received()
    for body in batches(1_000, 500, "cost-warm"):
        api.post_events(body)
    stage.rate_of(1_000)
    stage.forget_received()
    count = stage.sized(COUNT)
    with stage.engine.connect() as connection:
        postmaster = _parent(int(connection.scalar(sa.text("SELECT pg_backend_pid()")) or 0))
    roots = {"web": stage.web_process.pid, "workers": worker.pid, "Postgres": postmaster}
    before = _state(stage, roots)
    for body in batches(count, 500, "cost"):
        api.post_events(body)
    stage.rate_of(count)
    stage.end(worker)  # which records what it knows
    after = {**_state(stage, roots), "workers": _cpu_of_children() - before["own children"]}
    api.delete("cost")
    each = {name: (after[name] - before[name]) * 1000 / count for name in before if name != "own children"}
    return [
        Row(
            "cost of 1,000 deliveries: accepted in batches of 500, sent, every attempt stored",
            ", ".join(f"{name} {each[name]:.3f} s" for name in roots) + " of processor time",
            note=f"Postgres grows by {each['bytes'] / 1e3:,.0f} kB and writes {each['wal'] / 1e3:,.0f} kB of log;"
            f" Redis grows by {max(0.0, each['redis']) / 1e3:,.1f} kB",
            figures=each,
        )
    ]


def _state(stage: Stage, roots: Mapping[str, int]) -> dict[str, float]:
    with stage.engine.connect() as connection:
        size, wal = connection.execute(
            sa.text("SELECT pg_database_size(current_database()), pg_current_wal_insert_lsn() - '0/0'")
        ).one()
    with Redis.from_url(stage.environment["REDIS_URL"]) as redis:
        memory = redis.info("memory")["used_memory"]
    seconds = {name: _cpu_of(pid) for name, pid in roots.items()}
    return {
        **seconds,
        "bytes": float(size),
        "wal": float(wal),
        "redis": float(memory),
        "own children": _cpu_of_children(),
    }


def _cpu_of_children() -> float:
    """Give the processor time of our processes that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def _cpu_of(root: int) -> float:
    """Give the processor time of a process and all below it, those that have ended included, in seconds."""
    found: dict[int, tuple[int, float]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            found[int(folder.name)] = (int(fields[1]), sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK"))
    family = {root}
    while grown := {pid for pid, (parent, _) in found.items() if parent in family} - family:
        family |= grown
    return sum(found[pid][1] for pid in family if pid in found)
