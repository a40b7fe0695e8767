"""The page of what is kept names files and tests that exist."""

import re
from pathlib import Path

PAGE = Path("docs/security.md").read_text(encoding="utf-8")
ROWS = [line.strip("|").split(" | ") for line in PAGE.splitlines() if line.startswith("| ") and "`tests/" in line]


def test_every_line_is_held_by_tests_that_exist() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
    assert len(named) > 80
    missing = [test for file, test in named if not re.search(rf"def {test}\(", _text(file))]
    assert missing == []


def test_every_file_of_the_product_that_is_named_exists() -> None:
    named = [path for row in ROWS for path in re.findall(r"`([\w/.]+(?:\.py|\.txt|/))`", row[1])]
    assert len(named) > 50
    assert [path for path in named if not Path(path).exists()] == []


def test_every_line_has_its_three_parts() -> None:
    lines = [line for line in PAGE.splitlines() if line.startswith("| ") and line != "| what | how (file) | test |"]
    assert len(ROWS) == len(lines)
    assert [row for row in ROWS if len(row) != 3 or "::" not in row[2]] == []


def _text(file: str) -> str:
    return Path(file).read_text(encoding="utf-8") if Path(file).exists() else ""
