"""Intake over HTTP in batches, beside `COPY` of the same JSON into one plain table."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import sqlalchemy as sa

from bench.api import Api, Line
from bench.events import batches, event, profile
from bench.rows import Row, at_least
from bench.stage import Stage

COUNT = 30_000
COUNTS = {500: COUNT, 50: 10_000, 1: 1_500}
"""How many events go in by batches of which size."""

MARKS = {500: 5_000, 1: 400}
"""Events a second that have to be reached."""

CLIENTS = 3


def rows(stage: Stage, api: Api) -> list[Row]:
    """Measure batches of 500, 50 and 1 with 10 active profiles and one match per event, then 500 with three."""
    _profiles(stage, api, "intake", 1)
    copied = _copy(stage)
    found = {size: posted(api, batches(stage.sized(count), size, f"i{size}-")) for size, count in COUNTS.items()}
    _profiles(stage, api, "second", 2)
    three = posted(api, batches(stage.sized(COUNT), 500, "i3-"))
    for number in range(10):
        for name in (f"intake {number}", f"second {number} 0", f"second {number} 1"):
            api.delete(name)
    return [
        *(_row(_name(size), rate, copied, MARKS.get(size)) for size, rate in found.items()),
        _row("intake, batches of 500, 3 matches", three, copied, None),
    ]


def _row(name: str, rate: float, copied: float, mark: int | None) -> Row:
    return Row(
        name,
        f"{rate:,.0f} events/s",
        f"COPY into a plain table: {copied:,.0f}/s",
        rate / copied,
        f"{mark:,}/s" if mark else "",
        share=at_least(rate, mark) if mark else None,
        figures={"per_s": rate, "reference_per_s": copied},
    )


def _name(size: int) -> str:
    return "intake, single posts, 1 match" if size == 1 else f"intake, batches of {size}, 1 match"


def _profiles(stage: Stage, api: Api, name: str, matches: int) -> None:
    for number in range(10):
        routes = [{"customerType": "New Sale", "campaign": number + 1, "product": "all"}]
        for copy in range(matches):
            full = f"{name} {number}" if matches == 1 else f"{name} {number} {copy}"
            api.put(profile(full, f"{stage.receiver}/in", routes, paused=True))


def posted(api: Api, bodies: list[bytes]) -> float:
    """Post bodies by a few clients at once; give how many new events were taken a second."""
    began = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as clients:
        jobs = [clients.submit(_post_all, api.line(), bodies[k::CLIENTS]) for k in range(CLIENTS)]
        accepted = sum(job.result() for job in jobs)
    return accepted / (time.perf_counter() - began)


def _post_all(line: Line, bodies: list[bytes]) -> int:
    return sum(line.post_events(body) for body in bodies)


def _copy(stage: Stage) -> float:
    lines = [json.dumps(event(number, "copy")) for number in range(stage.sized(COUNT))]
    with stage.engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE bench_plain (document jsonb)"))
        driver = cast("Any", connection.connection.driver_connection)
        began = time.perf_counter()
        with driver.cursor() as cursor, cursor.copy("COPY bench_plain FROM STDIN") as copy:
            for line in lines:
                copy.write_row((line,))
        took = time.perf_counter() - began
        connection.execute(sa.text("DROP TABLE bench_plain"))
    return len(lines) / took
