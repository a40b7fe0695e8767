"""Engines for the tests of the models."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from tests.factories import engine_on


@pytest.fixture
def engine(fresh_database_url: str) -> Iterator[sa.Engine]:
    """An engine on a migrated database of this test alone."""
    with engine_on(fresh_database_url, pool_size=16) as engine:
        yield engine
