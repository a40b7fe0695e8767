"""Pooled connections: one that rested is asked whether it lives before somebody gets it."""

from __future__ import annotations

from time import sleep

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from models.base import QUIET_SECONDS
from tests.factories import engine_on

SHOOT = sa.text(
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid = ANY(:pids) AND pid <> pg_backend_pid()"
)
WHO = sa.text("SELECT pg_backend_pid()")


def rested_and_lost(engine: sa.Engine, outside: sa.Engine) -> int:
    """Use a connection, give it back, and have the server end it. Returns whose it was."""
    with engine.connect() as connection:
        pid: int = connection.execute(WHO).scalar_one()
    with outside.connect() as connection:
        assert connection.execute(SHOOT, {"pids": [pid]}).scalar_one() == 1
    return pid


def test_a_connection_lost_while_it_rested_is_replaced_and_nobody_notices(database_url: str) -> None:
    with engine_on(database_url) as engine, engine_on(database_url) as outside:
        lost = rested_and_lost(engine, outside)
        sleep(QUIET_SECONDS + 0.1)

        with engine.connect() as connection:
            assert connection.execute(WHO).scalar_one() != lost


def test_a_connection_lost_at_once_costs_one_error_and_no_second(database_url: str) -> None:
    with engine_on(database_url) as engine, engine_on(database_url) as outside:
        rested_and_lost(engine, outside)
        with pytest.raises(OperationalError), engine.connect() as connection:
            connection.execute(WHO)

        with engine.connect() as connection:
            assert connection.execute(WHO).scalar_one()
