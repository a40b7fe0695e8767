"""Fixtures for tests of the workers' processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from dev.redis import Redis as Server
from tests.integration.worker.file_works import FileWorks
from tests.integration.worker.rig import Rig
from tests.integration.worker.works import Works


@pytest.fixture
def empty_redis_url(redis_url: str) -> str:
    with Redis.from_url(redis_url) as redis:
        redis.flushdb()
    return redis_url


@pytest.fixture
def rig(empty_redis_url: str, tmp_path: Path) -> Iterator[Rig]:
    made = Rig(empty_redis_url, tmp_path)
    yield made
    made.clean()


@pytest.fixture
def mortal_rig(own_redis: Server, tmp_path: Path) -> Iterator[Rig]:
    """A rig whose Redis may be killed."""
    made = Rig(own_redis.start(), tmp_path)
    yield made
    made.clean()


@pytest.fixture
def works(fresh_database_url: str) -> Iterator[Works]:
    """An installation of this test alone, without Redis: nothing may rely on it."""
    made = Works(fresh_database_url)
    yield made
    made.close()


@pytest.fixture
def works_with_redis(fresh_database_url: str, empty_redis_url: str) -> Iterator[Works]:
    made = Works(fresh_database_url, empty_redis_url)
    yield made
    made.close()


@pytest.fixture
def files(fresh_database_url: str) -> Iterator[FileWorks]:
    """An installation of this test alone that makes files, with a file server in memory."""
    made = FileWorks(fresh_database_url)
    yield made
    made.close()
