"""Postbacks with the full attempt log, beside a bare libcurl multi loop that sends the same and stores nothing."""

from __future__ import annotations

import sys
import time

import sqlalchemy as sa

from bench.api import Api
from bench.events import MAPPINGS, batches, profile
from bench.rows import Row, at_least, at_most
from bench.stage import Stage, peak_memory_of

COUNT = 60_000
PROFILES = 4
MARK = 6_000
"""Deliveries a second."""


def rows(stage: Stage, api: Api, *, processes: int) -> list[Row]:
    """Measure GET and JSON POST with so many worker processes, and the worker's memory."""
    return [one for kind in ("get", "json") for one in _measure(stage, api, kind, processes)]


def _measure(stage: Stage, api: Api, kind: str, processes: int) -> list[Row]:
    reference = _reference(stage, kind, processes)
    ours, memory = sent(stage, api, kind, processes)
    name = f"postbacks, {processes} worker processes, {'GET' if kind == 'get' else 'JSON POST'}"
    return [
        Row(
            name.replace("1 worker processes", "1 worker process"),
            f"{ours:,.0f}/s",
            f"libcurl multi: {reference:,.0f}/s",
            ours / reference,
            f"{MARK:,}/s; 0.40 of libcurl",
            note=f"{stage.sized(COUNT):,} deliveries of {PROFILES} profiles, every attempt stored; judged by the first mark",
            share=at_least(ours, MARK) if processes > 1 else None,  # the mark is for two cores
            figures={"per_s": ours, "reference_per_s": reference, "processes": processes},
        ),
        Row(
            "worker memory, peak of a process",
            f"{memory} MB",
            must="150 MB",
            share=at_most(memory, 150),
            figures={"megabytes": memory},
        ),
    ]


def sent(stage: Stage, api: Api, kind: str, processes: int) -> tuple[float, int]:
    """Let events wait, then send all of them. Gives how many a second, and the peak memory of a worker process in MB."""
    _load(stage, api, kind, f"{kind}{processes}")
    worker = stage.start_worker(processes)
    time.sleep(3)  # the pumps are up and find nothing: the profiles are paused
    stage.forget_received()
    for number in range(PROFILES):
        api.resume(f"{kind} {number}")
    ours = stage.rate_of(stage.sized(COUNT))
    _wait_until_recorded(stage)
    memory = max(peak_memory_of(worker.pid).values())
    stage.end(worker)
    for number in range(PROFILES):  # what comes next is not for them
        api.delete(f"{kind} {number}")
    return ours, memory


def _load(stage: Stage, api: Api, kind: str, run: str) -> None:
    headers = [{"exportName": "header:Content-Type", "static": "application/json"}] if kind == "json" else []
    for number in range(PROFILES):
        campaigns = [one for one in range(1, 11) if one % PROFILES == number]
        routes = [{"customerType": "New Sale", "campaign": one, "product": "all"} for one in campaigns]
        url = f"{stage.receiver}/partials.php"
        api.put(profile(f"{kind} {number}", url, routes, paused=True, mappings=[*headers, *MAPPINGS]))
    for body in batches(stage.sized(COUNT), 500, run):
        api.post_events(body)
    with stage.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(sa.text("VACUUM ANALYZE"))


def _reference(stage: Stage, kind: str, processes: int) -> float:
    stage.forget_received()
    share = stage.sized(COUNT) // processes
    running = [
        stage.start(sys.executable, "-m", "bench.libcurl", f"{stage.receiver}/partials.php", str(share), kind)
        for _ in range(processes)
    ]
    rate = stage.rate_of(share * processes)
    for process in running:
        stage.end(process)
    return rate


def _wait_until_recorded(stage: Stage) -> None:
    open_rows = sa.text(
        """SELECT count(*) FROM deliveries d JOIN profiles p ON p.id = d.profile_id AND p.enabled
        WHERE d.state IN ('pending', 'leased')"""
    )
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        with stage.engine.connect() as connection:
            if connection.scalar(open_rows) == 0:
                return
        time.sleep(0.2)
    raise RuntimeError("not everything was recorded as delivered within 60 s")
