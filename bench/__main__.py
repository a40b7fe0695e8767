"""`python -m bench [ROW ...] [--json FILE]`: rows are postbacks, latency, intake, marking, files and uploads; all of them without a name."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from bench import files, intake, latency, marking, postbacks, uploads
from bench.api import Api
from bench.rows import Row, machine, show
from bench.stage import Stage, stage

ROWS: dict[str, Callable[[Stage, Api], list[Row]]] = {
    "latency": latency.rows,
    "intake": intake.rows,
    "marking": marking.rows,
    "files": files.rows,
    "uploads": uploads.rows,
    "postbacks": lambda on, api: postbacks.rows(on, api, processes=2),
}


def main() -> None:
    """Measure, then print."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], help="which rows; all without a name")
    parser.add_argument("--json", type=Path, help="write the results here, too")
    given = parser.parse_args()
    facts, found = machine(), list[Row]()
    with stage() as on:
        key = on.run("flask", "--app", "wsgi", "api-key", "create", "bench").split()[-1]
        on.start_web()
        api = Api(on.web, key)
        for name in given.rows or ROWS:
            found += ROWS[name](on, api)
    show(found, facts, given.json)


if __name__ == "__main__":
    main()
