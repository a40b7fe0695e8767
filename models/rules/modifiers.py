"""Modifiers: text such as `date:YYYY-MM-DD:Europe/Berlin` -> a small frozen thing. What each does in SQL: modifying.py."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from zoneinfo import available_timezones

MAX_MODIFIERS = 20
_MAX_LENGTH = 4000


class Plain(StrEnum):
    """The modifiers without an argument."""

    TRIM = "trim"
    LOWER = "lower"
    UPPER = "upper"
    DIGITS = "digits"
    E164 = "e164"
    SHA256 = "sha256"
    MD5 = "md5"


@dataclass(frozen=True, slots=True)
class Date:
    """Write a time by a to_char pattern, or as iso, unix or unixms. zone None is the profile's."""

    form: str
    zone: str | None
    is_pattern: bool


@dataclass(frozen=True, slots=True)
class Number:
    """Round to so many decimals, half away from zero."""

    decimals: int


@dataclass(frozen=True, slots=True)
class Table:
    """Replace whole values; case counts. rest replaces all others, None leaves them."""

    pairs: tuple[tuple[str, str], ...]
    rest: str | None


@dataclass(frozen=True, slots=True)
class Default:
    """Stand in for an empty value."""

    text: str


@dataclass(frozen=True, slots=True)
class Cut:
    """Keep the first characters (not bytes)."""

    length: int


Modifier = Plain | Date | Number | Table | Default | Cut


class BadModifier(ValueError):
    """A modifier that cannot be read; the message is for people and says what to write."""


def parse(text: str) -> Modifier:
    """Read one modifier. Raises BadModifier."""
    if len(text) > _MAX_LENGTH:
        raise BadModifier(f"A modifier has at most {_MAX_LENGTH} characters.")
    name, colon, argument = text.partition(":")
    name = name.strip(" ")
    if not colon and name in _PLAIN:
        return Plain(name)
    if colon and name in _WITH_ARGUMENT:
        return _WITH_ARGUMENT[name](argument)
    raise BadModifier(_unknown(name))


def is_time_zone(name: str) -> bool:
    """Whether this is UTC or a place's zone such as Europe/Berlin, by its exact name."""
    return name == "UTC" or ("/" in name and name in _zones())


_PLAIN = frozenset(plain.value for plain in Plain)


@cache
def _zones() -> frozenset[str]:
    return frozenset(name for name in available_timezones() if not name.startswith(("posix/", "right/")))


def _unknown(name: str) -> str:
    if name in _PLAIN:
        return f'"{name}" takes no argument; write {name} alone.'
    if name in _WITH_ARGUMENT:
        return f'"{name}" needs an argument: {_EXAMPLES[name]}.'
    near = difflib.get_close_matches(name[:40].lower(), [*Plain, *_WITH_ARGUMENT], n=2)
    hint = " or ".join(near) or ", ".join([*Plain, *_EXAMPLES.values()])
    return f'There is no modifier "{name[:40]}". Did you mean {hint}?'


def _date(argument: str) -> Date:
    form, zone = _split_zone(argument)
    if form in ("iso", "unix", "unixms"):
        return Date(form, zone, is_pattern=False)
    return Date(_pattern(form), zone, is_pattern=True)


def _split_zone(argument: str) -> tuple[str, str | None]:
    """Cut the zone off the end; a format may hold colons itself (HH:MM)."""
    form, colon, last = argument.rpartition(":")
    if colon and is_time_zone(last):
        return form, last
    if colon and re.fullmatch(r"[A-Z][A-Za-z]+/[A-Za-z0-9_+/-]+", last):
        raise BadModifier(f'"{last[:40]}" is not a time zone; write one like Europe/Berlin or UTC.')
    return argument, None


_TOKENS = re.compile(r"YYYY|YY|MM|DD|HH|SS")
_TO_CHAR = {"HH": "HH24"}


def _pattern(form: str) -> str:
    """Turn YYYY YY MM DD HH SS into a to_char pattern; MM right after HH is minutes; all else stands for itself."""
    parts: list[str] = []
    last, end = "", 0
    for token in _TOKENS.finditer(form):
        parts.append(_literal(form[end : token.start()]))
        is_minutes = token[0] == "MM" and last == "HH"
        parts.append("MI" if is_minutes else _TO_CHAR.get(token[0], token[0]))
        last, end = token[0], token.end()
    if not last:
        raise BadModifier("A date format needs YYYY, YY, MM, DD, HH or SS, or is iso, unix or unixms.")
    return "".join([*parts, _literal(form[end:])])


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if text else ""


def _number(argument: str) -> Number:
    return Number(_whole(argument, "number", 0, 10))


def _cut(argument: str) -> Cut:
    return Cut(_whole(argument, "cut", 1, 100_000))


def _whole(argument: str, name: str, low: int, high: int) -> int:
    text = argument.strip(" ")
    if not re.fullmatch(r"[0-9]{1,6}", text) or not low <= int(text) <= high:
        raise BadModifier(f'"{name}" takes a whole number from {low} to {high}: {_EXAMPLES[name]}.')
    return int(text)


def _default(argument: str) -> Default:
    if not argument:
        raise BadModifier('"default" needs a text: default:unknown.')
    return Default(argument)


def _table(argument: str) -> Table:
    pairs: dict[str, str] = {}
    rest: str | None = None
    for part in _split(argument, ","):
        key, value = _pair(part)
        if key == "*":
            is_repeated, rest = rest is not None, value
        else:
            key = _unescape(key)
            is_repeated = key in pairs
            pairs[key] = value
        if is_repeated:
            raise BadModifier(f'"map" names "{key[:40]}" twice.')
    return Table(tuple(pairs.items()), rest)


def _pair(part: str) -> tuple[str, str]:
    """Cut one a=b; the key stays escaped, so that a literal star is told from the rest."""
    sides = _split(part, "=")
    if len(sides) != 2 or not sides[0]:
        raise BadModifier('"map" is a list of a=b, with *=x for the rest; write \\, and \\= for the signs themselves.')
    return sides[0], _unescape(sides[1])


def _split(text: str, sign: str) -> list[str]:
    return re.split(rf"(?<!\\){sign}", text)


def _unescape(text: str) -> str:
    return re.sub(r"\\([,=*])", r"\1", text)


_WITH_ARGUMENT: dict[str, Callable[[str], Modifier]] = {
    "date": _date,
    "number": _number,
    "map": _table,
    "default": _default,
    "cut": _cut,
}

_EXAMPLES = {
    "date": "date:YYYY-MM-DD HH:MM:Europe/Berlin",
    "number": "number:2",
    "map": "map:USD=US,*=other",
    "default": "default:unknown",
    "cut": "cut:20",
}
