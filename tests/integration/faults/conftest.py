"""Installations of one test alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.worker.file_works import FileWorks
from tests.integration.worker.works import Works


@pytest.fixture
def works(fresh_database_url: str) -> Iterator[Works]:
    """Without Redis: nothing may rely on it."""
    made = Works(fresh_database_url)
    yield made
    made.close()


@pytest.fixture
def files(fresh_database_url: str) -> Iterator[FileWorks]:
    """With a file server in memory."""
    made = FileWorks(fresh_database_url)
    yield made
    made.close()
