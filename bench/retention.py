"""Retention: a day of attempts goes, and whether the sender feels it."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from bench import latency
from bench.api import Api
from bench.events import profile
from bench.rows import Row, at_most
from bench.stage import Stage
from models import partitions

ATTEMPTS = 1_000_000
SECONDS = 10

FILL = sa.text(
    """INSERT INTO attempts (started_at, delivery_id, profile_id, lease_token, number, duration_ms, method, url, request_headers,
        status, response_headers, response_body, outcome)
    SELECT CAST(:at AS timestamptz), n, 1, n, 1, 20, 'GET', 'https://receiver.example.com/leads?first_name=Zo%C3%AB&email=zoe' || n,
        '[["User-Agent", "Waybill/1.0"], ["Accept", "*/*"]]', 200, '[["Content-Type", "text/plain"]]', 'ok', 'delivered'
    FROM generate_series(1, :attempts) n"""
)


def rows(stage: Stage, api: Api) -> list[Row]:
    """Measure how long it takes, and the slowest postback meanwhile beside the slowest before."""
    today = datetime.now(UTC).date()
    old = today - timedelta(days=partitions.KEEP_DAYS + 5)
    partitions.make(stage.engine, old)
    with stage.engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL session_replication_role = replica"))  # there are no such deliveries
        connection.execute(FILL, {"at": f"{old}T12:00Z", "attempts": stage.sized(ATTEMPTS)})
    mappings = [{"exportName": "key", "field": "eventId"}]
    routes = [{"customerType": "New Sale", "campaign": "all", "product": "all"}]
    api.put(profile("retained", f"{stage.receiver}/now", routes, mappings=mappings))
    worker = stage.start_worker(2)
    time.sleep(3)
    latency.ways(stage, api, "warm", seconds=2)
    quiet = max(latency.ways(stage, api, "quiet", seconds=SECONDS).values())
    times: list[float] = []

    def drop() -> None:
        time.sleep(SECONDS / 2)
        times.append(time.time())
        partitions.drop_old(stage.engine, today)
        times.append(time.time())

    thread = threading.Thread(target=drop)
    thread.start()
    beside = latency.ways(stage, api, "beside", seconds=SECONDS)
    thread.join()
    stage.end(worker)
    api.delete("retained")
    began, ended = times
    slowest = max(wait for at, wait in beside.items() if began - 0.5 <= at <= ended + 1)
    return [
        Row(
            f"retention: a day of {stage.sized(ATTEMPTS):,} attempts removed",
            f"{ended - began:.2f} s",
            must="2 s",
            share=at_most(ended - began, 2),
            figures={"seconds": ended - began},
        ),
        Row(
            "the slowest postback meanwhile, a second after included",
            f"{slowest:.0f} ms",
            f"the slowest of {SECONDS} s before: {quiet:.0f} ms",
            note=f"{latency.RATE} events/s; {len(beside)} of {latency.RATE * SECONDS} arrived",
            figures={"slowest_ms": slowest, "reference_slowest_ms": quiet},
        ),
    ]
