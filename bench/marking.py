"""A run takes its rows: a million in one transaction, and what the postbacks beside it feel of that."""

from __future__ import annotations

import threading
import time

import sqlalchemy as sa

from bench import latency
from bench.api import Api
from bench.events import profile
from bench.rows import Row, at_most
from bench.stage import Stage

ROWS = 1_000_000
QUIET_SECONDS = 10
BESIDE_SECONDS = 20

# Every hundredth partial has been completed meanwhile, so that each must be looked at.
FILL = (
    """INSERT INTO customers (customer_id, last_seen_at) SELECT 'm' || n, now() FROM generate_series(0, 9999) AS n""",
    """INSERT INTO orders (order_key, customer_id, last_event_at, completed_at)
    SELECT 'm' || n, 'm' || n % 10000, now(), CASE WHEN n % 100 = 0 THEN now() END
    FROM generate_series(1, :rows) AS n""",
    """INSERT INTO events (event_key, customer_type, occurred_at, order_key, customer_id, product_ids, order_snapshot,
        routed_at)
    SELECT 'm' || n, 'partial', now(), 'm' || n, 'm' || n % 10000, '{}',
        jsonb_build_object('clientOrderId', 'm' || n, 'firstName', 'Zoë', 'orderTotal', '49.95'), now()
    FROM generate_series(1, :rows) AS n""",
    """INSERT INTO file_items (route_id, event_id, ready_at)
    SELECT r.id, e.id, now() FROM events e, routes r JOIN profiles p ON p.id = r.profile_id AND p.name = 'marked'
    WHERE e.customer_type = 'partial' ORDER BY e.id""",
    """INSERT INTO runs (profile_id, route_id, slot, slot_at, period)
    SELECT p.id, r.id, 'bench', now(), current_date FROM routes r
    JOIN profiles p ON p.id = r.profile_id AND p.name = 'marked'""",
)


def rows(stage: Stage, api: Api) -> list[Row]:
    """Measure a claim of a million rows, and postbacks' latency beside it and before it."""
    api.put(
        {
            "name": "marked",
            "exportType": "csv",
            "settings": {"schedule": "manual", "preset": "standard"},
            "mappings": [{"exportName": "order", "field": "clientOrderId"}],
            "routes": [{"customerType": "Partial", "campaign": "all", "product": "all"}],
        }
    )
    mappings = [{"exportName": "key", "field": "eventId"}]
    routes = [{"customerType": "New Sale", "campaign": "all", "product": "all"}]
    api.put(profile("beside", f"{stage.receiver}/now", routes, mappings=mappings))
    with stage.engine.begin() as connection:
        for statement in FILL:
            connection.execute(sa.text(statement), {"rows": ROWS})
    with stage.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE"))
    with stage.engine.begin() as connection:  # nobody but this bench claims it
        connection.execute(sa.text("UPDATE runs SET due_at = 'infinity'"))
    worker = stage.start_worker(2)
    time.sleep(3)
    latency.ways(stage, api, "warm", seconds=2)
    before = latency.p95(latency.ways(stage, api, "quiet", seconds=QUIET_SECONDS).values())
    claim, beside = _claim_beside(stage, api)
    stage.end(worker)
    for name in ("beside", "marked"):
        api.delete(name)
    during = latency.p95(wait for at, wait in beside.items() if claim[0] <= at <= claim[1])
    return [
        Row(
            f"file: a run takes {ROWS:,} rows",
            f"{claim[1] - claim[0]:.1f} s",
            must="30 s",
            share=at_most(claim[1] - claim[0], 30),
            figures={"seconds": claim[1] - claim[0]},
            note="up to a second of it is waiting",
        ),
        Row(
            "postbacks while it takes them: 2xx to receiver",
            f"p95 {during:.1f} ms",
            reference=f"before: p95 {before:.1f} ms",
            ratio=during / before,
            must="1.5 times",
            share=at_most(during / before, 1.5),
            figures={"p95_ms": during, "reference_p95_ms": before},
            note=f"{latency.RATE} events/s; p95 of all {BESIDE_SECONDS} s, the writing included: {latency.p95(beside.values()):.1f} ms",
        ),
    ]


def _claim_beside(stage: Stage, api: Api) -> tuple[tuple[float, float], dict[float, float]]:
    """Have the worker claim and write the run while events come in. Gives from when to when it claimed, and the events' ways."""
    claim: list[float] = []

    def watch() -> None:
        with stage.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("UPDATE runs SET due_at = now() WHERE slot = 'bench'"))
            claim.append(time.time())
            while connection.scalar(sa.text("SELECT state FROM runs WHERE slot = 'bench'")) == "planned":
                time.sleep(0.05)
            claim.append(time.time())

    thread = threading.Thread(target=watch)
    thread.start()
    ways = latency.ways(stage, api, "beside", seconds=BESIDE_SECONDS)
    thread.join()
    return (claim[0], claim[1]), ways
