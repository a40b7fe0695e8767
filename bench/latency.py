"""As it happens: from the 2xx of the intake to the receiver, event by event, on a machine that idles and on a busy one."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import requests

from bench.api import Api, Line
from bench.events import batches, event, profile
from bench.intake import CLIENTS, posted
from bench.rows import Row, at_most
from bench.stage import Stage

RATE = 50
SECONDS = 20
SHARE = 0.7
CAPACITY_COUNT = 3_000
_TURNS = count()


def rows(stage: Stage, api: Api) -> list[Row]:
    """Measure the way from the answer of the intake to the receiver: few events, and 70 % of what the machine can do."""
    mappings = [{"exportName": "key", "field": "eventId"}, {"exportName": "email", "field": "emailAddress"}]
    routes = [{"customerType": "New Sale", "campaign": "all", "product": "all"}]
    api.put(profile("as it happens", f"{stage.receiver}/now", routes, mappings=mappings))
    worker = stage.start_worker(2)
    time.sleep(3)
    ways(stage, api, "warm", seconds=2)
    idle = list(ways(stage, api, "now", seconds=stage.sized(SECONDS)).values())
    capacity = posted(api, batches(stage.sized(CAPACITY_COUNT), 1, "most"))
    busy = list(ways(stage, api, "busy", seconds=stage.sized(SECONDS), rate=SHARE * capacity).values())
    stage.end(worker)
    api.delete("as it happens")
    return [
        _row(f"as it happens, {RATE} events/s: 2xx to receiver", idle, RATE, {50: 60, 99: 300}),
        _row(
            f"as it happens, {SHARE:.0%} of the {capacity:.0f} single events/s that this machine takes and sends",
            busy,
            SHARE * capacity,
            {99: 1000},
        ),
    ]


def _row(name: str, waits: list[float], rate: float, marks: dict[int, int]) -> Row:
    cuts = statistics.quantiles(waits, n=100)
    return Row(
        name,
        f"p50 {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms",
        must=", ".join(f"p{cut} {mark} ms" for cut, mark in marks.items()),
        note=f"{len(waits)} events arrived, {rate:.0f} a second",
        share=min(at_most(cuts[cut - 1], mark) for cut, mark in marks.items()),
        figures={"rate": rate, **{f"p{cut}_ms": cuts[cut - 1] for cut in (1, 5, 10, 25, 50, 75, 90, 95, 99)}},
    )


def post(api: Api, run: str, seconds: int, rate: float = RATE) -> dict[str, float]:
    """Post single events at their times, whether or not those before are answered; gives when each was answered."""
    began = time.monotonic() + 0.1
    numbers = range(int(rate * seconds))
    with ThreadPoolExecutor(CLIENTS) as clients:
        jobs = [clients.submit(_post_some, api.line(), run, numbers[k::CLIENTS], began, rate) for k in range(CLIENTS)]
        return {key: at for job in jobs for key, at in job.result().items()}


def _post_some(line: Line, run: str, numbers: Sequence[int], began: float, rate: float) -> dict[str, float]:
    answered: dict[str, float] = {}
    for number in numbers:
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        line.post_events(json.dumps(event(number, run)).encode())
        answered[f"{run}-{number}"] = time.time()
    return answered


def ways(stage: Stage, api: Api, run: str, *, seconds: int, rate: float = RATE) -> dict[float, float]:
    """Give the ways of single events in milliseconds, by when they were accepted. Those that never came are left out."""
    requests.get(f"{stage.receiver}/seen", timeout=5)
    answered = post(api, f"{run}-{next(_TURNS)}", seconds, rate)  # no event of another row, which would be a repeat
    time.sleep(3)
    seen = requests.get(f"{stage.receiver}/seen", timeout=5).json()
    return {at: 1000 * (seen[key] - at) for key, at in answered.items() if key in seen}


def p95(waits: Iterable[float]) -> float:
    """Give the 95th of a hundred."""
    return statistics.quantiles(waits, n=20)[18]
