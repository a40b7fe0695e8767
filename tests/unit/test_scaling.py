"""The page on scaling names settings and numbers that are there, and its table is what its costs come to."""

import re
from dataclasses import fields
from pathlib import Path

from config import Config

PAGE = Path("docs/scaling.md").read_text(encoding="utf-8")
CODE = "\n".join(path.read_text(encoding="utf-8") for path in Path("web").rglob("*.py"))

EVENTS_A_DAY, PEAK, PROFILES, ANSWER_SECONDS, SLOTS = 100_000, 10, 3, 0.2, 256


def test_its_settings_are_all_of_ours() -> None:
    named = set(re.findall(r"`([A-Z][A-Z_]+)\b", PAGE))
    assert named
    assert named <= {field.name.upper() for field in fields(Config)}


def test_its_metrics_are_all_of_ours() -> None:
    named = set(re.findall(r"`(waybill_\w+)`", PAGE))
    assert named
    assert [name for name in named if f'"{name}"' not in CODE] == []


def test_its_loads_are_what_the_assumptions_come_to() -> None:
    for factor, name in ((1, "today"), (10, "10 x"), (100, "100 x"), (1000, "1,000 x")):
        (row,) = re.findall(rf"^\| {name} \| (\d.*) \|$", PAGE, re.MULTILINE)
        cells = [cell.strip() for cell in row.split("|")]
        events = EVENTS_A_DAY * factor / 86_400 * PEAK
        deliveries = events * PROFILES
        flying = deliveries * ANSWER_SECONDS
        assert cells[0] == f"{events:,.0f}, {deliveries:,.0f}"
        assert _near(cells[1], events * 2 / 449)
        assert _near(cells[2], events * 2 / 7_235)
        assert [
            _near(cell, deliveries * cost) for cell, cost in zip(cells[3].split("+"), (65e-6, 83e-6), strict=True)
        ] == [True, True]
        assert cells[4] == f"{flying:,.0f} ({-int(-flying // SLOTS)})"
        assert _near(cells[5].removesuffix(" MB/s"), events * 7.96e-3)
        assert _near(cells[6].removesuffix(" GB"), EVENTS_A_DAY * factor * 4.6e-6)
        assert _near(cells[7].removesuffix(" TB"), EVENTS_A_DAY * factor * 1.44e-6)


def _near(text: str, value: float) -> bool:
    """Say whether a rounded number is this one: within a tenth, or half of its last place."""
    places = len(text.strip().partition(".")[2])
    return abs(float(text.replace(",", "")) - value) <= max(value / 10, 0.5 * 0.1**places)
