"""The lines of the history, word for word."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from models.history_lines import Export, attempt_words, export_text

NOW = datetime(2026, 11, 23, 10, 40, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def _export(**changes: Any) -> Export:
    given: dict[str, Any] = {
        "subject": "Order B94140F702 (Partial)",
        "profile": "Calls",
        "profile_id": 3,
        "state": "pending",
        "reason": None,
        "due_at": NOW + timedelta(seconds=67),
        "tries": 4,
        "tried": "404 Not Found",
    }
    return Export(**given | changes)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"state": "delivered", "tried": "200 OK"}, 'Order B94140F702 (Partial) exported to "Calls" (3): 200 OK.'),
        ({}, 'Order B94140F702 (Partial) not exported to "Calls" (3): 404 Not Found. Try 4, next 10:41:07.'),
        (
            {"state": "skipped", "reason": "test card"},
            'Order B94140F702 (Partial) not exported to "Calls" (3): skipped: test card',
        ),
        (
            {"state": "cancelled", "reason": "cancelled by olga@example.com: no longer wanted"},
            'Order B94140F702 (Partial) not exported to "Calls" (3): cancelled by olga@example.com: no longer wanted',
        ),
        (
            {"state": "held", "reason": "paused"},
            'Order B94140F702 (Partial) not exported to "Calls" (3): 404 Not Found. Try 4, held: paused.',
        ),
        (
            {"tried": None, "tries": 0},
            'Order B94140F702 (Partial) not yet exported to "Calls" (3): next 10:41:07',
        ),
        (
            {"due_at": NOW + timedelta(hours=20)},
            'Order B94140F702 (Partial) not exported to "Calls" (3): 404 Not Found. Try 4, next 2026-11-24 06:40:00.',
        ),
    ],
)
def test_a_line(changes: dict[str, Any], line: str) -> None:
    assert export_text(_export(**changes), now=NOW, zone=ZoneInfo("UTC")) == line


def test_times_are_the_accounts() -> None:
    assert export_text(_export(), now=NOW, zone=BERLIN).endswith("next 11:41:07.")


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [(200, None, "200 OK"), (204, None, "204 No Content"), (299, None, "299"), (200, "200 OK, but", "200 OK, but")],
)
def test_an_attempt_in_words(status: int, error: str | None, words: str) -> None:
    assert attempt_words(status, error) == words
