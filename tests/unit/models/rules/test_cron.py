"""Cron lines: five fields, days and times of day."""

from __future__ import annotations

from datetime import date, time, timedelta

import pytest

from models.rules.cron import BadCron, parse

NOVEMBER = [date(2026, 11, 1) + timedelta(days=n) for n in range(30)]


def days(text: str) -> list[int]:
    """The days of November 2026 (it begins on a Sunday) on which a line comes."""
    on, _ = parse(f"0 6 {text}")
    return [day.day for day in NOVEMBER if on.come(day)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("* * *", list(range(1, 31))),
        ("1,15 * *", [1, 15]),
        ("*/10 * *", [1, 11, 21]),
        ("20-28/4 * *", [20, 24, 28]),
        ("* 11 mon", [2, 9, 16, 23, 30]),
        ("* nov 1", [2, 9, 16, 23, 30]),
        ("* 1-10,12 1", []),
        ("* * 0", [1, 8, 15, 22, 29]),
        ("* * 7", [1, 8, 15, 22, 29]),
        ("* * fri-sat", [6, 7, 13, 14, 20, 21, 27, 28]),
        ("* * 5-7", [1, 6, 7, 8, 13, 14, 15, 20, 21, 22, 27, 28, 29]),
        # Both restricted: either is enough. A field that begins with a star restricts nothing by itself.
        ("13 * fri", [6, 13, 20, 27]),
        ("2 * fri", [2, 6, 13, 20, 27]),
        ("*/2 * fri", [13, 27]),
    ],
)
def test_days(text: str, wanted: list[int]):
    assert days(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("30 2", [time(2, 30)]),
        ("0,30 8-9", [time(8), time(8, 30), time(9), time(9, 30)]),
        ("*/20 5", [time(5), time(5, 20), time(5, 40)]),
        ("5 */12", [time(0, 5), time(12, 5)]),
        ("59 23", [time(23, 59)]),
    ],
)
def test_times(text: str, wanted: list[time]):
    assert list(parse(f"{text} * * *")[1]) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("60 * * * *", '"60" is no minute: 0 to 59'),
        ("0 24 * * *", '"24" is no hour'),
        ("0 0 0 * *", '"0" is no day of the month'),
        ("0 0 1 13 *", '"13" is no month'),
        ("0 0 * * 8", '"8" is no weekday'),
        ("0 0 * * mo", '"mo" is no weekday'),
        ("0 0 * foo *", '"foo" is no month'),
        ("0 0 * * sat-sun", "from the lower to the higher"),
        ("0 5-3 * * *", "from the lower to the higher"),
        ("0 */0 * * *", "is no hour"),
        ("0 */x * * *", "is no hour"),
        ("0 3/2 * * *", "a step needs a range, such as 3-23/2"),
        ("0 , * * *", "is no hour"),
        ("0 1--2 * * *", "is no hour"),
        ("\u0663 0 * * *", "is no minute"),
        ("@daily", "five fields"),
        ("0 0 31 2,4,6,9,11 *", "would never run"),
        ("0 0 30 2 *", "would never run"),
        ("* * * * *", "at least 5 minutes apart"),
        ("*/4 * * * *", "at least 5 minutes apart"),
        ("0,58 0,23 * * *", "over midnight"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(text: str, message: str):
    with pytest.raises(BadCron, match=message):
        parse(text)


@pytest.mark.parametrize("text", ["0 0 29 2 *", "0 0 31 1,2 *", "0 0 31 2 mon", "*/5 * * * *", "59 23 * * *"])
def test_what_comes_seldom_or_often_is_taken(text: str):
    assert parse(text)
