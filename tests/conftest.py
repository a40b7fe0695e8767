"""Fixtures for all tests: real servers, lent by tests/servers.py.

Nothing starts before a test asks for it, so unit tests cost nothing.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.redis import Redis
from tests import servers as test_servers
from tests.servers import Servers


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Be a user of this work tree's test servers until the session ends."""
    with test_servers.in_use() as lent:
        yield lent


@pytest.fixture(scope="session")
def postgres_url(servers: Servers) -> str:
    """The maintenance database of the Postgres server: to make databases from, not to put tables into."""
    return servers.postgres_url()


@pytest.fixture(scope="session")
def database_url(servers: Servers) -> Iterator[str]:
    """A migrated database, shared by all tests of one xdist worker."""
    with servers.database() as url:
        yield url


@pytest.fixture
def fresh_database_url(servers: Servers) -> Iterator[str]:
    """A migrated database of this test alone (about 50 ms): for tests that commit what others must not see."""
    with servers.database() as url:
        yield url


@pytest.fixture
def empty_database_url(servers: Servers) -> Iterator[str]:
    """A database of this test alone with nothing in it: for tests of the migrations."""
    with servers.database(migrated=False) as url:
        yield url


@pytest.fixture(scope="session")
def redis_url(servers: Servers) -> Iterator[str]:
    """A Redis database of one xdist worker, empty at first. The server is shared: no FLUSHALL, no CONFIG, no kill."""
    with servers.redis_url() as url:
        yield url


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Redis]:
    """A started Redis server of this test alone, to be killed, flushed and started again."""
    server = Redis(tmp_path / "redis")
    server.start()
    yield server
    server.stop()
