"""What the query string asks for, cut to what Postgres takes: hostile text is never a 500."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import TypeVar

from flask import abort, g, request

from web import zone

T = TypeVar("T")

BIGGEST = 2**63 - 1


def text(name: str, *, longest: int = 300) -> str:
    """Give a text of the query string, trimmed, without NUL; empty when missing."""
    return request.args.get(name, "").replace("\x00", "").strip()[:longest]


def number(name: str) -> int | None:
    """Give a whole number of the query string that fits a bigint, from 0; None for anything else, which is left out."""
    given = text(name)
    if given.isascii() and given.isdecimal() and int(given) <= BIGGEST:
        return int(given)
    _leave_out(name)
    return None


def one_of(name: str, known: Collection[str]) -> str:
    """Give a word of the query string that is known; empty for anything else, which is left out."""
    given = text(name)
    if given in known:
        return given
    _leave_out(name)
    return ""


def read(name: str, reader: Callable[[str], T | None]) -> T | None:
    """Give what a reader makes of a text of the query string; what it makes None of is left out."""
    found = reader(given) if (given := text(name)) else None
    if found is None:
        _leave_out(name)
    return found


def moment(name: str) -> datetime | None:
    """Give a time of the query string, in the person's zone unless it says another; None for anything else, left out."""
    try:
        given = datetime.fromisoformat(text(name))
        return (given if given.tzinfo else given.replace(tzinfo=zone.of_person())).astimezone(UTC)
    except (ValueError, OverflowError):
        _leave_out(name)
        return None


def row_id(given: int) -> int:
    """Give back an id out of a path; 404 when no row can have it."""
    if given > BIGGEST:
        abort(404)
    return given


def left_out() -> list[tuple[str, str]]:
    """Give what this request asks for and nobody could read, as name and text: the page says so."""
    return list(g.get("left_out", {}).items())


def _leave_out(name: str) -> None:
    if given := text(name):
        g.setdefault("left_out", {})[name] = given[:60]
