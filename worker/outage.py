"""Which errors mean that Postgres is away or refuses for now, and which that it will never take what it was given."""

from __future__ import annotations

from typing import Final

import psycopg
import sqlalchemy as sa

# Postgres names a row's fault by these; all else it says passes: restarts, lost connections, locks, full disks.
REFUSALS: Final = (
    sa.exc.DataError,
    sa.exc.IntegrityError,
    sa.exc.ProgrammingError,
    sa.exc.NotSupportedError,
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.ProgrammingError,
    psycopg.NotSupportedError,
    UnicodeError,
)

DATABASE_ERRORS: Final = (sa.exc.SQLAlchemyError, psycopg.Error)


def is_outage(error: Exception) -> bool:
    """Say whether the same will work on a new connection, now or later."""
    return isinstance(error, DATABASE_ERRORS) and not isinstance(error, REFUSALS)


def in_short(error: Exception) -> str:
    """Give the first line of what the driver said: no statement, no parameters."""
    origin = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig is not None else error
    return f"{type(origin).__name__}: {origin}".partition("\n")[0]
