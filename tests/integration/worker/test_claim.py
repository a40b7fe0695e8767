"""The claim: fair over profiles, within caps, pace and gates, and nothing twice."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from models.by_hand import cancel, send_again
from tests.factories import route
from tests.integration.worker.works import Works
from worker.claim import deal, share
from worker.lease import Lease


def by_profile(leases: list[Lease]) -> Counter[int]:
    return Counter(lease.plan.profile_id for lease in leases)


def lonely(works: Works, campaign: int, count: int, **given: Any) -> int:
    """A profile with so many due rows that no other profile gets."""
    profile = works.profile(routes=[route(campaign=campaign)], **given)
    works.events(count, campaignId=campaign)
    return profile


def let_fail(works: Works, count: int) -> None:
    """Have so many of the oldest rows failed once, and due again."""
    works.run(
        "UPDATE deliveries SET failures = 1, tries = 1 WHERE id IN (SELECT id FROM deliveries ORDER BY id LIMIT :count)",
        count=count,
    )


# ---- fair ----------------------------------------------------------------------------------------------------------


def test_what_is_kept_goes_to_those_with_little_in_the_air():
    assert deal([300], [0], 256, kept=64) == [192]
    assert deal([300], [192], 64, kept=64) == [0]
    assert deal([300, 300], [192, 0], 64, kept=64) == [0, 16]
    assert deal([5], [0], 64, kept=64) == [5]
    assert deal([300, 300], [0, 0], 40, kept=0) == [20, 20]


def test_a_dozen_greedy_ones_leave_room_for_the_next():
    in_air = [0] * 12
    for _ in range(5):  # nobody ever answers
        taken = deal([256] * 12, in_air, 256 - sum(in_air), kept=64)
        in_air = [before + more for before, more in zip(in_air, taken, strict=True)]
    assert sum(in_air) <= 256 - 48
    assert deal([*[256] * 12, 10], [*in_air, 0], 256 - sum(in_air), kept=64)[-1] == 10


def test_a_small_wish_is_met_and_the_rest_is_shared_equally():
    assert share([2, 100, 100], 20) == [2, 9, 9]
    assert share([100, 0, 3], 10) == [7, 0, 3]
    assert share([5, 5], 100) == [5, 5]
    assert sum(share([7, 7, 7], 10)) == 10
    assert share([1, 1, 1], 2).count(1) == 2
    assert share([-3, 10], 5) == [0, 5]
    assert share([], 5) == []


def test_a_large_backlog_leaves_room_for_a_small_one_and_takes_what_is_left_a_round_later(works: Works):
    large, small = lonely(works, 1, 200), lonely(works, 2, 3)
    assert by_profile(works.claim(20)) == {large: 10, small: 3}
    assert by_profile(works.claim(7)) == {large: 7}


def test_with_more_profiles_than_a_claim_serves_nobody_waits_for_two_rounds(works: Works):
    profiles = [works.profile() for _ in range(70)]
    works.events(2)
    first, second = by_profile(works.claim(64)), by_profile(works.claim(64))
    assert set(first.values()) == {1}
    assert len(first) == 64
    assert set(profiles) - set(first) <= set(second)


def test_the_oldest_rows_go_first(works: Works):
    works.profile()
    works.events(5)
    assert [lease.delivery_id for lease in works.claim(3)] == [row.id for row in works.deliveries()[:3]]


def test_a_profile_that_is_left_out_gets_nothing(works: Works):
    from worker import claim

    dead, well = lonely(works, 1, 5), lonely(works, 2, 5)
    claimed = claim.claim(works.engine, works.plans, pump="p", room=10, without={dead})
    assert by_profile(claimed.leases) == {well: 5}


def test_one_profile_gets_no_more_of_a_pump_than_the_pump_allows(works: Works):
    from worker import claim

    wide = lonely(works, 1, 50, settings={"maxInFlight": 1000})
    claimed = claim.claim(works.engine, works.plans, pump="p", room=40, flying={wide: 5}, kept=8)
    assert len(claimed.leases) == 32


# ---- within bounds -------------------------------------------------------------------------------------------------


def test_two_claims_at_once_keep_the_cap_and_share_no_row(works: Works):
    works.profile(settings={"maxInFlight": 5})
    works.events(50)
    with ThreadPoolExecutor(8) as threads:
        for _ in range(10):
            found = list(threads.map(lambda name: works.claim(20, name=str(name)), range(8)))
            leases = [lease for claimed in found for lease in claimed]
            assert len(leases) == works.states()["leased"] == 5
            assert len({lease.delivery_id for lease in leases}) == 5
            works.finish(leases)
    assert works.states() == {"delivered": 50}


def test_an_expired_lease_takes_no_slot(works: Works):
    works.profile(settings={"maxInFlight": 2})
    works.events(4)
    assert len(works.claim()) == 2
    assert works.claim() == []
    works.end_leases()
    assert len(works.claim()) == 2


def test_eight_a_second_holds_over_two_pumps(works: Works):
    works.profile(settings={"ratePerSecond": 8})
    works.events(100)
    began, taken = monotonic(), 0
    with ThreadPoolExecutor(2) as threads:
        while monotonic() - began < 2:
            taken += sum(len(found) for found in threads.map(lambda name: works.claim(50, name=str(name)), range(2)))
    passed = monotonic() - began
    assert 8 * (passed - 0.5) <= taken <= 8 * (passed + 1)  # one second's burst


def test_less_than_one_a_second_lets_one_through_and_tells_when_the_next_may_go(works: Works):
    from worker import claim

    profile = works.profile(settings={"ratePerSecond": 0.1})
    works.events(3)
    works.run("UPDATE gates SET tokens_at = now() - interval '1 hour'")
    claimed = claim.claim(works.engine, works.plans, pump="p", room=10)
    assert len(claimed.leases) == 1
    assert claimed.again_in == pytest.approx(10, abs=0.5)
    assert works.gate(profile).shut_for == pytest.approx(10, abs=0.5)
    assert works.claim() == []


def test_a_gate_that_is_shut_gives_nothing_until_it_opens(works: Works):
    profile = works.profile()
    works.events(2)
    works.run("UPDATE gates SET opens_at = now() + interval '1 minute'")
    assert works.claim() == []
    works.open_gate(profile)
    assert len(works.claim()) == 2


def test_a_lease_lasts_half_a_minute_longer_than_its_request_may(works: Works):
    works.profile(settings={"timeoutSeconds": 7})
    works.events()
    (lease,) = works.claim(name="waybill-1")
    (row,) = works.rows("SELECT *, extract(epoch FROM lease_until - leased_at)::float AS lasts FROM deliveries")
    assert row.lasts == pytest.approx(37)
    assert (row.leased_by, row.tries, row.lease_token) == ("waybill-1", 1, lease.token)
    assert lease.until - monotonic() == pytest.approx(37, abs=0.5)


# ---- new rows and rows that failed ---------------------------------------------------------------------------------


def test_rows_that_failed_get_a_fifth_of_the_slots(works: Works):
    works.profile(settings={"maxInFlight": 1000})
    works.events(200)
    let_fail(works, 100)
    leases = works.claim(100)
    assert len(leases) == 100
    assert sum(lease.failures > 0 for lease in leases) in {20, 21}


def test_new_rows_leave_what_they_do_not_need_to_those_that_failed_and_the_other_way_round(works: Works):
    works.profile(settings={"maxInFlight": 1000})
    works.events(60)
    let_fail(works, 50)
    assert len(works.claim(40)) == 40
    assert len(works.claim(40)) == 20


def test_with_one_slot_both_kinds_come_up(works: Works):
    works.profile()
    works.events(120)
    let_fail(works, 60)
    kinds = Counter(bool(lease.failures) for _ in range(60) for lease in works.claim(1) if not works.finish([lease]))
    assert kinds[True] + kinds[False] == 60
    assert kinds[True] >= 2
    assert kinds[False] >= 20


def test_with_one_slot_and_nothing_but_rows_that_failed_each_claim_takes_one(works: Works):
    works.profile()
    works.events(10)
    let_fail(works, 10)
    assert [len(works.claim(1)) for _ in range(10)] == [1] * 10


# ---- who is not served ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE profiles SET paused = true",
        "UPDATE profiles SET enabled = false",
        "UPDATE profiles SET deleted_at = now()",
        "UPDATE gates SET fault = 'settings', fault_since = now()",
        "UPDATE deliveries SET due_at = now() + interval '1 minute'",
        "UPDATE deliveries SET state = 'held', reason = 'cannot be sent'",
    ],
)
def test_who_is_paused_disabled_deleted_at_fault_held_or_not_due_is_not_claimed(works: Works, change: str):
    works.profile()
    works.events(2)
    works.run(change)
    assert works.claim() == []
    assert works.claim_suspect() == []


@pytest.mark.parametrize(
    "change",
    [
        """UPDATE profiles SET settings = '{"url": "no address"}', version = version + 1 WHERE id = :id""",
        "UPDATE profiles SET settings = '[]', version = version + 1 WHERE id = :id",
        """UPDATE profiles SET settings = settings || '{"colour": 1}', version = version + 1 WHERE id = :id""",
        "UPDATE profiles SET export_type = 'pigeon', version = version + 1 WHERE id = :id",
        "UPDATE mappings SET field = 'noSuchField' WHERE profile_id = :id",
        "UPDATE mappings SET field = NULL, secret = true, sealed = 'nonsense' WHERE profile_id = :id",
        "UPDATE mappings SET export_name = 'header:bad name' WHERE profile_id = :id",
    ],
)
def test_broken_settings_shut_their_own_profile_and_nobody_else(works: Works, change: str):
    broken, well = works.profile(), works.profile()
    works.events(2)
    works.run(change, id=broken)
    assert by_profile(works.claim()) == {well: 2}
    gate = works.gate(broken)
    assert gate.fault == "settings"
    assert gate.fault_message
    assert {row.tries for row in works.deliveries(broken)} == {0}


def test_a_time_zone_that_postgres_does_not_know_stops_its_own_profile_only(works: Works):
    by_the_clock = [{"export_name": "day", "field": "orderDate", "modifiers": ["date:YYYY-MM-DD:Atlantis/Harbour"]}]
    broken, well = works.profile(time_zone="Atlantis/Harbour", mappings=by_the_clock), works.profile()
    works.events(3, dateCreated="2026-11-23 09:58:12")
    works.pump(lambda: all(row.failures for row in works.deliveries(well)))  # nobody listens there
    assert works.gate(broken).fault == "settings"


# ---- rows that may be what kills the process -----------------------------------------------------------------------


def test_a_row_that_was_lost_three_times_goes_alone(works: Works):
    works.profile()
    works.events(3)
    suspect = works.deliveries()[1].id
    works.run("UPDATE deliveries SET losses = 3 WHERE id = :id", id=suspect)
    assert suspect not in {lease.delivery_id for lease in works.claim()}
    (lease,) = works.claim_suspect()
    assert lease.delivery_id == suspect
    works.finish([lease])
    assert [row.losses for row in works.deliveries()] == [0, 0, 0]


def test_only_one_suspect_is_on_its_way_at_a_time(works: Works):
    works.profile()
    works.profile()
    works.events(2)
    works.run("UPDATE deliveries SET losses = 3")
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda name: works.claim_suspect(name=str(name)), range(4)))
    assert sum(len(leases) for leases in found) == 1
    works.end_leases()
    assert len(works.claim_suspect()) == 1


def test_a_suspect_keeps_to_cap_pace_and_gate_like_any_other(works: Works):
    profile = works.profile(settings={"maxInFlight": 1})
    works.events(2)
    works.run("UPDATE deliveries SET losses = 3 WHERE id = (SELECT max(id) FROM deliveries)")
    leases = works.claim()
    assert works.claim_suspect() == []
    works.finish(leases)
    works.run("UPDATE gates SET opens_at = now() + interval '1 hour'")
    assert works.claim_suspect() == []
    works.open_gate(profile)
    assert len(works.claim_suspect()) == 1


def test_a_suspect_may_be_the_probe_of_a_receiver_that_is_down(works: Works):
    profile = works.profile()
    works.events()
    works.run("UPDATE deliveries SET losses = 3")
    works.run("UPDATE gates SET fault = 'breaker', fault_since = now(), trips = 1")
    works.finish(works.claim_suspect())
    assert works.gate(profile).fault is None


# ---- what is not to be sent any more -------------------------------------------------------------------------------


def partial_of(works: Works, **given: Any) -> int:
    profile = works.profile(routes=[route("partial")], **given)
    works.events(1, "Partial", clientOrderId="B-1")
    return profile


def test_a_partial_whose_order_was_completed_meanwhile_is_skipped(works: Works):
    partial_of(works)
    works.events(1, "New Sale", clientOrderId="B-1")
    assert works.claim() == []
    row = works.delivery()
    assert (row.state, row.reason, row.tries) == ("skipped", "order completed", 0)


def test_a_profile_that_wants_completed_partials_gets_them(works: Works):
    partial_of(works, skip_completed_partials=False)
    works.events(1, "New Sale", clientOrderId="B-1")
    assert len(works.claim()) == 1


def test_a_partial_that_a_person_sends_again_is_not_skipped(works: Works):
    partial_of(works)
    works.events(1, "New Sale", clientOrderId="B-1")
    works.claim()
    with Session(works.engine) as session, session.begin():
        assert send_again(session, [works.delivery().id]) == 1
    assert len(works.claim()) == 1


def test_other_events_of_a_completed_order_are_sent(works: Works):
    works.profile(routes=[route("new_sale"), route("partial")])
    works.events(1, "Partial", clientOrderId="B-1")
    works.events(1, "New Sale", clientOrderId="B-1")
    assert len(works.claim()) == 1
    assert works.states() == {"skipped": 1, "leased": 1}


def test_an_order_that_turned_out_to_be_a_test_is_skipped(works: Works):
    works.profile()
    works.events(2)
    order = works.rows("SELECT order_key FROM events ORDER BY id LIMIT 1")[0].order_key
    works.run("UPDATE orders SET test_card = true WHERE order_key = :order", order=order)
    assert len(works.claim()) == 1
    assert [(row.state, row.reason) for row in works.deliveries()] == [("skipped", "test card"), ("leased", None)]


def test_what_is_skipped_uses_up_no_pace(works: Works):
    profile = works.profile(routes=[route("partial")], settings={"ratePerSecond": 5})
    works.run("UPDATE gates SET tokens_at = now() - interval '1 hour'")
    works.events(1, "Partial", clientOrderId="B-1")
    works.events(1, "New Sale", clientOrderId="B-1")
    assert works.claim() == []
    assert works.gate(profile).tokens == pytest.approx(5)


def test_a_cancelled_row_is_not_claimed(works: Works):
    works.profile()
    works.events(2)
    with Session(works.engine) as session, session.begin():
        cancel(session, [works.deliveries()[0].id], actor="olga", reason="wrong order")
    assert len(works.claim()) == 1


def test_an_edited_profile_is_compiled_anew(works: Works):
    profile = works.profile(settings={"timeoutSeconds": 10})
    works.events(2)
    (before,) = works.claim(1)
    works.run(
        """UPDATE profiles SET settings = settings || '{"timeoutSeconds": 99}', version = version + 1 WHERE id = :id""",
        id=profile,
    )
    (after,) = works.claim(1)
    assert (before.plan.limits.timeout, after.plan.limits.timeout) == (10, 99)


def test_an_unchanged_profile_is_compiled_once(works: Works):
    works.profile()
    works.events(2)
    assert works.claim(1)[0].plan is works.claim(1)[0].plan


def test_without_due_rows_a_claim_is_one_statement(works: Works):
    works.profile()
    statements: list[str] = []
    sa.event.listen(works.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    works.claim()
    assert len(statements) == 1
