"""`python -m bench [ROW ...] [--json FILE]`: the rows named below, all of them without a name."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from bench import files, intake, isolation, latency, marking, pages, postbacks, uploads
from bench.api import Api
from bench.rows import Row, machine, show
from bench.stage import Stage, stage

ROWS: dict[str, Callable[[Stage, Api], list[Row]]] = {
    "latency": latency.rows,
    "intake": intake.rows,
    "isolation": isolation.rows,
    "marking": marking.rows,
    "files": files.rows,
    "uploads": uploads.rows,
    "postbacks": lambda on, api: postbacks.rows(on, api, processes=2),
    "pages": pages.rows,
}


def main() -> None:
    """Measure, then print."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], help="which rows; all without a name")
    parser.add_argument("--json", type=Path, help="write the results here, too")
    parser.add_argument(
        "--loaded", metavar="URL", help="pages: in a database that bench.loader has filled, not in an own one"
    )
    parser.add_argument("--only", default="", help="pages: those with this in their name")
    given = parser.parse_args()
    facts, found = machine(), list[Row]()
    with stage(loaded=given.loaded, only=given.only) as on:
        key = on.run("flask", "--app", "wsgi", "api-key", "create", "bench").split()[-1]
        on.start_web()
        api = Api(on.web, key)
        for name in given.rows or ROWS:
            found += ROWS[name](on, api)
    show(found, facts, given.json)


if __name__ == "__main__":
    main()
