from pathlib import Path

import pytest

from dev import procfile
from dev.procfile import ProcfileError


def test_names_and_commands_come_in_the_files_order() -> None:
    assert list(procfile.parse("# ours\nweb: gunicorn app:x\n\nworker:  python -m worker \n").items()) == [
        ("web", "gunicorn app:x"),
        ("worker", "python -m worker"),
    ]


@pytest.mark.parametrize("text", ["web", "web:", ": x", "a b: x"])
def test_another_line_is_told_by_its_number(text: str) -> None:
    with pytest.raises(ProcfileError, match="line 2"):
        procfile.parse(f"web: x\n{text}")


def test_a_name_stands_once() -> None:
    with pytest.raises(ProcfileError, match="twice"):
        procfile.parse("web: x\nweb: y")


def test_our_own_procfile_has_the_lines_that_run_json_promises() -> None:
    assert list(procfile.read(Path("Procfile"))) == ["release", "web", "worker", "scheduler"]
