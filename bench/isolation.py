"""One bad receiver must not hold up the others: postbacks' latency beside it and without it, and the workers' memory."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from bench import latency
from bench.api import Api
from bench.events import profile
from bench.rows import Row, at_most
from bench.stage import Stage, peak_memory_of

SECONDS = 20
BAD = {"silent": 100_000, "drip": 500, "endless_body": 500, "endless_headers": 500, "gzip_bomb": 500}
"""How many deliveries wait for each of them."""

SETS = {
    "one that never answers, 100,000 wait for it": ("silent",),
    "that one and drips, endless bodies, endless headers, gzip bombs": tuple(name for name in BAD if name != "silent"),
}

WAITING = sa.text(
    """INSERT INTO deliveries (event_id, profile_id, due_at)
    SELECT e.id, p.id, now() FROM profiles p, (SELECT id FROM events WHERE customer_type = 'lead' ORDER BY id LIMIT :count) e
    WHERE p.name = :name"""
)
EVENTS = (
    "INSERT INTO customers (customer_id, last_seen_at) SELECT 'i' || n, now() FROM generate_series(0, 999) AS n",
    """INSERT INTO events (event_key, customer_type, occurred_at, customer_id, product_ids, order_snapshot, routed_at)
    SELECT 'i' || n, 'lead', now(), 'i' || n % 1000, '{}', jsonb_build_object('firstName', 'Zoë'), now()
    FROM generate_series(1, :rows) AS n""",
)


def rows(stage: Stage, api: Api) -> list[Row]:
    """Measure p95 alone, beside one that never answers with 100,000 waiting, and beside four more that are worse."""
    mappings = [{"exportName": "key", "field": "eventId"}]
    routes = [{"customerType": "New Sale", "campaign": "all", "product": "all"}]
    api.put(profile("good", f"{stage.receiver}/now", routes, mappings=mappings))
    stage.start("nice", "-n", "10", sys.executable, "-m", "bench.bad_receiver", str(stage.bad_port))
    worker = stage.start_worker(2)
    time.sleep(3)
    latency.ways(stage, api, "warm", seconds=2)
    alone = _beside(stage, api, worker.pid, "alone")
    with stage.engine.begin() as connection:
        for statement in EVENTS:
            connection.execute(sa.text(statement), {"rows": BAD["silent"]})
    found = []
    for number, (title, names) in enumerate(SETS.items()):
        _turn_bad(stage, api, names)
        time.sleep(5)
        found.append((title, _beside(stage, api, worker.pid, f"beside{number}")))
    stage.end(worker)
    for name in ("good", *BAD):
        api.delete(name)
    return [
        Row(
            f"postbacks beside {title}: 2xx to receiver",
            f"p95 {beside.p95:.1f} ms",
            reference=f"without: p95 {alone.p95:.1f} ms",
            ratio=beside.p95 / alone.p95,
            must="1.2 times",
            share=at_most(beside.p95 / alone.p95, 1.2),
            figures={"p95_ms": beside.p95, "reference_p95_ms": alone.p95, "megabytes": beside.memory},
            note=f"{beside.arrived} of {latency.RATE * SECONDS} arrived; a worker's memory: {beside.memory} MB, {alone.memory} before",
        )
        for title, beside in found
    ]


@dataclass(frozen=True, slots=True)
class _Ways:
    """How healthy postbacks fared: p95 in ms, how many arrived, the peak memory of a worker in MB."""

    p95: float
    arrived: int
    memory: int


def _beside(stage: Stage, api: Api, worker: int, run: str) -> _Ways:
    ways = latency.ways(stage, api, run, seconds=SECONDS)
    return _Ways(latency.p95(ways.values()), len(ways), max(peak_memory_of(worker).values()))


def _turn_bad(stage: Stage, api: Api, names: Sequence[str]) -> None:
    """Let deliveries wait for these receivers."""
    routes = [{"customerType": "Lead", "campaign": "all", "product": "all"}]
    for name in names:
        api.put(profile(name, f"http://127.0.0.1:{stage.bad_port}/{name}", routes))
    with stage.engine.begin() as connection:
        for name in names:
            connection.execute(WAITING, {"name": name, "count": BAD[name]})
