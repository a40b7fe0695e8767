"""The gate of a receiver: breaker and probes, slow start, Retry-After, and what needs a person."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from exporters.base import Failing
from models.base import utc_now
from models.routing import release_held
from tests.integration.worker.works import Works
from worker import reaper

MINUTE = 60
HOUR = 3600


def down(works: Works, count: int = 40, **profile: object) -> int:
    """A profile whose receiver has just been found to be down, with so many rows due."""
    id_ = works.profile(**profile)  # type: ignore[arg-type]  # the keyword arguments of a profile
    works.events(count)
    works.finish(works.claim(5), Failing.CONNECT)
    assert works.gate(id_).fault == "breaker"
    works.make_due()
    return id_


def test_five_failures_to_connect_in_a_row_open_the_breaker_for_about_15_seconds(works: Works):
    profile = works.profile()
    works.events(10)
    works.finish(works.claim(4), Failing.CONNECT)
    assert works.gate(profile).fault is None
    works.finish(works.claim(1), Failing.CONNECT)
    gate = works.gate(profile)
    assert (gate.fault, gate.trips) == ("breaker", 1)
    assert 12 <= gate.shut_for <= 18
    assert works.claim() == []


@pytest.mark.parametrize("answer", [Failing.TIMEOUT, 410, Failing.BLOCKED])
def test_what_comes_after_its_lease_moves_no_gate(works: Works, answer: int | Failing):
    """Whoever was cut off, or asleep, has made his time-outs himself."""
    profile = works.profile()
    works.events(10)
    leases = works.claim()
    works.end_leases()
    assert reaper.reap(works.engine) == 10
    before = works.gate(profile)
    assert len(works.finish(leases, answer)) == 10
    after = works.gate(profile)
    assert (after.fault, after.opens_at, after.window_failures) == (None, before.opens_at, before.window_failures)
    assert len(works.claim()) == 10


def test_a_success_in_between_starts_the_count_anew(works: Works):
    profile = works.profile()
    works.events(9)
    for answer in (Failing.CONNECT, 200, Failing.CONNECT):
        works.finish(works.claim(1 if answer == 200 else 4), answer)
    assert works.gate(profile).fault is None


@pytest.mark.parametrize(("good", "fault"), [(3, "breaker"), (4, None)])
def test_seven_of_ten_failures_open_the_breaker(works: Works, good: int, fault: str | None):
    profile = works.profile()
    works.events(10)
    works.finish(works.claim(1), 500)
    leases = works.claim()
    works.finish(leases[:good], 200)
    works.finish(leases[good:], 500)
    assert works.gate(profile).fault == fault


@pytest.mark.parametrize("answer", [400, 405, 406, 409, 413, 414, 415, 422, Failing.TOO_LARGE])
def test_answers_that_are_the_rows_own_fault_do_not_count(works: Works, answer: int | Failing):
    profile = works.profile()
    works.events(30)
    works.finish(works.claim(), answer)
    assert works.gate(profile).fault is None
    assert works.states() == {"pending": 30}


def test_an_answer_that_says_no_in_its_body_shows_that_the_receiver_is_alive(works: Works):
    profile = works.profile(settings={"successBody": {"contains": "yes"}})
    works.events(30)
    works.finish(works.claim(), 200)
    assert works.gate(profile).fault is None
    assert {row.failures for row in works.deliveries()} == {1}


def test_while_it_is_open_one_probe_goes_at_a_time(works: Works):
    profile = down(works)
    works.open_gate(profile)
    probe = works.claim()
    assert len(probe) == 1
    assert probe[0].is_probe
    assert works.claim() == []
    works.finish(probe, Failing.CONNECT)
    assert works.gate(profile).trips == 2
    assert works.claim() == []


def test_the_time_between_probes_doubles_to_two_minutes(works: Works):
    profile, waits = down(works), []
    for _ in range(5):
        works.open_gate(profile)
        works.try_all(503)
        waits.append(works.gate(profile).shut_for)
    assert [round(wait / 15) for wait in waits] == [2, 4, 8, 8, 8]


def test_what_was_under_way_when_it_opened_is_one_trip_not_many(works: Works):
    profile = works.profile()
    works.events(32)
    leases = works.claim(32)
    for first in range(0, 32, 8):
        works.finish(leases[first : first + 8], Failing.TIMEOUT)
    gate = works.gate(profile)
    assert gate.trips == 1
    assert gate.shut_for <= 18


def test_a_success_of_what_was_under_way_does_not_close_it_only_the_probes_does(works: Works):
    profile = works.profile()
    works.events(32)
    leases = works.claim(32)
    works.finish(leases[:5], Failing.TIMEOUT)
    works.finish(leases[5:9])
    assert works.gate(profile).fault == "breaker"
    works.open_gate(profile)
    works.finish(leases[9:])
    assert works.gate(profile).fault == "breaker"


def test_a_lost_probe_is_followed_by_another(works: Works):
    from worker import reaper

    profile = down(works)
    works.open_gate(profile)
    works.claim()
    works.end_leases()
    reaper.reap(works.engine)
    assert len(works.claim()) == 1


def test_when_it_is_back_it_is_fed_one_then_two_then_four(works: Works):
    profile = down(works, 300, settings={"maxInFlight": 16})
    works.open_gate(profile)
    assert [works.try_all() for _ in range(4)] == [1, 1, 2, 4]  # the first one is the probe
    assert works.gate(profile).cap == 8
    works.try_all()
    assert works.gate(profile).cap is None  # the profile's own 16


def test_a_failure_during_the_slow_start_begins_its_round_anew(works: Works):
    profile = down(works, 300)
    works.open_gate(profile)
    for _ in range(3):
        works.try_all()
    assert works.gate(profile).cap == 4
    leases = works.claim()
    works.finish(leases[:3])
    works.finish(leases[3:], 503)
    assert works.gate(profile).cap == 4


def test_when_it_is_back_what_failed_meanwhile_is_due(works: Works):
    profile = works.profile(settings={"retryFirstSeconds": 3600})
    other = works.profile()
    works.events(8)
    works.run("UPDATE deliveries SET failures = 1, due_at = now() + interval '1 hour' WHERE profile_id = :id", id=other)
    works.finish(works.claim(5), Failing.CONNECT)
    works.open_gate(profile)
    works.finish(works.claim())
    late = [row for row in works.deliveries(profile) if row.state == "pending" and row.due_at > utc_now()]
    assert late == []
    assert all(row.due_at > utc_now() for row in works.deliveries(other))  # another profile's rows wait as they did


@pytest.mark.parametrize(("header", "seconds"), [("120", 120), ("86400", HOUR), ("-1", 0), ("soon", 0)])
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_shuts_the_gate_for_an_hour_at_most(works: Works, status: int, header: str, seconds: int):
    profile = works.profile()
    works.events(3)
    works.finish(works.claim(1), status, headers=[("Retry-After", header)])
    gate = works.gate(profile)
    assert gate.shut_for == pytest.approx(seconds, abs=2)
    assert gate.fault is None
    assert bool(works.claim()) == (seconds == 0)


def test_retry_after_of_another_status_holds_for_its_row_only(works: Works):
    profile = works.profile()
    works.events(3)
    works.finish(works.claim(1), 500, headers=[("Retry-After", "600")])
    assert works.gate(profile).shut_for < 1
    assert works.deliveries()[0].due_at - utc_now() > timedelta(minutes=9)


def test_a_shorter_retry_after_does_not_open_a_gate_that_is_shut_for_longer(works: Works):
    profile = works.profile()
    works.events(3)
    leases = works.claim()
    works.finish(leases[:1], 429, headers=[("Retry-After", "1200")])
    works.finish(leases[1:], 429, headers=[("Retry-After", "5")])
    assert works.gate(profile).shut_for > 1190


@pytest.mark.parametrize(
    ("answer", "fault", "seconds"), [(410, "gone", 6 * HOUR), (Failing.BLOCKED, "blocked", 15 * MINUTE)]
)
def test_who_is_gone_or_may_not_be_dialled_is_looked_at_now_and_then(
    works: Works, answer: int | Failing, fault: str, seconds: int
):
    profile = works.profile()
    works.events(5)
    works.finish(works.claim(1), answer)
    gate = works.gate(profile)
    assert gate.fault == fault
    assert gate.fault_message
    assert gate.shut_for == pytest.approx(seconds, abs=2)
    assert works.claim() == []
    works.make_due()
    works.open_gate(profile)
    works.finish(works.claim(), answer)
    assert works.gate(profile).shut_for == pytest.approx(seconds, abs=2)
    works.make_due()
    works.open_gate(profile)
    assert works.try_all() == 1
    assert works.gate(profile).fault is None


def test_who_was_gone_and_is_down_now_is_looked_at_as_often_as_any_other(works: Works):
    profile = works.profile()
    works.events(5)
    works.finish(works.claim(1), 410)
    since = works.gate(profile).fault_since
    works.open_gate(profile)
    works.finish(works.claim(), 503)
    gate = works.gate(profile)
    assert (gate.fault, gate.fault_message, gate.fault_since) == ("breaker", None, since)
    assert gate.shut_for < 20


def test_what_was_under_way_does_not_reopen_a_gate_that_was_shut_for_its_settings(works: Works):
    profile = works.profile()
    works.events(5)
    leases = works.claim()
    works.run("UPDATE gates SET fault = 'settings', fault_since = now(), fault_message = 'broken'")
    works.finish(leases[:2])
    works.finish(leases[2:], 410)
    assert works.gate(profile).fault == "settings"


def test_resume_opens_every_gate_at_once(works: Works):
    profile = works.profile()
    works.events(5)
    works.finish(works.claim(1), 410)
    with Session(works.engine) as session, session.begin():
        release_held(session, profile)
    assert works.gate(profile).fault is None
    assert len(works.claim()) == 4


def test_a_gate_with_nothing_but_successes_is_never_written_by_its_results(works: Works):
    profile = works.profile()
    works.events(5)
    leases = works.claim()
    before = works.rows("SELECT xmin FROM gates WHERE profile_id = :id", id=profile)
    works.finish(leases)
    assert works.rows("SELECT xmin FROM gates WHERE profile_id = :id", id=profile) == before
