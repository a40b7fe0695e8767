"""As it happens: from the 2xx of the intake to the receiver, 50 single events a second."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterable

import requests

from bench.api import Api
from bench.events import event, profile
from bench.rows import Row
from bench.stage import Stage

RATE = 50
SECONDS = 20


def rows(stage: Stage, api: Api) -> list[Row]:
    """Measure p50 and p99 of the way from the answer of the intake to the receiver."""
    mappings = [{"exportName": "key", "field": "eventId"}, {"exportName": "email", "field": "emailAddress"}]
    routes = [{"customerType": "New Sale", "campaign": "all", "product": "all"}]
    api.put(profile("as it happens", f"{stage.receiver}/now", routes, mappings=mappings))
    worker = stage.start_worker(2)
    time.sleep(3)
    post(api, "warm", 2)
    time.sleep(1)
    requests.get(f"{stage.receiver}/seen", timeout=5)
    answered = post(api, "now", SECONDS)
    time.sleep(2)
    seen = requests.get(f"{stage.receiver}/seen", timeout=5).json()
    stage.end(worker)
    api.delete("as it happens")
    waits = [1000 * (seen[key] - at) for key, at in answered.items() if key in seen]
    lost = len(answered) - len(waits)
    cuts = statistics.quantiles(waits, n=100)
    return [
        Row(
            f"as it happens, {RATE}/s: 2xx to receiver",
            f"p50 {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms",
            must="p50 60 ms, p99 300 ms",
            note=f"{len(waits)} events, {lost} not seen",
        )
    ]


def post(api: Api, run: str, seconds: int) -> dict[str, float]:
    """Post single events; gives when each was answered."""
    answered: dict[str, float] = {}
    session = requests.Session()
    began = time.monotonic()
    for number in range(RATE * seconds):
        time.sleep(max(0.0, began + number / RATE - time.monotonic()))
        api.post_events(json.dumps(event(number, run)).encode(), session=session)
        answered[f"{run}-{number}"] = time.time()
    return answered


def ways(stage: Stage, api: Api, run: str, *, seconds: int) -> dict[float, float]:
    """Give the ways of single events in milliseconds, by when they were accepted. Those that never came are left out."""
    requests.get(f"{stage.receiver}/seen", timeout=5)
    answered = post(api, run, seconds)
    time.sleep(3)
    seen = requests.get(f"{stage.receiver}/seen", timeout=5).json()
    return {at: 1000 * (seen[key] - at) for key, at in answered.items() if key in seen}


def p95(waits: Iterable[float]) -> float:
    """Give the 95th of a hundred."""
    return statistics.quantiles(waits, n=20)[18]
