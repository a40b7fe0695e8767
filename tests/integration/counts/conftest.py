"""A Postgres of these tests alone, so that what is counted is theirs and nothing in the background adds to it."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from dev.postgres import Postgres
from tests.integration.counts.ledger import Ledger
from tests.integration.worker.works import Works
from tests.servers import migrate

QUIET = {
    "autovacuum": "off",
    "full_page_writes": "off",  # how many whole pages are logged depends on when the last checkpoint was
    "wal_compression": "off",
    "pg_stat_statements.track": "top",
    "pg_stat_statements.track_utility": "on",
}


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    folder: Path = tmp_path_factory.mktemp("counted")
    server = Postgres(folder)
    url = server.start()
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            for name, value in QUIET.items():
                connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("CREATE EXTENSION pg_stat_statements")
        migrate(url)
        yield Ledger(url, folder / "trace")
    finally:
        server.stop()


@pytest.fixture
def works(ledger: Ledger) -> Iterator[Works]:
    made = Works(ledger.url)
    yield made
    made.close()
