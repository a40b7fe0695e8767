"""What the query string asks for, cut to what Postgres takes: hostile text is never a 500."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import abort, request

from web import zone

BIGGEST = 2**63 - 1


def text(name: str, *, longest: int = 300) -> str:
    """Give a text of the query string, trimmed, without NUL; empty when missing."""
    return request.args.get(name, "").replace("\x00", "").strip()[:longest]


def number(name: str) -> int | None:
    """Give a positive whole number of the query string that fits a bigint; None for anything else."""
    given = text(name)
    return int(given) if given.isascii() and given.isdecimal() and int(given) <= BIGGEST else None


def moment(name: str) -> datetime | None:
    """Give a time of the query string, in the person's zone unless it says another; None for anything else."""
    try:
        given = datetime.fromisoformat(text(name))
        return (given if given.tzinfo else given.replace(tzinfo=zone.of_person())).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def row_id(given: int) -> int:
    """Give back an id out of a path; 404 when no row can have it."""
    if given > BIGGEST:
        abort(404)
    return given
