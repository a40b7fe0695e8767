"""The settings of files: presets fill what is not given, and each limit has its words."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from exporters.csv_settings import EXCEL_ROWS, CsvSettings
from exporters.fields import group, labels


def dialect(**given: Any) -> tuple[Any, ...]:
    made = CsvSettings.model_validate(given)
    return made.delimiter, made.line_end, made.encoding, made.decimal_sign, made.max_rows


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("standard", (",", "crlf", "utf-8", ".", None)),
        ("excel", (",", "crlf", "utf-8-bom", ".", EXCEL_ROWS)),
        ("excel-semicolon", (";", "crlf", "utf-8-bom", ",", EXCEL_ROWS)),
        ("tab", ("\t", "lf", "utf-8", ".", None)),
    ],
)
def test_a_preset_fills_the_dialect(preset: str, expected: tuple[Any, ...]) -> None:
    assert dialect(preset=preset) == expected


def test_a_file_to_download_is_for_excel_unless_told() -> None:
    assert dialect() == dialect(preset="excel")


def test_a_key_given_beside_the_preset_wins_and_makes_it_custom() -> None:
    made = CsvSettings.model_validate({"preset": "excel", "delimiter": ";", "maxRows": None})
    assert (made.delimiter, made.encoding, made.max_rows) == (";", "utf-8-bom", None)
    assert made.is_custom
    assert not CsvSettings.model_validate({"preset": "excel", "delimiter": None}).is_custom


def test_what_is_stored_reads_back_as_itself() -> None:
    for preset in ("standard", "excel", "excel-semicolon", "tab"):
        made = CsvSettings.model_validate({"preset": preset, "lineEnd": "lf"})
        stored = made.model_dump(by_alias=True)
        assert None not in [stored[key] for key in ("delimiter", "lineEnd", "encoding", "decimalSign")]
        assert CsvSettings.model_validate(stored) == made


def test_the_document_has_the_manuals_keys_with_their_defaults() -> None:
    document = CsvSettings().model_dump(by_alias=True)
    assert document == {
        "preset": "excel",
        "delimiter": ",",
        "quote": "needed",
        "lineEnd": "crlf",
        "header": True,
        "encoding": "utf-8-bom",
        "unmappable": "nearest",
        "decimalSign": ".",
        "formulaGuard": True,
        "lineBreaks": "keep",
        "rowPer": "order",
        "items": "all",
        "maxRows": EXCEL_ROWS,
        "fileName": "{profile}_{route}_{date}",
        "extension": "csv",
        "compression": "none",
        "emptyFile": "none",
        "companion": "none",
        "schedule": "daily 06:00",
        "catchUp": "one",
        "retentionDays": 30,
    }


@pytest.mark.parametrize("word", ["tab", "TAB", "\\t", "\t"])
def test_a_tab_may_be_said_in_a_word(word: str) -> None:
    assert CsvSettings.model_validate({"delimiter": word}).delimiter == "\t"


@pytest.mark.parametrize(
    "given",
    [
        {"preset": "word"},
        {"preset": ["excel"]},
        {"delimiter": "a"},
        {"delimiter": 1},
        {"quote": "none"},
        {"encoding": "latin-1"},
        {"decimalSign": ";"},
        {"maxRows": 0},
        {"maxRows": 10_000_001},
        {"retentionDays": 0},
        {"retentionDays": 3651},
        {"fileName": ""},
        {"fileName": "x" * 501},
        {"extension": "exe"},
        {"schedule": ""},
        {"url": "https://example.com"},
    ],
)
def test_what_is_not_allowed_is_refused_at_its_key(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        CsvSettings.model_validate(given)
    assert [error["loc"] for error in refused.value.errors()] == [(next(iter(given)),)]


def test_every_setting_has_a_title_a_heading_and_readable_choices() -> None:
    for name, info in CsvSettings.model_fields.items():
        assert info.title
        assert info.description
        assert group(CsvSettings, name)
    assert labels(CsvSettings, "delimiter")["\t"] == "tab"
    assert labels(CsvSettings, "header") == {}
