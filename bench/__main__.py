"""`python -m bench [ROW ...] [--quick] [--json FILE]`: the rows named below, all of them without a name."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from bench import (
    cost,
    fanout,
    files,
    filled,
    intake,
    isolation,
    latency,
    marking,
    pages,
    postbacks,
    retention,
    start,
    uploads,
)
from bench.api import Api
from bench.rows import Row, machine, show
from bench.stage import Stage, stage

ROWS: dict[str, Callable[[Stage, Api], list[Row]]] = {
    "latency": latency.rows,
    "intake": intake.rows,
    "fanout": fanout.rows,
    "isolation": isolation.rows,
    "marking": marking.rows,
    "files": files.rows,
    "uploads": uploads.rows,
    "postbacks": lambda on, api: [row for count in (1, 2, 4) for row in postbacks.rows(on, api, processes=count)],
    "cost": cost.rows,
    "retention": retention.rows,
    "start": start.rows,
    "filled": filled.rows,
    "pages": pages.rows,
}

QUICK: dict[str, Callable[[Stage, Api], list[Row]]] = {
    "latency": latency.rows,
    "intake": intake.rows,
    "postbacks": lambda on, api: postbacks.rows(on, api, processes=2),
    "files": files.rows,
}
QUICK_SCALE = 0.2


def main() -> int:
    """Measure, then print. Returns the exit status: 1 when a quick bench finds less than half of a mark."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], help="which rows; all without a name")
    parser.add_argument(
        "--quick", action="store_true", help="some rows with a fifth of the load; fails below half of a mark"
    )
    parser.add_argument("--json", type=Path, help="write the results here, too")
    parser.add_argument(
        "--loaded", metavar="URL", help="pages: in a database that bench.loader has filled, not in an own one"
    )
    parser.add_argument("--only", default="", help="pages: those with this in their name")
    given = parser.parse_args()
    facts, found, known = machine(), list[Row](), QUICK if given.quick else ROWS
    with stage(loaded=given.loaded, only=given.only, scale=QUICK_SCALE if given.quick else 1) as on:
        on.start_web()
        api = on.api()
        for name in given.rows or known:
            found += known[name](on, api)
    show(found, facts, given.json)
    lost = [row for row in found if row.is_gross]
    for row in lost:
        print(f"less than half of its mark: {row.name}: {row.ours}, must reach {row.must}", file=sys.stderr)
    return 1 if given.quick and lost else 0


if __name__ == "__main__":
    sys.exit(main())
