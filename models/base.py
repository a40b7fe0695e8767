"""The database: one Flask-SQLAlchemy extension, names for all constraints, exact decimals, bounded waits."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from time import monotonic
from typing import Any

import psycopg
import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from psycopg.pq import ExecStatus
from psycopg.types.json import set_json_loads
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.orm import DeclarativeBase, registry
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

OLDEST_POSTGRES = 17


class OldPostgres(Exception):
    """The server lacks pg_input_is_valid and pg_c_utf8."""


class Base(DeclarativeBase):
    """Base of all tables. Text is TEXT, JSON is JSONB, times are aware."""

    registry = registry(
        metadata=sa.MetaData(naming_convention=NAMES),
        type_annotation_map={
            str: sa.Text(),
            int: sa.BigInteger(),
            datetime: sa.DateTime(timezone=True),
            bytes: sa.LargeBinary(),
            Decimal: sa.Numeric(),
            dict[str, Any]: postgresql.JSONB(),
            list[str]: postgresql.ARRAY(sa.Text()),
        },
    )


db = SQLAlchemy(model_class=Base)

# psycopg would hand out floats: 199.00 must stay 199.00.
set_json_loads(lambda text: json.loads(text, parse_float=Decimal))


QUIET_SECONDS = 1.0
"""A pooled connection that was used so lately is not asked whether it lives: the question costs as much as a statement."""

_BACK_AT = "waybill.back_at"


LIMITS = {
    "timezone": "UTC",
    "statement_timeout": 30_000,
    "lock_timeout": 5_000,
    "idle_in_transaction_session_timeout": 15_000,
}
"""What every session is under: UTC, bounded statements, locks and idle transactions (milliseconds)."""

_KEEPALIVES = {
    # The server's end of the line: or the connections of a machine that vanished take up places for two hours.
    "tcp_keepalives_idle": 30,
    "tcp_keepalives_interval": 10,
    "tcp_keepalives_count": 3,
}


_OWN_SESSION = {"options": " ".join(f"-c {name}={value}" for name, value in (LIMITS | _KEEPALIVES).items())}
_SHARED_SESSION = {"prepare_threshold": None}


def engine_options(*, pool_size: int, asks: bool = True, pooled: bool = False) -> dict[str, Any]:
    """Options for every engine of ours.

    asks: a pooled connection that was quiet for a while is asked whether it lives; whoever outlives a lost one by
    himself saves the question. pooled: PgBouncer lends the server's connections by the transaction, so nothing may be
    left in a session: the limits are the role's (`give_limits_to_role`), and no statement is prepared.
    """
    return {
        "hide_parameters": True,  # customers must not stand in tracebacks
        "pool_size": pool_size,
        "max_overflow": 4,
        "pool_events": [(_note_return, "checkin"), (_ask_quiet, "checkout")] if asks else [],
        "pool_recycle": 600,
        "connect_args": {
            **(_SHARED_SESSION if pooled else _OWN_SESSION),
            "connect_timeout": 5,
            "application_name": "waybill",
            # Our end: where packets vanish without a word, half a minute is waited and not a quarter of an hour.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 4,
            "tcp_user_timeout": 30_000,
        },
    }


def _note_return(_driver: psycopg.Connection[Any] | None, record: ConnectionPoolEntry) -> None:
    record.info[_BACK_AT] = monotonic()


def _ask_quiet(driver: psycopg.Connection[Any], record: ConnectionPoolEntry, _lent: PoolProxiedConnection) -> None:
    """Raise InvalidatePoolError when the connection is lost: the pool makes new ones, and nobody notices."""
    now = monotonic()
    if now - record.info.get(_BACK_AT, now) > QUIET_SECONDS:
        answer = driver.pgconn.exec_(b"")
        if answer.status != ExecStatus.EMPTY_QUERY:
            raise InvalidatePoolError(driver.pgconn.get_error_message())


def refuse_old_postgres(connection: sa.Connection) -> None:
    """Raise OldPostgres with one sentence when the server is older than 17."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError("Waybill talks to Postgres through psycopg")
    major = driver.info.server_version // 10_000
    if major < OLDEST_POSTGRES:
        raise OldPostgres(f"Postgres {OLDEST_POSTGRES} or newer is required, the server is version {major}")


def give_limits_to_role(connection: sa.Connection) -> None:
    """Have every new session of this role in this database begin with the limits. The caller commits.

    The last word for who is behind a pooler; a session that brings limits of its own is not touched.
    """
    for name, value in LIMITS.items():
        connection.execute(
            sa.text(
                f"DO $$ BEGIN EXECUTE format('ALTER ROLE CURRENT_USER IN DATABASE %I SET {name} = %L',"
                f" current_database(), '{value}'); END $$"
            )
        )


def utc_now() -> datetime:
    """Say what time it is. Rules take the time as an argument; only edges call this."""
    return datetime.now(UTC)
