"""Cells and headers, as far as no database is needed."""

from __future__ import annotations

import pytest

from models.rules.catalogue import FieldType
from models.rules.cells import Dialect, Kind, copy_options, guarded, header_line, kind_of
from models.rules.mapping import ValueType


@pytest.mark.parametrize(
    "text",
    ["=1", "==1", "@x", "+1+1", "-1-1", "\tx", "\rx", "\nx", "\N{FULLWIDTH EQUALS SIGN}1", "\N{FULLWIDTH PLUS SIGN}1"],
)
def test_a_header_that_would_run_is_guarded(text: str) -> None:
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "x", "-5.00", "+49 30 123", "-", "1=1", "'=1", "-1,5", "x@y"])
def test_a_header_that_would_not_run_stays(text: str) -> None:
    assert guarded(text) == text


def test_headers_are_quoted_where_needed_or_always() -> None:
    names = ["a", 'b"c', "d;e", "f,g", "=h"]
    assert header_line(names, Dialect(delimiter=";")) == 'a;"b""c";"d;e";f,g;\'=h'
    assert header_line(["a", "b"], Dialect(quote="text")) == '"a","b"'
    assert header_line(["=h"], Dialect(is_guarded=False)) == "=h"


def test_a_long_header_is_not_cut() -> None:
    assert header_line(["é" * 80], Dialect()) == "é" * 80


def test_what_the_type_of_a_mapping_makes_of_a_column() -> None:
    held: list[ValueType | FieldType] = [
        ValueType.NUMBER,
        FieldType.INTEGER,
        FieldType.BOOLEAN,
        FieldType.DATETIME,
        ValueType.JSON,
        ValueType.TEXT,
    ]
    kinds = [Kind.NUMBER, Kind.NUMBER, Kind.BOOLEAN, Kind.DATE, Kind.TEXT, Kind.TEXT]
    assert [kind_of(one) for one in held] == kinds


def test_the_options_of_copy() -> None:
    kinds = [Kind.TEXT, Kind.NUMBER, Kind.TEXT]
    assert copy_options(kinds, Dialect()) == "(FORMAT csv, DELIMITER ',', ENCODING 'UTF8')"
    assert copy_options(kinds, Dialect(delimiter="\t", quote="text")) == (
        "(FORMAT csv, DELIMITER E'\\t', ENCODING 'UTF8', FORCE_QUOTE (c1, c3))"
    )
    assert "FORCE_QUOTE (c1, c2, c3)" in copy_options(kinds, Dialect(quote="all"))
