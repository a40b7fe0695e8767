"""One CSV of a million orders and twenty columns: written, packed and stored, beside a copy of the same select by psql."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from bench.api import Api
from bench.rows import Row, at_most
from bench.stage import Stage
from dev import postgres_binaries
from models.run import Run
from worker.file_plan import plan_of

ROWS = 1_000_000
COLUMNS = (
    "clientOrderId", "dateCreated", "orderStatus", "orderTotal", "currencyCode", "firstName", "lastName", "emailAddress",
    "phoneNumber", "address1", "city", "state", "country", "postalCode", "campaignId", "product1_sku", "product1_name",
    "product1_price", "affId", "eventId",
)  # fmt: skip

FILL = (
    "INSERT INTO customers (customer_id, last_seen_at) SELECT 'f' || n, now() FROM generate_series(0, 9999) AS n",
    """INSERT INTO orders (order_key, customer_id, last_event_at)
    SELECT 'f' || n, 'f' || n % 10000, now() FROM generate_series(1, :rows) AS n""",
    """INSERT INTO events (event_key, customer_type, occurred_at, order_key, customer_id, product_ids, order_snapshot,
        routed_at)
    SELECT 'f' || n, 'capture', now(), 'f' || n, 'f' || n % 10000, '{}', jsonb_build_object('clientOrderId', 'f' || n,
        'dateCreated', '2026-11-23 09:58:12', 'orderStatus', 'COMPLETE', 'orderTotal', 49.95 + n % 100,
        'currencyCode', 'USD', 'firstName', 'Zoë', 'lastName', 'Doe ' || n, 'emailAddress', 'z' || n || '@example.com',
        'phoneNumber', '+1650555' || n % 10000, 'address1', n || ' High Street', 'city', 'Springfield', 'state', 'OH',
        'country', 'US', 'postalCode', '45501', 'campaignId', n % 50, 'affId', 'AF' || n % 7,
        'items', jsonb_build_array(jsonb_build_object('productId', 4, 'sku', 'W-1', 'name', 'Widget', 'price', 49.95))),
        now()
    FROM generate_series(1, :rows) AS n""",
    """INSERT INTO file_items (route_id, event_id, ready_at)
    SELECT r.id, e.id, now() FROM events e, routes r JOIN profiles p ON p.id = r.profile_id AND p.name = 'written'
    WHERE e.customer_type = 'capture' ORDER BY e.id""",
)


def rows(stage: Stage, api: Api) -> list[Row]:
    """Measure how long a claimed run takes to be written, plain and packed, and the writer's peak of memory."""
    api.put(_profile("none"))
    with stage.engine.begin() as connection:
        for statement in FILL:
            connection.execute(sa.text(statement), {"rows": stage.sized(ROWS)})
    with stage.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE"))
    source = _planned(api, None)
    first = _write(stage)  # Postgres marks each row that the claim has just changed when it is read for the first time
    reference, found = _psql(stage, source), list[Row]()
    for compression, most in (("none", 1.5), ("gzip", 2.0), ("zstd", 2.0)):
        api.put(_profile(compression))
        _planned(api, source)
        told = _write(stage)
        found.append(
            Row(
                f"file: {stage.sized(ROWS):,} x {len(COLUMNS)}, packed: {compression}",
                f"{told['seconds']:.1f} s, {told['megabytes']:.0f} MB of memory",
                reference=f"psql \\copy: {reference:.1f} s",
                ratio=told["seconds"] / reference,
                must=f"{most} times, 120 MB",
                share=min(at_most(told["seconds"] / reference, most), at_most(told["megabytes"], 120)),
                figures={**told, "reference_seconds": reference},
                note=f"{told['bytes'] / 1e6:.0f} MB, stored in Postgres, SHA-256",
            )
        )
    api.delete("written")
    return [
        *found,
        Row(
            "the same, unpacked, right after the claim",
            f"{first['seconds']:.1f} s",
            note=f"the first look at the rows; the claim itself took {first['claim']:.1f} s",
        ),
    ]


def _profile(compression: str) -> dict[str, Any]:
    return {
        "name": "written",
        "exportType": "csv",
        "settings": {"schedule": "manual", "preset": "standard", "compression": compression},
        "mappings": [{"exportName": name, "field": name} for name in COLUMNS],
        "routes": [{"customerType": "Capture", "campaign": "all", "product": "all"}],
    }


def _planned(api: Api, source: int | None) -> int:
    """Plan a run: the first takes the rows, the others are made again over them."""
    if source is None:
        return int(api.post("/profiles/written/run", {})["runs"][0])
    return int(api.post(f"/runs/{source}/make-again", {})["id"])


def _write(stage: Stage) -> dict[str, float]:
    """Claim and write the run that is due, in a process of its own, as the worker does."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.file_writer"], env=stage.environment, capture_output=True, text=True, check=True
    )
    told: dict[str, float] = json.loads(done.stdout)
    return told


def _psql(stage: Stage, run_id: int) -> float:
    """Copy the run's rows with psql: the same select, without the guard against formulas."""
    with Session(stage.engine) as session:
        snapshot = session.get_one(Run, run_id).snapshot or {}
    plan = plan_of(snapshot)
    plain = replace(plan, settings=plan.settings.model_copy(update={"formula_guard": False}))
    command = [str(postgres_binaries.find() / "psql"), stage.environment["DATABASE_URL"], "-q", "-o", os.devnull]
    settings = (
        "SET max_parallel_workers_per_gather = 0; SET jit = off; SET enable_nestloop = off; SET enable_hashjoin = off;"
    )
    began = time.monotonic()
    subprocess.run([*command, "-c", settings, "-c", plain.copy_sql(run_id)], check=True)
    return time.monotonic() - began
