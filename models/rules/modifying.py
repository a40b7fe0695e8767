"""What each modifier does in SQL. Empty stays empty, except in default; what cannot be read passes unchanged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Numeric, Text, case, cast, func

from models.rules.catalogue import FieldType
from models.rules.modifiers import Cut, Date, Default, Modifier, Number, Plain, Table
from models.rules.moments import Clock, Show
from models.rules.phone import digits, e164
from models.rules.sql import Expression, constant, filled, given, lower, matches, number, upper

# What Python's str.strip() takes, U+00A0 among it.
WHITE_SPACE = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)

# Bounded on both sides: round() cannot overflow on what this lets through.
_AMOUNT = "^[+-]?([0-9]{1,40}([.][0-9]{0,40})?|[.][0-9]{1,40})([eE][+-]?[0-9]{1,2})?$"


@dataclass(frozen=True, slots=True)
class Chain:
    """A value on its way through its modifiers.

    kind is its type so far: text after most modifiers. moment shows the exact time of a datetime field as long as
    nothing has changed its text.
    """

    text: Expression
    kind: FieldType
    moment: Callable[[Show], Expression] | None = None


def modified(chain: Chain, modifier: Modifier, *, clock: Clock, country: Expression) -> Chain:
    """Apply one modifier. country is the text of the order's country, for phone numbers."""
    match modifier:
        case Date():
            return Chain(_date(chain, modifier, clock), FieldType.TEXT)
        case Number(decimals):
            rounded = clock.scope.let([chain.text], lambda x: _rounded(x, decimals))
            return Chain(rounded, FieldType.DECIMAL)
        case Table():
            return Chain(clock.scope.let([chain.text], lambda x: _mapped(x, modifier)), FieldType.TEXT)
        case Default(text):
            return Chain(func.coalesce(chain.text, given(text), type_=Text()), chain.kind)
        case Cut(length):
            return Chain(func.left(chain.text, number(length), type_=Text()), FieldType.TEXT)
        case Plain.E164:
            return Chain(e164(clock.scope, chain.text, country), FieldType.TEXT)
        case plain:
            return Chain(_PLAIN[plain](chain.text), FieldType.TEXT)


def _date(chain: Chain, modifier: Date, clock: Clock) -> Expression:
    show = clock.formatted(modifier)
    if chain.moment:
        return chain.moment(show)
    # Our own text of a datetime is in the profile's zone, all other text is as the producer wrote it.
    zone = clock.zone if chain.kind is FieldType.DATETIME else clock.account
    return clock.dated(chain.text, show, zone=zone, day_zone=modifier.zone or clock.zone)


def _rounded(text: Expression, decimals: int) -> Expression:
    amount = func.round(cast(text, Numeric()), number(decimals))
    return case((matches(text, _AMOUNT), cast(amount, Text())), else_=text)


def _mapped(text: Expression, modifier: Table) -> Expression:
    whens: list[tuple[ColumnElement[bool], Expression]] = [(text.is_(None), text)]
    whens += [(text == given(key), filled(given(value))) for key, value in modifier.pairs]
    return case(*whens, else_=text if modifier.rest is None else filled(given(modifier.rest)))


def _trim(text: Expression) -> Expression:
    return filled(func.btrim(text, given(WHITE_SPACE)))


def _sha256(text: Expression) -> Expression:
    hashed = func.sha256(func.convert_to(text, constant("UTF8")))
    return func.encode(hashed, constant("hex"), type_=Text())


_PLAIN: dict[Plain, Callable[[Expression], Expression]] = {
    Plain.TRIM: _trim,
    Plain.LOWER: lower,
    Plain.UPPER: upper,
    Plain.DIGITS: lambda text: filled(digits(text)),
    Plain.SHA256: _sha256,
    Plain.MD5: lambda text: func.md5(text, type_=Text()),
}
