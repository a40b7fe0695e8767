"""When a delivery is due: the period is interval + delay, on its whole multiples since 1970."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.rules.calendar import due_at

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
moments = st.timedeltas(timedelta(0), timedelta(days=80_000)).map(lambda since: EPOCH + since)
minutes = st.integers(0, 10_080)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-23T{text}+00:00")


@pytest.mark.parametrize(
    ("accepted", "interval", "delay", "due"),
    [
        ("10:07:30", 15, 0, "10:15:00"),
        ("10:07:30", 15, 5, "10:20:00"),
        ("10:15:00", 15, 0, "10:15:00"),
        ("10:15:00.000001", 15, 0, "10:30:00"),
        ("10:00:00", 15, 5, "10:00:00"),
        ("10:07:30", 1, 0, "10:08:00"),
        ("10:07:30", 0, 0, "10:07:30"),
        ("10:07:30", 0, 5, "10:12:30"),
        ("10:07:30", 0, 10_080, "10:07:30"),
    ],
)
def test_an_event_is_due_at_the_first_run_at_or_after_its_acceptance(
    accepted: str, interval: int, delay: int, due: str
):
    wanted = at(due) + timedelta(days=7 if delay == 10_080 else 0)
    assert due_at(at(accepted), interval=interval, delay=delay) == wanted


@given(accepted=moments, interval=minutes.filter(bool), delay=minutes)
def test_runs_fall_on_whole_multiples_of_the_period(accepted: datetime, interval: int, delay: int):
    due, period = due_at(accepted, interval=interval, delay=delay), timedelta(minutes=interval + delay)
    assert (due - EPOCH) % period == timedelta(0)
    assert accepted <= due < accepted + period
