"""One bad receiver must not hold up the others: postbacks' latency beside it and without it, and the workers' memory."""

from __future__ import annotations

import sys
import time

import sqlalchemy as sa

from bench import latency
from bench.api import Api
from bench.events import profile
from bench.rows import Row
from bench.stage import Stage, peak_memory_of

SECONDS = 20
BAD = {"silent": 100_000, "drip": 500, "endless_body": 500, "endless_headers": 500, "gzip_bomb": 500}
"""How many deliveries wait for each of them."""

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
    """Measure p95 before and beside five bad receivers, of which one has 100,000 deliveries waiting."""
    mappings = [{"exportName": "key", "field": "eventId"}]
    routes = [{"customerType": "New Sale", "campaign": "all", "product": "all"}]
    api.put(profile("good", f"{stage.receiver}/now", routes, mappings=mappings))
    worker = stage.start_worker(2)
    time.sleep(3)
    latency.ways(stage, api, "warm", seconds=2)
    before = latency.p95(latency.ways(stage, api, "alone", seconds=SECONDS).values())
    quiet_memory = max(peak_memory_of(worker.pid).values())
    _turn_bad(stage, api)
    time.sleep(5)
    ways = latency.ways(stage, api, "beside", seconds=SECONDS)
    beside, memory = latency.p95(ways.values()), max(peak_memory_of(worker.pid).values())
    stage.end(worker)
    for name in ("good", *BAD):
        api.delete(name)
    return [
        Row(
            "postbacks beside five bad receivers: 2xx to receiver",
            f"p95 {beside:.1f} ms",
            reference=f"without them: p95 {before:.1f} ms",
            ratio=beside / before,
            must="1.2 times",
            note=f"100,000 wait for one that never answers; {len(ways)} of {latency.RATE * SECONDS} arrived;"
            f" a worker's memory: {memory} MB, {quiet_memory} before",
        )
    ]


def _turn_bad(stage: Stage, api: Api) -> None:
    """Start the bad receivers with all that waits for them."""
    stage.start("nice", "-n", "10", sys.executable, "-m", "bench.bad_receiver", str(stage.bad_port))
    routes = [{"customerType": "Lead", "campaign": "all", "product": "all"}]
    with stage.engine.begin() as connection:
        for statement in EVENTS:
            connection.execute(sa.text(statement), {"rows": BAD["silent"]})
    for name in BAD:
        api.put(profile(name, f"http://127.0.0.1:{stage.bad_port}/{name}", routes))
    with stage.engine.begin() as connection:
        for name, count in BAD.items():
            connection.execute(WAITING, {"name": name, "count": count})
