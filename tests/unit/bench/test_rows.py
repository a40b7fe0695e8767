"""How a figure is judged by its mark."""

import json
from pathlib import Path

from bench.rows import Row, at_least, at_most, show


def test_a_mark_is_met_from_its_value_on():
    assert Row("rate", "", share=at_least(6_000, 6_000)).verdict == "met"
    assert Row("rate", "", share=at_least(5_999, 6_000)).verdict == "missed"
    assert Row("time", "", share=at_most(2.0, 2.0)).verdict == "met"
    assert Row("time", "", share=at_most(2.1, 2.0)).verdict == "missed"


def test_less_than_half_of_a_mark_is_a_gross_loss():
    assert Row("rate", "", share=at_least(2_999, 6_000)).is_gross
    assert not Row("rate", "", share=at_least(3_000, 6_000)).is_gross
    assert Row("time", "", share=at_most(4.1, 2.0)).is_gross
    assert not Row("time", "", share=at_most(4.0, 2.0)).is_gross


def test_what_has_no_mark_is_not_judged():
    row = Row("cost", "")
    assert row.verdict == ""
    assert not row.is_gross


def test_a_time_of_nothing_is_within_its_mark():
    assert Row("time", "", share=at_most(0.0, 2.0)).verdict == "met"


def test_the_raw_figures_are_written_for_programs(tmp_path: Path):
    path = tmp_path / "bench.json"
    show([Row("rate", "12,000/s", share=2.0, figures={"per_s": 12_000.0})], {"machine": "2 x"}, path)
    document = json.loads(path.read_text())
    assert document["facts"] == {"machine": "2 x"}
    assert document["rows"][0]["figures"] == {"per_s": 12_000.0}
    assert document["rows"][0]["verdict"] == "met"
