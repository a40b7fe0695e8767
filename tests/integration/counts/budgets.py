"""What a batch may cost at most, as docs/performance.md says it: the page and the tests cannot part."""

from __future__ import annotations

from dataclasses import dataclass

from tests.servers import ROOT

PAGE = ROOT / "docs" / "performance.md"


@dataclass(frozen=True)
class Budget:
    """For one batch; bytes of log for each event or delivery in it."""

    statements: int
    round_trips: int
    bytes_each: int


def budget(name: str) -> Budget:
    """Read a row of the page's table of budgets."""
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] == name:
            statements, round_trips, bytes_each = (int(cell.replace(",", "")) for cell in cells[1:4])
            return Budget(statements, round_trips, bytes_each)
    raise LookupError(f'{PAGE.name} has no budget "{name}"')
