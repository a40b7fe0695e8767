"""Dates and times in SQL: what is read, and how it is written. Nothing here can raise in Postgres.

Read are YYYY-MM-DD, also followed by a time with or without an offset, and date objects such as
{"date": "2026-11-23 09:58:12.000000", "timezone": "UTC"}. 0000-00-00 is empty. All else passes unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import DateTime, Text, and_, case, cast, extract, func, literal_column

from models.rules.modifiers import Date
from models.rules.sql import (
    Expression,
    Scope,
    constant,
    filled,
    get_json,
    get_text,
    given,
    like,
    matches,
    null,
    number,
)

Show = Callable[[Expression], Expression]
"""Writes a timestamptz as text."""

_DAY = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_TIME = "^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?"
_LOCAL = f"{_TIME}$"
_WITH_OFFSET = f"{_TIME} ?([Zz]|[+-][0-9]{{2}}(:?[0-9]{{2}})?)$"
# Any other word after a time could be an instruction to Postgres: BC, PM, tomorrow.
_ZONE = "^([A-Z][A-Za-z]+/[A-Za-z0-9_+/-]+|UTC|GMT|Z|[ECMP][SD]T|[+-][0-9]{2}:?[0-9]{2})$"
_ZERO = "0000-00-00%"
_PLAIN_TIME = "____-__-__ __:__:__"
_PLAIN_DAY = "____-__-__"
_FORM = "YYYY-MM-DD HH24:MI:SS"


@dataclass(frozen=True, slots=True)
class Clock:
    """The zones of one profile: zone is what it writes, account is what times without an offset are in."""

    zone: str
    account: str
    scope: Scope

    def show(self, moment: Expression) -> Expression:
        """Write a moment as YYYY-MM-DD HH:MM:SS in the profile's zone."""
        return func.to_char(_at(moment, self.zone), constant(_FORM), type_=Text())

    def wire(self, order: Expression, key: Expression) -> Expression:
        """Write the datetime under a key. In one zone a time that already looks right is taken as it is."""
        slow = self.field(order, key, self.show)
        if self.zone != self.account:
            return slow
        text = get_text(order, key)
        return case((and_(like(text, _PLAIN_TIME), ~like(text, _ZERO)), text), else_=slow)

    def time(self, order: Expression, key: Expression) -> Expression:
        """Write only the time of day of the datetime under a key; NULL when it cannot be read."""

        def show(moment: Expression) -> Expression:
            return func.to_char(_at(moment, self.zone), constant("HH24:MI:SS"), type_=Text())

        return self.field(order, key, show, keeps_unread=False)

    def field(self, order: Expression, key: Expression, show: Show, *, keeps_unread: bool = True) -> Expression:
        """Show the datetime under a key, be it a text or a date object."""
        value, text = get_json(order, key), get_text(order, key)
        is_object = func.jsonb_typeof(value) == constant("object")
        zone = get_text(value, constant("timezone"))
        stated = case((and_(is_object, matches(zone, _ZONE)), zone), else_=given(self.account))
        day = case((is_object, get_text(value, constant("date"))), else_=text)
        unread = filled(text) if keeps_unread else null()
        return self._read(day, stated, None, unread, show)

    def dated(self, text: Expression, show: Show, *, zone: str, day_zone: str) -> Expression:
        """Show a text that may be a date; a bare day is midnight in day_zone, so that it is never shifted."""
        return self.scope.let([text], lambda x: self._read(x, given(zone), given(day_zone), x, show))

    def _read(
        self, text: Expression, zone: Expression, day_zone: Expression | None, unread: Expression, show: Show
    ) -> Expression:
        """Bring the text into a form that names its zone, cast it if that is valid, and show it."""
        blank = constant(" ")

        def stamp(day: Expression, zone: Expression, unread: Expression) -> Expression:
            full = case(
                (matches(day, _LOCAL), func.concat(day, blank, zone)),
                (matches(day, _WITH_OFFSET), day),
                (matches(day, _DAY), func.concat(day, blank, zone if day_zone is None else day_zone)),
                else_=null(),
            )
            return self.scope.let([full, day, unread], write)

        def write(full: Expression, day: Expression, unread: Expression) -> Expression:
            is_valid = func.pg_input_is_valid(full, constant("timestamptz"))
            moment = cast(full, DateTime(timezone=True))
            return case((is_valid, show(moment)), (like(day, _ZERO), null()), else_=unread)

        return self.scope.let([text, zone, unread], stamp)

    def formatted(self, how: Date) -> Show:
        """Make the Show of a date modifier."""
        zone = how.zone or self.zone
        if how.is_pattern:
            return lambda moment: filled(func.to_char(_at(moment, zone), given(how.form), type_=Text()))
        if how.form == "iso":
            return lambda moment: self.scope.let([moment], lambda m: _iso(m, zone))
        factor = 1000 if how.form == "unixms" else 1
        return lambda moment: cast(func.trunc(extract("epoch", moment) * number(factor)), Text())


def wire_day(scope: Scope, order: Expression, key: Expression) -> Expression:
    """Write the date under a key as YYYY-MM-DD. A time behind it is cut off, never shifted into another zone."""
    text = get_text(order, key)
    value = get_json(order, key)
    is_object = func.jsonb_typeof(value) == constant("object")
    day = case((is_object, get_text(value, constant("date"))), else_=text)
    slow = scope.let(
        [day, text],
        lambda x, whole: case(
            (like(x, _ZERO), null()),
            (matches(x, f"{_DAY[:-1]}[ T]"), func.left(x, number(10))),
            else_=filled(func.coalesce(x, whole)),
        ),
    )
    return case((and_(like(text, _PLAIN_DAY), ~like(text, _ZERO)), text), else_=slow)


def _at(moment: Expression, zone: str) -> Expression:
    return func.timezone(given(zone), moment)


def _iso(moment: Expression, zone: str) -> Expression:
    """Write 2026-11-23T09:58:12+00:00; to_char knows the session's offset only, so it is computed."""
    local, offset = _at(moment, zone), _at(moment, zone) - _at(moment, "UTC")
    is_west = offset < literal_column("interval '0'")
    size = case((is_west, -offset), else_=offset)
    return func.concat(
        func.to_char(local, constant('YYYY-MM-DD"T"HH24:MI:SS')),
        case((is_west, constant("-")), else_=constant("+")),
        func.to_char(size, constant("HH24:MI")),
        type_=Text(),
    )
