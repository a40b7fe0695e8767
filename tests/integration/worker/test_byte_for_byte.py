"""Every preset, every way of quoting, nasty values: the file equals what a slow writer makes of the same values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from exporters.csv_settings import PRESETS, CsvSettings
from tests.factories import engine_on
from tests.integration.worker.paper import Desk, field, static
from tests.integration.worker.reference_csv import ReferenceWriter

LONG = "Übergröße " * 8 + "m"
HEADER = ["first, name", "=total", LONG, LONG, 'say "yes"', "s"]
ROWS = [
    field("firstName", HEADER[0]),
    field("orderTotal", HEADER[1]),
    field("customerId", HEADER[2]),
    field("nextBillDate", HEADER[3]),
    field("hasUpsell", HEADER[4]),
    static('-1;"x', HEADER[5]),
]
KINDS = ["text", "number", "number", "date", "boolean", "text"]

NASTY = [
    "=1", "==1", "@x", "+1+1", "-1-1", "\tx", "\rx", "\nx", "\N{FULLWIDTH EQUALS SIGN}1", "-5.00", "+49 30 123", "-",
    'a"b', '"', '""', "a,b", "a;b", "a|b", "a\tb", "a\r\nb", "\r\n", "\n", " a ", "\\.", "\\N", "\\", "NULL", "null",
    "x\x01\x7f\u2028", "\ufeffx", "Łódź", "😀 漢字", "e\u0301", "'=1", "%s %(a)s :b", "--", "-1,5", "=" * 300,
]  # fmt: skip
SIGNS = st.sampled_from(list("=+-@\t\r\n\"',;|~^ 0123456789.aé😀\\"))
TEXTS = st.none() | st.sampled_from(NASTY) | st.text(SIGNS, max_size=12)
NUMBERS = st.integers(-(10**12), 10**12).map(str) | st.decimals(-1000, 1000, places=2).map(str) | TEXTS
DATES = st.sampled_from(["2026-12-23", "=2026-12-23", "-1", "soon; maybe"]) | st.none()
FLAGS = st.sampled_from([True, False, None, "=yes", "-"])
ORDERS = st.lists(st.tuples(TEXTS, NUMBERS, NUMBERS, DATES, FLAGS), min_size=1, max_size=30)


@pytest.fixture(scope="module")
def desk(database_url: str) -> Iterator[Desk]:
    with engine_on(database_url) as engine:
        yield Desk(engine)


def order(values: tuple[Any, ...]) -> dict[str, Any]:
    names = ("firstName", "orderTotal", "customerId", "nextBillDate", "hasUpsell")
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}


def cells(values: tuple[Any, ...]) -> list[str | None]:
    """What the projection makes of them: a flag is 1 or 0, a whole number loses .00."""
    first, total, customer, day, flag = values
    if isinstance(flag, bool):
        flag = "1" if flag else "0"
    whole, _, fraction = (customer or "").partition(".")
    if fraction and set(fraction) == {"0"} and is_plain_integer(whole):
        customer = whole
    return [first, total, customer, day, flag, '-1;"x']


def is_plain_integer(text: str) -> bool:
    bare = text.removeprefix("-")
    return bare == "0" or (bare.isascii() and bare.isdigit() and bare[0] != "0")


def reference(kinds: list[str], document: dict[str, Any]) -> ReferenceWriter:
    made = CsvSettings.model_validate(document)
    return ReferenceWriter(
        kinds=kinds,
        delimiter=made.delimiter,
        quote=made.quote,
        line_end="\r\n" if made.line_end == "crlf" else "\n",
        encoding=made.encoding,
        decimal_sign=made.decimal_sign,
        formula_guard=made.formula_guard,
        line_breaks=made.line_breaks,
    )


def assert_equal(desk: Desk, rows: list[tuple[Any, ...]], document: dict[str, Any]) -> None:
    written = desk.file(ROWS, *map(order, rows), **document).content
    assert written == reference(KINDS, document).file(HEADER, [cells(row) for row in rows])
    assert written.count(b"\xef\xbb\xbf") - str(rows).count("\\ufeff") == written.startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize("quote", ["needed", "text", "all"])
@pytest.mark.parametrize("preset", PRESETS)
def test_nasty_values_come_out_as_the_manual_says(desk: Desk, preset: str, quote: str) -> None:
    rows: list[tuple[Any, ...]] = [(text, text, text, text, text) for text in NASTY]
    rows += [(None,) * 5, ("a", "-5.50", "9.00", "2026-12-23", True), ("\n", "1.5", "-0.0", None, False)]
    for more in ({}, {"formulaGuard": False}, {"lineBreaks": "space"}, {"decimalSign": ",", "delimiter": ";"}):
        assert_equal(desk, rows, {"preset": preset, "quote": quote, **more})


@pytest.mark.parametrize("preset", PRESETS)
@settings(max_examples=20, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(
    rows=ORDERS,
    quote=st.sampled_from(["needed", "text", "all"]),
    guard=st.booleans(),
    breaks=st.sampled_from(["keep", "space"]),
)
def test_any_values_come_out_as_the_manual_says(
    desk: Desk, preset: str, rows: list[tuple[Any, ...]], quote: str, guard: bool, breaks: str
) -> None:
    assert_equal(desk, rows, {"preset": preset, "quote": quote, "formulaGuard": guard, "lineBreaks": breaks})


@pytest.mark.parametrize("quote", ["needed", "text", "all"])
def test_a_file_of_one_column_has_no_empty_line(desk: Desk, quote: str) -> None:
    values = [None, "", *(text for text in NASTY if text != "\\.")]
    document = {"preset": "standard", "quote": quote}
    written = desk.file([field("firstName", "=a")], *({"firstName": value} for value in values), **document).content
    assert written == reference(["text"], document).file(["=a"], [[value] for value in values])


def test_whether_a_lone_backslash_point_is_quoted_is_left_to_postgres(desk: Desk) -> None:
    """Old versions quote it where it would end a COPY; both forms read the same."""
    content = desk.file([field("firstName", "a")], {"firstName": "\\."}, preset="standard").content
    assert content in {b"a\r\n\\.\r\n", b'a\r\n"\\."\r\n'}
