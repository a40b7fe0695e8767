from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest

from models.base import OldPostgres, refuse_old_postgres


class Server(psycopg.Connection[Any]):
    """A connection to a server of some version: one so old cannot be had from a wheel."""

    def __init__(self, version: int) -> None:
        self._version = version

    @property
    def info(self) -> Any:
        return SimpleNamespace(server_version=self._version)

    def __del__(self, *_: object) -> None:
        """There is nothing to close."""


def connected_to(version: int) -> Any:
    return cast("Any", SimpleNamespace(connection=SimpleNamespace(driver_connection=Server(version))))


def test_postgres_16_is_refused_with_both_versions():
    with pytest.raises(OldPostgres, match="Postgres 17 or newer is required, the server is version 16"):
        refuse_old_postgres(connected_to(160_009))


def test_postgres_17_is_welcome():
    refuse_old_postgres(connected_to(170_000))
