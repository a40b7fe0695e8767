"""When a failed delivery is due again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.rules.again import Pace, due_again

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
DEFAULT = Pace(timedelta(seconds=15), timedelta(hours=1))
LUCKIEST = 0.999999999


def wait(failures: int, luck: float, *, pace: Pace = DEFAULT, retry_after: timedelta | None = None) -> float:
    due = due_again(failures=failures, now=NOW, pace=pace, retry_after=retry_after, luck=luck)
    return round((due - NOW).total_seconds(), 3)


@pytest.mark.parametrize(
    ("failures", "longest"), [(1, 30), (2, 60), (3, 120), (4, 240), (7, 1920), (8, 3600), (9, 3600), (10_000, 3600)]
)
def test_the_wait_is_drawn_between_a_third_of_the_first_and_a_doubling_ceiling(failures: int, longest: int):
    assert wait(failures, 0.0) == 5
    assert wait(failures, 0.5) == max(5, longest / 2)
    assert wait(failures, LUCKIEST) == longest


def test_retry_after_only_lengthens_the_wait():
    assert wait(1, 0.5, retry_after=timedelta(seconds=1)) == 15
    assert wait(1, 0.5, retry_after=timedelta(seconds=100)) == 100


def test_retry_after_is_at_most_a_day():
    assert wait(1, 0.5, retry_after=timedelta(days=3650)) == 86_400


def test_a_retry_after_in_the_past_is_ignored():
    assert wait(1, 0.5, retry_after=timedelta(seconds=-1)) == 15


@given(
    failures=st.integers(1, 10**9),
    first=st.integers(1, 3600),
    cap=st.integers(1, 86_400),
    luck=st.floats(0, 1, exclude_max=True),
)
def test_no_number_of_failures_and_no_pace_breaks_it(failures: int, first: int, cap: int, luck: float):
    pace = Pace(timedelta(seconds=first), timedelta(seconds=cap))
    assert first / 3 - 0.001 <= wait(failures, luck, pace=pace) <= max(cap, first / 3) + 0.001


@given(first=st.integers(1, 3600), cap=st.integers(1, 86_400))
def test_every_pace_reaches_its_cap(first: int, cap: int):
    pace = Pace(timedelta(seconds=first), timedelta(seconds=cap))
    assert wait(100, LUCKIEST, pace=pace) == pytest.approx(max(cap, first / 3), abs=0.01)
