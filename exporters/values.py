"""One mapped value as text: in a query, a form, a header, or as JSON."""

from __future__ import annotations

from decimal import Decimal
from json.encoder import encode_basestring

from exporters.base import Json, Value
from exporters.errors import Unsendable


def is_empty(value: Value) -> bool:
    """Say whether a value counts as empty: missing, null or no text."""
    return value is None or value == ""


def plain_text(value: Value) -> str:
    """Return the text outside JSON: true is 1, amounts keep their digits, empty is no text."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Decimal):
        return _digits(value)
    return value.text if isinstance(value, Json) else str(value)


def json_text(value: Value) -> str:
    """Return compact JSON, UTF-8 unescaped. Raises Unsendable for what JSON cannot say."""
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return _digits(value)
    return value.text if isinstance(value, Json) else str(value)


def _digits(amount: Decimal) -> str:
    if not amount.is_finite():
        raise Unsendable("an amount is not a number")
    return format(amount, "f")
