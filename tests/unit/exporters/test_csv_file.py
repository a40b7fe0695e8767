"""The exporter of files that wait to be downloaded."""

from __future__ import annotations

from typing import Any

from exporters.base import Column, RunFile, Sending
from exporters.csv_file import CsvFile, warnings_in
from exporters.csv_settings import CsvSettings

NO_DOOR: Any = None


def csv_file(*columns: Column, **settings: Any) -> CsvFile:
    return CsvFile(CsvSettings.model_validate(settings), columns)


def test_nothing_is_dialled() -> None:
    exporter = csv_file(Column("a"))
    file = RunFile("a.csv", 0, "", lambda: iter(()))
    sending: Any = Sending
    assert not exporter.uploads
    assert exporter.target() == "download"
    assert exporter.destination() is None
    assert exporter.place(file, sending, NO_DOOR).message == "ready to download"
    assert exporter.look(NO_DOOR).message == "ready to download"
    assert [step.ok for step in exporter.probe(NO_DOOR)] == [True]


def test_a_secret_has_no_place_in_a_file() -> None:
    (fault,) = csv_file(Column("a"), Column("token", static="x", secret=True)).faults()
    assert fault.index == 1
    assert "set secret to false or leave the column out" in fault.message


def test_a_file_needs_a_column() -> None:
    (fault,) = csv_file(Column("header:X", static="1")).faults()
    assert fault.message == "a file needs a column: header: mappings do nothing in files"
    assert list(csv_file(Column("header:X", static="1"), Column("a")).faults()) == []


def test_people_are_told_what_excel_and_headers_do() -> None:
    columns = [Column("a"), Column("header:X", static="1")]
    said = [(warning.index, warning.message) for warning in warnings_in(CsvSettings(), columns)]
    assert said[0] == (1, "header: mappings do nothing in files")
    assert said[1][0] == -1
    assert "leading zeros" in said[1][1]
    assert list(warnings_in(CsvSettings.model_validate({"preset": "tab"}), columns[:1])) == []
