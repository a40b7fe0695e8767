"""The text of a value -> its JSON type. What does not fit stays a text: sent as a string, never lost."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

from models.rules.catalogue import FieldType
from models.rules.mapping import ValueType

J = TypeVar("J")
Plain = str | int | Decimal | bool
MAX_DIGITS = 18  # what every receiver's 64-bit integer takes


def converter(kind: ValueType | FieldType, as_json: Callable[[str], J]) -> Callable[[str], Plain | J] | None:
    """Choose how a text of this type is read; None when it stays as it is. as_json marks compact JSON text."""
    if kind in (ValueType.NUMBER, FieldType.DECIMAL):
        return to_number
    if kind in (ValueType.INTEGER, FieldType.INTEGER):
        return to_integer
    if kind in (ValueType.BOOLEAN, FieldType.BOOLEAN):
        return to_boolean
    if kind in (ValueType.JSON, FieldType.JSON):
        return lambda text: _to_json(text, as_json)
    return None


_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_BOOLEANS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


def to_number(text: str) -> Plain:
    """Read 199.00 with its digits kept; letters, a leading zero or over 18 digits leave the text."""
    if not _NUMBER.fullmatch(text) or sum(map(text.count, "-.")) + MAX_DIGITS < len(text):
        return text
    return Decimal(text) if "." in text else int(text)


def to_integer(text: str) -> Plain:
    """Read a whole number, also 9.00 as 9; a fraction leaves the text."""
    number = to_number(text)
    if isinstance(number, Decimal):
        return int(number) if number == number.to_integral_value() else text
    return number


def to_boolean(text: str) -> Plain:
    """Read 1, true, yes and 0, false, no in any case."""
    return _BOOLEANS.get(text.lower(), text)


def _to_json(text: str, as_json: Callable[[str], J]) -> Plain | J:
    if not is_json(text):
        return text
    return as_json(compact(text))


def is_json(text: str) -> bool:
    """Whether this is JSON by the standard: no NaN, no Infinity, no absurd depth."""
    try:
        json.loads(text, parse_constant=_refuse, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(name: str) -> None:
    raise ValueError(name)


_BLANKS = re.compile(r'("(?:[^"\\]|\\.)*")|[ \t\r\n]+')


def compact(text: str) -> str:
    """Take the blanks out of valid JSON, but not those inside its strings; numbers keep every digit."""
    return _BLANKS.sub(r"\1", text)
