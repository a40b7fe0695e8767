"""The cells of a CSV file: what becomes of a column's text, in SQL, and of a header, in Python.

One rule, twice: a text that begins with a sign by which spreadsheets know a formula gets a ' in front (CWE-1236). The
sign itself is kept, nothing is stripped. A text of one sign and then only digits, blanks, dots and commas is left as it
is, like a telephone number. Columns of numbers, dates and yes/no are safe by their type, not by their name: a value that
is none of its type is a text like any other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, Integer, Text, and_, case, func, literal_column, not_

from models.rules.catalogue import FieldType
from models.rules.mapping import ValueType
from models.rules.sql import Expression, constant, lower, matches, one_of


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    BOOLEAN = "boolean"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How cells are written. quote: needed, text, all. is_guarded: formulas are kept from running."""

    delimiter: str = ","
    quote: str = "needed"
    decimal_sign: str = "."
    is_guarded: bool = True
    keeps_line_breaks: bool = True


# = + - @ TAB LF CR, and the full-width forms that Excel takes for = + - @.
_FORMULA = (61, 43, 45, 64, 9, 10, 13, 65291, 65293, 65309, 65312)
_FORMULA_SIGNS = frozenset(map(chr, _FORMULA))
_CODES = ", ".join(map(str, _FORMULA))
_AMOUNT = r"[+-][0-9 .,]*"
_NUMBER = "^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+)?$"
_FRACTION = "^[+-]?[0-9]*[.][0-9]+$"
_WHOLE = "^-?(0|[1-9][0-9]*)[.]0+$"

_KINDS: dict[ValueType | FieldType, Kind] = {
    ValueType.NUMBER: Kind.NUMBER,
    ValueType.INTEGER: Kind.NUMBER,
    ValueType.BOOLEAN: Kind.BOOLEAN,
    FieldType.INTEGER: Kind.NUMBER,
    FieldType.DECIMAL: Kind.NUMBER,
    FieldType.BOOLEAN: Kind.BOOLEAN,
    FieldType.DATE: Kind.DATE,
    FieldType.DATETIME: Kind.DATE,
}


def kind_of(held: ValueType | FieldType) -> Kind:
    """Say what a column of the projection holds; JSON is text."""
    return _KINDS.get(held, Kind.TEXT)


def cell(given: Expression, held: ValueType | FieldType, dialect: Dialect, *, is_alone: bool) -> Expression:
    """Write one cell over a column of the projection, which must be a plain name: it is used several times.

    is_alone: the file has no other column, so an empty cell must be quoted, or its line would be empty.
    """
    kind, text = kind_of(held), _as_typed(given, held)
    written = text
    if kind is Kind.NUMBER and dialect.decimal_sign != ".":
        written = _with_comma(text)
    if dialect.is_guarded:
        written = _guard(text, kind, written)
    if not dialect.keeps_line_breaks:
        written = _on_one_line(written)
    if dialect.quote == "all" or is_alone:
        written = func.coalesce(written, constant(""), type_=Text())
    return written


def copy_options(kinds: Sequence[Kind], dialect: Dialect) -> str:
    """Write the options of COPY for columns c1 to cN."""
    quoted = [f"c{number}" for number, kind in enumerate(kinds, start=1) if _is_forced(kind, dialect)]
    force = f", FORCE_QUOTE ({', '.join(quoted)})" if quoted else ""
    delimiter = "E'\\t'" if dialect.delimiter == "\t" else f"'{dialect.delimiter}'"
    return f"(FORMAT csv, DELIMITER {delimiter}, ENCODING 'UTF8'{force})"


def guarded(text: str) -> str:
    """Guard a text known here: a header, as `cell` does it."""
    if text[:1] in _FORMULA_SIGNS and not re.fullmatch(_AMOUNT, text):
        return f"'{text}"
    return text


def header_line(names: Sequence[str], dialect: Dialect) -> str:
    """Write the line of headers, without its end. COPY would cut names of over 63 bytes."""
    shown = [guarded(name) if dialect.is_guarded else name for name in names]
    return dialect.delimiter.join(_quoted(name, dialect) for name in shown)


def _quoted(text: str, dialect: Dialect) -> str:
    if dialect.quote != "needed" or any(sign in text for sign in (dialect.delimiter, '"', "\r", "\n")):
        doubled = text.replace('"', '""')
        return f'"{doubled}"'
    return text


def _is_forced(kind: Kind, dialect: Dialect) -> bool:
    return dialect.quote == "all" or (dialect.quote == "text" and kind is Kind.TEXT)


def _as_typed(text: Expression, held: ValueType | FieldType) -> Expression:
    """Write what a postback would: 9.00 of a whole number is 9, "yes" of a yes/no is 1. See models.rules.typed."""
    if held in (ValueType.INTEGER, FieldType.INTEGER):
        is_whole = and_(_has_point(text), matches(text, _WHOLE))
        return case((is_whole, func.split_part(text, constant("."), literal_column("1"))), else_=text)
    if held is ValueType.BOOLEAN:
        word = lower(text)
        yes, no = one_of(word, ("1", "true", "yes")), one_of(word, ("0", "false", "no"))
        return case((yes, constant("1")), (no, constant("0")), else_=text)
    return text


def _guard(text: Expression, kind: Kind, written: Expression) -> Expression:
    code = func.ascii(text, type_=Integer())
    if kind is Kind.NUMBER:
        is_amount = matches(text, _NUMBER)
    else:
        rest = func.translate(func.substr(text, literal_column("2")), constant("0123456789 .,"), constant(""))
        is_sign = code.op("IN", is_comparison=True)(literal_column("(43, 45)"))
        is_amount = and_(is_sign, rest == constant(""))
    may_run = code.op("IN", is_comparison=True)(literal_column(f"({_CODES})"))
    prefixed = constant("'").op("||", return_type=Text())(written)
    return case((and_(may_run, not_(is_amount)), prefixed), else_=written)


def _with_comma(text: Expression) -> Expression:
    has_point = func.strpos(text, constant("."), type_=Integer()) > literal_column("0")
    return case(
        (and_(has_point, matches(text, _FRACTION)), func.translate(text, constant("."), constant(","))), else_=text
    )


def _has_point(text: Expression) -> ColumnElement[bool]:
    """Ask this before a regular expression: it costs a twentieth."""
    return func.strpos(text, constant("."), type_=Integer()) > literal_column("0")


def _on_one_line(text: Expression) -> Expression:
    """Make a blank of every line break; CR LF is one."""
    pairs = func.replace(text, literal_column("E'\\r\\n'"), constant(" "))
    return func.translate(pairs, literal_column("E'\\r\\n'"), constant("  "), type_=Text())
