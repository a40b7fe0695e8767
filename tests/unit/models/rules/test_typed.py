"""The JSON type of a value: what fits is typed, what does not stays a text."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.rules.catalogue import FieldType
from models.rules.mapping import ValueType
from models.rules.typed import compact, converter, to_boolean, to_integer, to_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("199.00", Decimal("199.00")),
        ("-5", -5),
        ("0", 0),
        ("0.10", Decimal("0.10")),
        ("123456789012345678", 123456789012345678),
        ("1234567890123456.78", Decimal("1234567890123456.78")),
        ("1234567890123456789", "1234567890123456789"),
        ("007", "007"),
        ("1e5", "1e5"),
        ("1,234.50", "1,234.50"),
        ("+5", "+5"),
        (" 5", " 5"),
        ("5\n", "5\n"),
        ("\u0665", "\u0665"),
        ("NaN", "NaN"),
        (".5", ".5"),
    ],
)
def test_numbers_that_do_not_fit_stay_text(text: str, value: object) -> None:
    assert to_number(text) == value
    assert str(to_number(text)) == text


def test_a_whole_number_is_an_integer_and_a_fraction_is_not() -> None:
    assert to_integer("9.00") == 9
    assert to_integer("9") == 9
    assert to_integer("9.5") == "9.5"


@pytest.mark.parametrize(
    ("text", "value"), [("1", True), ("0", False), ("TRUE", True), ("No", False), ("maybe", "maybe")]
)
def test_booleans_are_read_in_many_forms(text: str, value: object) -> None:
    assert to_boolean(text) is value or to_boolean(text) == value


def test_text_dates_and_times_need_no_conversion() -> None:
    for kind in (ValueType.TEXT, FieldType.TEXT, FieldType.DATE, FieldType.DATETIME):
        assert converter(kind, str) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"b": 1.00, "a": [1, 2]}', ['{"b":1.00,"a":[1,2]}']),
        ('"a  b"', ['"a  b"']),
        ("Jane", "Jane"),
        ("NaN", "NaN"),
        ("[" * 100_000, "[" * 100_000),
        ("9" * 5000, ["9" * 5000]),
        ("{", "{"),
    ],
)
def test_only_valid_json_is_json(text: str, value: object) -> None:
    convert = converter(ValueType.JSON, lambda found: [found])
    assert convert is not None
    assert convert(text) == value


@given(st.text())
def test_no_text_makes_a_converter_raise(text: str) -> None:
    for kind in (ValueType.NUMBER, ValueType.INTEGER, ValueType.BOOLEAN, ValueType.JSON):
        convert = converter(kind, str)
        assert convert is not None
        convert(text)


def test_blanks_inside_strings_are_kept() -> None:
    assert compact('{"a b": "c \\" d", "e": [ 1 ,\n2 ]}') == '{"a b":"c \\" d","e":[1,2]}'
