from datetime import date, timedelta

from web.admin.chart import HEIGHT, Day, chart_of, fortnight

TODAY = date(2026, 11, 23)


def test_a_fortnight_ends_today_and_has_empty_days():
    days = fortnight({TODAY: (3, 1), TODAY - timedelta(days=13): (2, 0), TODAY - timedelta(days=14): (9, 9)}, TODAY)
    assert len(days) == 14
    assert days[0] == Day(TODAY - timedelta(days=13), 2, 0)
    assert days[-1] == Day(TODAY, 3, 1)
    assert sum(day.made for day in days) == 5


def test_the_longest_bar_fills_the_height_and_failures_stand_on_what_was_made():
    drawn = chart_of([Day(TODAY, 3, 1), Day(TODAY, 1, 0)], "delivered")
    assert drawn.made.startswith(f"M0 {HEIGHT}v-21h")
    assert drawn.missed == f"M0 {HEIGHT - 21}v-7h8v7z"


def test_one_failure_among_thousands_can_be_seen():
    drawn = chart_of([Day(TODAY, 100_000, 0), Day(TODAY, 50_000, 1)], "delivered")
    assert drawn.missed == "M10 14v-1h8v1z"


def test_an_empty_fortnight_draws_nothing_and_says_so():
    drawn = chart_of(fortnight({}, TODAY), "delivered")
    assert (drawn.made, drawn.missed, drawn.words) == ("", "", "14 days: 0 delivered, 0 failed")


def test_the_words_name_the_busiest_day():
    drawn = chart_of(fortnight({TODAY: (1_200, 3)}, TODAY), "delivered")
    assert drawn.words == "14 days: 1,200 delivered, 3 failed; most on 2026-11-23"
