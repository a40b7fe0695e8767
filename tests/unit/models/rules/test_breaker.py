"""The breaker: when it opens, how long it stays shut, how it closes and how it starts slowly."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.rules.breaker import Breaker, Tally, Verdict, after

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
GOOD = Tally(successes=1)
BAD = Tally(failures=1)
NO_ANSWER = Tally(failures=1, connection=1)


def run(breaker: Breaker, *tallies: Tally, seconds: float = 1, most: int = 32, luck: float = 0.5) -> Verdict:
    """One batch after the other, so many seconds apart."""
    verdict = Verdict(breaker)
    for number, tally in enumerate(tallies):
        verdict = after(verdict.breaker, tally, now=NOW + timedelta(seconds=number * seconds), most=most, luck=luck)
    return verdict


def test_five_connection_failures_in_a_row_open_it():
    assert not run(Breaker(), *[NO_ANSWER] * 4).breaker.is_open
    assert run(Breaker(), *[NO_ANSWER] * 5).breaker.is_open
    assert run(Breaker(), Tally(failures=5, connection=5)).breaker.is_open


def test_five_connection_failures_in_a_row_open_it_however_long_it_takes():
    assert run(Breaker(), *[NO_ANSWER] * 5, seconds=3600).breaker.is_open


def test_a_success_in_between_begins_the_row_anew():
    assert not run(Breaker(), *[NO_ANSWER] * 4, GOOD, NO_ANSWER).breaker.is_open
    mixed = Tally(successes=1, failures=5, connection=1)
    assert not run(Breaker(), *[NO_ANSWER] * 3, mixed).breaker.is_open


def test_seventy_percent_of_ten_failures_within_a_minute_open_it():
    assert run(Breaker(), *[BAD, BAD, GOOD] * 2, *[BAD] * 4).breaker.is_open
    assert not run(Breaker(), *[BAD, BAD, GOOD, GOOD] * 10).breaker.is_open
    assert run(Breaker(), Tally(failures=7, successes=3)).breaker.is_open
    assert not run(Breaker(), Tally(failures=6, successes=4)).breaker.is_open


def test_fewer_than_ten_failures_with_an_answer_do_not_open_it():
    assert not run(Breaker(), *[BAD] * 9).breaker.is_open
    assert run(Breaker(), *[BAD] * 10).breaker.is_open


def test_failures_that_are_spread_over_more_than_a_minute_do_not_open_it():
    assert not run(Breaker(), *[BAD] * 30, seconds=7).breaker.is_open


def test_rows_at_fault_by_themselves_change_nothing():
    assert run(Breaker(), *[Tally()] * 20) == Verdict(Breaker())


def test_successes_leave_a_healthy_breaker_quiet():
    assert run(Breaker(), *[GOOD] * 20).breaker == Breaker()
    assert run(Breaker(), BAD).breaker != Breaker()
    assert run(Breaker(), BAD, GOOD, seconds=61).breaker == Breaker()


@pytest.mark.parametrize(("trips", "seconds"), [(0, 15), (1, 30), (2, 60), (3, 120), (4, 120), (1000, 120)])
def test_it_stays_shut_for_15_seconds_doubling_to_two_minutes(trips: int, seconds: int):
    probed = Breaker(is_open=True, trips=trips)
    for luck, share in ((0.0, 0.8), (0.5, 1.0), (0.999999, 1.2)):
        verdict = run(probed, BAD, luck=luck)
        assert verdict.wait is not None
        assert verdict.wait.total_seconds() == pytest.approx(seconds * share, abs=0.001)
        assert verdict.breaker == Breaker(is_open=True, trips=trips + 1)


def test_the_first_opening_waits_15_seconds():
    assert run(Breaker(), *[NO_ANSWER] * 5).wait == timedelta(seconds=15)


def test_a_probe_that_succeeds_closes_it_and_starts_slowly():
    assert run(Breaker(is_open=True, trips=3), GOOD) == Verdict(Breaker(cap=1), healed=True)


def test_a_probe_at_fault_by_itself_leaves_it_open():
    probed = Breaker(is_open=True, trips=3)
    assert run(probed, Tally()) == Verdict(probed)


def test_slow_start_doubles_the_cap_with_every_clean_round():
    breaker, caps = Breaker(cap=1), []
    for _ in range(1 + 2 + 4 + 8 + 16):
        breaker = run(breaker, GOOD).breaker
        caps.append(breaker.cap)
    assert caps == [2] + [2, 4] + [4] * 3 + [8] + [8] * 7 + [16] + [16] * 15 + [None]
    assert breaker == Breaker()


def test_a_failure_begins_the_round_anew():
    half = run(Breaker(cap=4), *[GOOD] * 3).breaker
    assert (half.cap, half.clean) == (4, 3)
    failed = run(half, BAD).breaker
    assert (failed.cap, failed.clean) == (4, 0)


def test_slow_start_is_over_at_once_for_a_profile_with_one_request_in_flight():
    assert run(Breaker(cap=1), GOOD, most=1).breaker.cap is None


def test_it_opens_again_during_slow_start():
    verdict = run(Breaker(cap=4), *[NO_ANSWER] * 5)
    assert verdict.breaker == Breaker(is_open=True, trips=1)


tallies = st.builds(
    lambda good, bad, silent: Tally(successes=good, failures=bad + silent, connection=silent),
    st.integers(0, 40),
    st.integers(0, 40),
    st.integers(0, 6),
)


@given(st.lists(tallies, max_size=30), st.integers(1, 1000), st.floats(0, 1, exclude_max=True))
def test_whatever_comes_the_cap_and_the_wait_stay_within_their_bounds(batches: list[Tally], most: int, luck: float):
    breaker = Breaker()
    for number, tally in enumerate(batches):
        verdict = after(breaker, tally, now=NOW + timedelta(seconds=number), most=most, luck=luck)
        breaker = verdict.breaker
        assert (verdict.wait is not None) <= breaker.is_open
        assert verdict.wait is None or timedelta(seconds=12) <= verdict.wait <= timedelta(seconds=144)
        assert breaker.cap is None or 1 <= breaker.cap < max(most, 2)
        assert breaker == replace(breaker)
