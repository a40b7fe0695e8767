"""What stands against taking events, as the database tells it."""

from types import SimpleNamespace
from typing import Any

from web.readiness import _refusals

GOOD: dict[str, Any] = {
    "version": 17,
    "has_events": True,
    "is_read_only": False,
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "tick_age": 1,
}


def refusals(**state: Any) -> list[str]:
    row: Any = SimpleNamespace(**(GOOD | state))
    return list(_refusals(row))


def test_a_database_as_it_should_be_is_not_refused() -> None:
    assert refusals() == []


def test_an_old_postgres_is_named_with_both_versions_and_nothing_else() -> None:
    told = ["Postgres 17 or newer is required, the server is version 16"]
    assert refusals(version=16, has_events=False) == told


def test_settings_that_could_lose_events_are_named() -> None:
    assert refusals(fsync="off") == ["fsync is off: a crash could lose events"]
