"""What is read out of the answer of the advisories."""

from __future__ import annotations

from dev.audit import read


def test_a_hole_is_told_with_its_package_its_name_and_where_it_is_mended() -> None:
    hole = {"id": "PYSEC-2026-1", "fix_versions": ["2.1", "2.2"], "aliases": [], "description": ""}
    report = {"dependencies": [{"name": "left", "version": "2.0", "vulns": [hole]}]}
    assert read(report) == (["left 2.0: PYSEC-2026-1, mended in 2.1, 2.2"], [])


def test_a_hole_without_a_mended_version_is_one_too() -> None:
    report = {"dependencies": [{"name": "left", "version": "2.0", "vulns": [{"id": "X", "fix_versions": []}]}]}
    assert read(report) == (["left 2.0: X, mended in no version yet"], [])


def test_a_package_that_nobody_looked_up_is_not_called_free_of_holes() -> None:
    assert read({"dependencies": [{"name": "right", "skip_reason": "not found"}]}) == ([], ["right"])


def test_no_hole_is_nothing() -> None:
    assert read({"dependencies": [{"name": "left", "version": "2.0", "vulns": []}]}) == ([], [])
