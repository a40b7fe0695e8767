"""The manual for those who run Waybill names nothing that is not there."""

import re
from pathlib import Path

from web.admin.attention import HOUSE

MANUAL = Path("docs/operations.md").read_text(encoding="utf-8")
SECURITY = Path("SECURITY.md").read_text(encoding="utf-8")
CODE = "\n".join(
    path.read_text(encoding="utf-8")
    for house in ("web", "worker", "models", "exporters")
    for path in Path(house).rglob("*.py")
)


def test_its_metrics_are_all_of_ours() -> None:
    named = set(re.findall(r"`(waybill_\w+)`", MANUAL))
    assert named == set(re.findall(r'"(waybill_\w+)"', CODE))


def test_each_word_of_degraded_has_its_line() -> None:
    at_night = MANUAL.partition("## At three in the morning")[2].partition("\n## ")[0]
    assert [word for word in HOUSE if f"`{word}`" not in at_night] == []


def test_its_log_events_exist() -> None:
    logs = MANUAL.partition("## Logs")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(\w+\.\w+)`", logs))
    assert named
    assert [name for name in named if f'"{name}"' not in CODE] == []


def test_its_commands_exist() -> None:
    for group, command in re.findall(r"flask --app wsgi (\w+) (rotate|replay|create)\b", MANUAL):
        assert f'"{command}"' in CODE, (group, command)


def test_links_of_both_lead_somewhere() -> None:
    for text, folder in ((MANUAL, Path("docs")), (SECURITY, Path())):
        links = re.findall(r"\]\(([^)#:]+)\)", text)
        assert [link for link in links if not (folder / link).exists()] == []


def test_each_hole_can_be_reported_in_private() -> None:
    assert "in private" in SECURITY
    assert "## What is not protected" in SECURITY
