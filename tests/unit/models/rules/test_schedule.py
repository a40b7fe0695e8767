"""Schedules: what can be said, and the slots that follow, whatever the clock does."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.rules.schedule import MOST_TIMES, BadSchedule, parse

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)  # a Monday
DAY = timedelta(days=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def times(text: str, zone: str, first: str, last: str) -> list[str]:
    """When a schedule comes from one midnight UTC to another."""
    slots = parse(text).slots(ZoneInfo(zone), after=utc(first), until=utc(last))
    return [f"{slot.at:%d %H:%M}" for slot in slots]


# ---- what can be said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("daily 06:00", "daily at 06:00"),
        ("  Daily   18:00 06:00 ", "daily at 06:00 and 18:00"),
        ("weekdays wed,mon 06:00", "Monday, Wednesday at 06:00"),
        ("weekdays sun 00:00 12:00 23:59", "Sunday at 00:00, 12:00 and 23:59"),
        ("every 1 hours", "every hour"),
        ("every 12 hours", "every 12 hours"),
        ("cron 0 6 * * 1-5", "by cron 0 6 * * 1-5"),
        ("manual", "by hand"),
    ],
)
def test_it_can_be_said_in_five_ways(text: str, words: str):
    assert parse(text).words == words
    assert parse(text).is_manual == (text == "manual")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Write daily 06:00"),
        ("hourly", "Write daily 06:00"),
        ("manual 06:00", "Write daily 06:00"),
        ("daily", "Give 1 to 24 times"),
        ("daily 6:00", '"6:00" is no time of day'),
        ("daily 24:00", '"24:00" is no time of day'),
        ("daily 06:00, 07:00", '"06:00," is no time of day'),
        ("daily 06:00 06:00", "given twice"),
        ("daily " + " ".join(f"{n // 60:02}:{n % 60:02}" for n in range(MOST_TIMES + 1)), "Give 1 to 24 times"),
        ("weekdays 06:00", "Give weekdays once each"),
        ("weekdays mon,mon 06:00", "Give weekdays once each"),
        ("weekdays mon, tue 06:00", "Give weekdays once each"),
        ("weekdays mon", "Give 1 to 24 times"),
        ("every 5 hours", "with N one of 1, 2, 3, 4, 6, 8, 12"),
        ("every 0 hours", "with N one of"),
        ("every four hours", "with N one of"),
        ("cron 0 6 * *", "five fields"),
        ("cron 0 6 * * * *", "five fields"),
        ("daily 0\u0666:00", "is no time of day"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(text: str, message: str):
    with pytest.raises(BadSchedule, match=message):
        parse(text)


# ---- slots


def test_daily_slots_are_known_by_date_and_place_in_the_day():
    slots = parse("daily 18:00 06:00").slots(NEW_YORK, after=NOON - DAY, until=NOON)
    assert [slot.key for slot in slots] == ["2026-11-22 #2", "2026-11-23 #1"]
    assert [slot.at for slot in slots] == [utc("2026-11-22T23:00"), utc("2026-11-23T11:00")]
    assert [slot.period for slot in slots] == [date(2026, 11, 22), date(2026, 11, 23)]
    assert [f"{slot.local:%H:%M %Z}" for slot in slots] == ["18:00 EST", "06:00 EST"]
    assert [slot.note for slot in slots] == ["", ""]


def test_a_daily_profile_runs_once_per_date_though_its_time_is_moved():
    before, after = (
        parse(text).slots(BERLIN, after=utc("2026-11-23"), until=utc("2026-11-24"))
        for text in ("daily 06:00", "daily 18:00")
    )
    assert [slot.key for slot in before] == [slot.key for slot in after]


def test_hours_and_cron_are_known_by_date_and_time():
    for text in ("every 12 hours", "cron 0 0,12 * * *"):
        slots = parse(text).slots(BERLIN, after=utc("2026-11-22T23:30"), until=utc("2026-11-23T23:00"))
        assert [slot.key for slot in slots] == ["2026-11-23 12:00", "2026-11-24 00:00"]


def test_after_is_left_out_and_until_is_included():
    slots = parse("daily 12:00").slots(ZoneInfo("UTC"), after=NOON, until=NOON + DAY)
    assert [slot.at for slot in slots] == [NOON + DAY]
    assert parse("daily 12:00").slots(ZoneInfo("UTC"), after=NOON, until=NOON) == []
    assert parse("daily 12:00").slots(ZoneInfo("UTC"), after=NOON, until=NOON - 9 * DAY) == []


def test_the_last_slots_can_be_asked_for_however_long_ago_it_began():
    slots = parse("daily 12:00").slots(ZoneInfo("UTC"), after=NOON - 4000 * DAY, until=NOON, most=3)
    assert [slot.at for slot in slots] == [NOON - 2 * DAY, NOON - DAY, NOON]


def test_a_manual_schedule_never_comes():
    assert parse("manual").slots(BERLIN, after=NOON - 99 * DAY, until=NOON) == []
    assert parse("manual").coming(BERLIN, NOON) == []


def test_weekdays_come_on_their_days_in_the_profiles_own_zone():
    assert times("weekdays mon,fri 01:00", "Pacific/Auckland", "2026-11-21", "2026-11-29") == ["22 12:00", "26 12:00"]


# ---- F4: the clock jumps


@pytest.mark.parametrize(
    ("zone", "text", "day", "at", "note"),
    [
        ("Europe/Berlin", "daily 02:30", date(2026, 3, 29), "2026-03-29T01:00", "02:30 does not exist that day"),
        ("Europe/Berlin", "daily 02:30", date(2026, 10, 25), "2026-10-25T00:30", "02:30 comes twice that day"),
        ("America/Santiago", "daily 00:00", date(2026, 9, 6), "2026-09-06T04:00", "00:00 does not exist that day"),
        ("Australia/Lord_Howe", "daily 02:15", date(2026, 10, 4), "2026-10-03T15:30", "02:15 does not exist that day"),
        # A time within the hour that comes twice, one a breath before the gap, and a jump at midnight backwards.
        ("America/New_York", "daily 01:59", date(2026, 11, 1), "2026-11-01T05:59", "01:59 comes twice that day"),
        ("Europe/Berlin", "daily 01:59", date(2026, 3, 29), "2026-03-29T00:59", ""),
        ("Europe/Berlin", "daily 03:00", date(2026, 3, 29), "2026-03-29T01:00", ""),
        ("America/Santiago", "daily 23:30", date(2026, 4, 4), "2026-04-05T02:30", "23:30 comes twice that day"),
        # Samoa left a whole day out.
        ("Pacific/Apia", "daily 06:00", date(2011, 12, 30), "2011-12-30T10:00", "06:00 does not exist that day"),
    ],
)
def test_a_day_on_which_the_clock_jumps_has_one_slot(zone: str, text: str, day: date, at: str, note: str):
    around = utc(f"{day}")
    slots = parse(text).slots(ZoneInfo(zone), after=around - 2 * DAY, until=around + 2 * DAY)
    (slot,) = [slot for slot in slots if slot.period == day]
    assert slot.at == utc(at)
    assert slot.note.startswith(note) if note else not slot.note


def test_slots_at_one_instant_are_one_the_first():
    slots = parse("daily 02:15 02:45 03:00 04:00").slots(
        BERLIN, after=utc("2026-03-28T23:00"), until=utc("2026-03-29T12:00")
    )
    assert [(slot.key, slot.at) for slot in slots] == [
        ("2026-03-29 #1", utc("2026-03-29T01:00")),
        ("2026-03-29 #4", utc("2026-03-29T02:00")),
    ]


def test_every_hour_comes_23_times_in_spring_and_24_times_in_autumn():
    spring = parse("every 1 hours").slots(BERLIN, after=utc("2026-03-28T22:59"), until=utc("2026-03-29T21:59"))
    autumn = parse("every 1 hours").slots(BERLIN, after=utc("2026-10-24T21:59"), until=utc("2026-10-25T22:59"))
    assert (len(spring), len(autumn)) == (23, 24)


# ---- what comes next


def test_the_next_runs_tell_the_day_on_which_the_clock_jumps():
    coming = parse("daily 02:30").coming(BERLIN, utc("2026-03-27T12:00"), 3)
    assert [(f"{slot.local:%d %H:%M}", slot.note) for slot in coming] == [
        ("28 02:30", ""),
        ("29 03:00", "02:30 does not exist that day"),
        ("30 02:30", ""),
    ]


def test_a_schedule_that_comes_each_leap_year_is_looked_for_long_enough():
    coming = parse("cron 0 6 29 2 *").coming(BERLIN, utc("2096-03-01"), 1)
    assert [slot.period for slot in coming] == [date(2104, 2, 29)]


# ---- what holds for every schedule, zone and time

ZONES = st.sampled_from(
    [
        *("Europe/Berlin", "America/New_York", "America/Santiago", "Australia/Lord_Howe", "Africa/Casablanca"),
        *("Pacific/Apia", "Asia/Tehran", "America/St_Johns", "Antarctica/Troll", "America/Havana", "UTC"),
    ]
)
TIMES = st.times().map(lambda at: f"{at:%H:%M}")
TEXTS = st.one_of(
    st.lists(TIMES, min_size=1, max_size=6, unique=True).map(lambda some: f"daily {' '.join(some)}"),
    st.lists(TIMES, min_size=1, max_size=3, unique=True).map(lambda some: f"weekdays tue,sun {' '.join(some)}"),
    st.sampled_from([1, 2, 3, 4, 6, 8, 12]).map(lambda hours: f"every {hours} hours"),
    st.sampled_from(["cron 30 2 * * *", "cron 0 */6 1-7 * 0", "cron */30 0-3 * * *", "cron 15 2 29 2 *"]),
)
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(2037, 1, 1)).map(lambda naive: naive.replace(tzinfo=UTC))  # noqa: DTZ001 -- hypothesis wants naive bounds


@given(TEXTS, ZONES, MOMENTS, st.timedeltas(timedelta(0), timedelta(days=9)), st.floats(0, 1))
def test_a_stretch_of_time_has_the_slots_of_its_two_parts(
    text: str, zone_name: str, after: datetime, length: timedelta, cut: float
):
    schedule, zone, until = parse(text), ZoneInfo(zone_name), after + length
    middle = after + length * cut
    whole = schedule.slots(zone, after=after, until=until)
    parts = schedule.slots(zone, after=after, until=middle) + schedule.slots(zone, after=middle, until=until)
    assert whole == parts
    assert [slot.at for slot in whole] == sorted({slot.at for slot in whole})
    assert len({slot.key for slot in whole}) == len(whole)
    assert all(after < slot.at <= until for slot in whole)
    for most in (1, 2, 5):
        assert schedule.slots(zone, after=after, until=until, most=most) == whole[-most:]


@given(TEXTS, ZONES, MOMENTS)
def test_what_comes_next_is_what_then_is_planned(text: str, zone_name: str, now: datetime):
    schedule, zone = parse(text), ZoneInfo(zone_name)
    coming = schedule.coming(zone, now, 4)
    if coming:
        assert schedule.slots(zone, after=now, until=coming[-1].at) == coming


@given(st.lists(TIMES, min_size=1, max_size=1), ZONES, st.dates(date(1970, 1, 3), date(2036, 12, 30)))
def test_a_daily_profile_has_one_slot_for_each_date_there_ever_was(at: list[str], zone_name: str, day: date):
    around = utc(f"{day}")
    slots = parse(f"daily {at[0]}").slots(ZoneInfo(zone_name), after=around - 3 * DAY, until=around + 3 * DAY)
    assert sum(slot.period == day for slot in slots) == 1
    local = next(slot.local for slot in slots if slot.period == day)
    assert abs(local.replace(tzinfo=None) - datetime.fromisoformat(f"{day}T{at[0]}")) <= DAY


def test_all_zones_of_the_world_have_one_slot_a_day_in_2026():
    for name in sorted(zoneinfo.available_timezones()):
        slots = parse("daily 00:00").slots(ZoneInfo(name), after=utc("2025-12-30"), until=utc("2027-01-03"))
        of_the_year = [slot.period for slot in slots if slot.period.year == 2026]
        assert len(of_the_year) == len(set(of_the_year)) == 365, name
