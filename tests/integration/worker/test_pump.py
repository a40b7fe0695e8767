"""The pump against real receivers: claim, render, send, record, and whatever may go wrong in between."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from time import monotonic

import pytest

from exporters.base import Parcel
from exporters.errors import BadSettings, Unsendable
from tests.factories import route
from tests.integration.worker.works import Works, wait_until
from tests.receivers import Receiver
from worker import pump, reaper
from worker.lease import Lease

SEED = (
    {"export_name": "first_name", "field": "firstName"},
    {"export_name": "order_date", "field": "orderDate"},
    {"export_name": "list_id", "static": "400"},
    {"export_name": "email_address", "field": "emailAddress"},
    {"export_name": "campaign_number", "field": "campaignId"},
)
TALKATIVE = [{"export_name": "id", "field": "eventId"}, {"export_name": "try", "field": "attempt"}]


def keys(receiver: Receiver) -> Counter[str]:
    return Counter(seen.headers["webhook-id"] for seen in receiver.seen)


# ---- what arrives --------------------------------------------------------------------------------------------------


def test_the_published_example_arrives_byte_for_byte(works: Works):
    with Receiver() as receiver:
        works.profile(receiver.url("partials.php"), mappings=SEED, routes=[route("partial", campaign=1)])
        works.events(
            1,
            "Partial",
            firstName="Jane",
            dateCreated="2026-11-23 09:58:12",
            emailAddress="jane@example.com",
            campaignId=1,
        )
        works.pump(works.is_done)
        (seen,) = receiver.seen
    assert seen.line == (
        "GET /partials.php?first_name=Jane&order_date=2026-11-23%2009%3A58%3A12&list_id=400"
        "&email_address=jane%40example.com&campaign_number=1 HTTP/1.1"
    )
    (attempt,) = works.attempts()
    assert attempt.url == receiver.url("partials.php") + seen.target.removeprefix("/partials.php")
    assert ["webhook-id", seen.headers["webhook-id"]] in attempt.request_headers


def test_every_repeat_carries_the_same_key_and_the_same_bytes(works: Works):
    with Receiver() as receiver:
        works.profile(receiver.url("status/422"), mappings=SEED)
        works.events(2)
        for tries in (1, 2, 3):
            works.pump(lambda tries=tries: {row.failures for row in works.deliveries()} == {tries})  # type: ignore[misc]
            works.make_due()
        heads = Counter(seen.head for seen in receiver.seen)
    assert list(heads.values()) == [3, 3]
    assert len(keys(receiver)) == 2


def test_it_is_tried_until_the_receiver_takes_it(works: Works):
    with Receiver() as receiver:
        profile = works.profile(receiver.url("status/500"), settings={"retryFirstSeconds": 1, "retryCapSeconds": 1})
        works.events(3)
        works.pump(lambda: min(row.failures for row in works.deliveries()) >= 2)
        works.run(
            "UPDATE profiles SET settings = settings || jsonb_build_object('url', CAST(:url AS text)), version = version + 1"
            " WHERE id = :id",
            url=receiver.url("ok"),
            id=profile,
        )
        works.open_gate(profile)
        works.pump(works.is_done)
    for row in works.deliveries():
        numbers = [attempt.number for attempt in works.attempts(row.id)]
        assert numbers == list(range(1, row.tries + 1))
        assert row.failures == row.tries - 1


def test_a_profile_edited_while_its_deliveries_wait_is_followed_at_once(works: Works):
    with Receiver() as receiver, works.pumping():
        profile = works.profile(receiver.url("status/422"), mappings=TALKATIVE)
        works.events()
        wait_until(lambda: works.delivery().failures == 1)
        works.run("UPDATE mappings SET export_name = 'event' WHERE export_name = 'id'")
        works.run(
            "UPDATE profiles SET settings = jsonb_build_object('url', CAST(:url AS text)), version = version + 1",
            url=receiver.url("new"),
        )
        works.make_due(profile)
        wait_until(works.is_done)
        targets = [
            seen.target.replace(works.rows("SELECT event_key FROM events")[0].event_key, "E") for seen in receiver.seen
        ]
    assert targets == ["/status/422?id=E&try=1", "/new?event=E&try=2"]


def test_without_redis_a_due_delivery_goes_out_within_a_second_or_so(works: Works):
    with Receiver() as receiver, works.pumping():
        works.profile(receiver.url())
        wait_until(lambda: bool(works.rows("SELECT FROM heartbeats WHERE name = 'deliver:pump'")))
        began = monotonic()
        works.events()
        wait_until(works.is_done)
        assert monotonic() - began < 2.5


def test_a_ring_is_answered_at_once(works_with_redis: Works):
    from worker.queues import Doorbell

    works = works_with_redis
    with Receiver() as receiver, works.pumping():
        works.profile(receiver.url())
        works.events()
        wait_until(works.is_done)
        waits = []
        for _ in range(4):
            works.events()
            began = monotonic()
            Doorbell(works.place.redis, workers=1).ring()
            wait_until(works.is_done)
            waits.append(monotonic() - began)
        assert sorted(waits)[1] < 0.5  # a second's sleep between two looks would show in most of them


# ---- bad neighbours ------------------------------------------------------------------------------------------------


def test_who_is_silent_drips_or_never_ends_holds_up_nobody_else(works: Works):
    with Receiver() as bad, Receiver() as good:
        slow = [
            works.profile(bad.url("silent"), settings={"timeoutSeconds": 1, "maxInFlight": 100}),
            works.profile(bad.url("drip"), settings={"timeoutSeconds": 1, "maxInFlight": 100}),
            # Its megabytes must be too large before they are too late, however busy the machine is.
            works.profile(bad.url("endless_body"), settings={"timeoutSeconds": 60, "maxInFlight": 4}),
        ]
        well = works.profile(good.url(), settings={"maxInFlight": 1000})
        works.events(300)
        took = works.pump(lambda: works.is_done(well))
        assert took < 10
        assert len(keys(good)) == len(good.seen) == 300
    for profile in slow:
        assert works.states(profile)["delivered"] == 0
    assert works.gate(slow[0]).fault == works.gate(slow[1]).fault == "breaker"
    assert works.gate(slow[2]).fault is None  # too large an answer is no sign that the receiver is down


def test_one_wide_and_slow_profile_leaves_slots_for_the_others(works: Works):
    # The bad receiver goes first at the end, so that the pump has nothing to wait for.
    with Receiver() as good, works.pumping(), Receiver() as bad:
        works.profile(bad.url("slow/30"), settings={"maxInFlight": 1000}, routes=[route(campaign=1)])
        works.events(400, campaignId=1)
        wait_until(lambda: len(bad.seen) >= pump.IN_FLIGHT - pump.KEPT)
        well = works.profile(good.url(), routes=[route(campaign=2)], settings={"maxInFlight": 1000})
        works.events(300, campaignId=2)
        began = monotonic()
        wait_until(lambda: works.is_done(well))
        assert monotonic() - began < 3
        assert len(bad.seen) == pump.IN_FLIGHT - pump.KEPT


def test_at_the_end_of_a_box_the_slow_ones_hold_up_nobody_else(works: Works):
    with Receiver() as bad, Receiver() as good:
        slow = works.profile(bad.url("slow/2"), routes=[route(campaign=1)], settings={"maxInFlight": 100})
        well = works.profile(good.url(), routes=[route(campaign=2)])
        works.events(32, campaignId=1)
        works.events(1, campaignId=2)
        late: list[str] = []
        done_at: list[float] = []

        def stopping() -> bool:
            if not late and works.states(slow)["leased"] and monotonic() > began + 1:
                late.extend(works.events(20, campaignId=2) + works.events(18, campaignId=1))
            if len(good.seen) == 21 and len(bad.seen) == 32:
                done_at.append(monotonic())
            return False

        began = monotonic()
        pump.run_pump(works.place, name="pump", stopping=stopping, box_seconds=0.5)
        assert done_at[0] - began < 1.9  # before the slow ones have answered
    assert works.states(well) == {"delivered": 21}
    assert works.states(slow) == {"delivered": 32, "pending": 18}  # it got no more, and nothing was cut


def test_a_receiver_that_turns_slow_at_the_end_of_a_box_holds_up_nobody_else_either(works: Works):
    with Receiver() as bad, Receiver() as good:
        works.profile(bad.url("slow/2"), routes=[route(campaign=1)])
        slower = works.profile(bad.url("slow/4"), routes=[route(campaign=3)])
        well = works.profile(good.url(), routes=[route(campaign=2)])
        works.events(3, campaignId=1)
        sent: list[str] = []
        states: list[dict[str, int]] = []

        def stopping() -> bool:
            if not sent and monotonic() > began + 1.5:  # the box is over, and only the first slow ones are in the air
                sent.extend(works.events(3, campaignId=3))
            if len(sent) == 3 and works.states(slower)["leased"] == 3 and monotonic() > began + 3:
                sent.extend(works.events(5, campaignId=2))
            if not states and works.is_done(well) and len(sent) == 8:
                states.append(dict(works.states(slower)))
            return False

        began = monotonic()
        pump.run_pump(works.place, name="pump", stopping=stopping, box_seconds=0.3)
    assert states == [{"leased": 3}]  # they were still in the air
    assert works.states(well) == {"delivered": 5}


def render(works: Works, leases: list[Lease], statement: str) -> dict[int, object]:
    """Render with a projection that does what none should do: fail."""
    plan = replace(leases[0].plan, _statement=statement, _parameters={})
    with works.engine.connect() as connection:
        return dict(pump.render(connection, [replace(lease, plan=plan) for lease in leases]))


def test_a_row_that_breaks_the_projection_is_held_and_the_others_go(works: Works):
    works.profile()
    works.events(3)
    leases = works.claim()
    bad = leases[1].delivery_id
    statement = f"SELECT id, (id / (id - {bad}))::text FROM deliveries WHERE id = ANY(%(ids)s)"
    kinds = {id_: type(one) for id_, one in render(works, leases, statement).items()}
    assert kinds == {lease.delivery_id: Unsendable if lease.delivery_id == bad else Parcel for lease in leases}


def test_a_projection_that_breaks_for_every_row_is_its_profiles_fault(works: Works):
    works.profile()
    works.events(2)
    found = render(works, works.claim(), "SELECT no_such_column FROM deliveries WHERE id = ANY(%(ids)s)")
    assert {type(one) for one in found.values()} == {BadSettings}


def test_a_receiver_that_comes_back_gets_everything_and_no_flood(works: Works):
    with Receiver() as receiver:
        profile = works.profile(
            receiver.url("status/503"), settings={"retryFirstSeconds": 1, "maxInFlight": 16}, mappings=TALKATIVE
        )
        works.events(120)
        works.pump(lambda: works.gate(profile).fault == "breaker")
        tried = len(receiver.seen)
        assert tried <= 32
        works.pump(lambda: True, seconds=1)
        assert len(receiver.seen) <= tried
        works.run("UPDATE profiles SET settings = settings || jsonb_build_object('url', CAST(:url AS text)),"
                  " version = version + 1", url=receiver.url("slow/0.05"))  # fmt: skip
        works.open_gate(profile)
        works.pump(works.is_done)
    assert len(keys(receiver)) == 120
    assert len(receiver.seen) == tried + 120
    assert works.gate(profile).fault is None


# ---- death at a named point ----------------------------------------------------------------------------------------


def test_claimed_and_not_sent_it_is_lost_noted_and_sent(works: Works):
    with Receiver() as receiver:
        works.profile(receiver.url())
        works.events(3)
        works.claim(name="dead")
        works.end_leases()
        works.pump(works.is_done)
        assert len(receiver.seen) == 3
    assert Counter(row.outcome for row in works.attempts()) == {"unknown": 3, "delivered": 3}
    assert all("outcome unknown" in row.error for row in works.attempts() if row.outcome == "unknown")


def test_sent_and_not_recorded_it_comes_again_with_the_same_key(works: Works):
    with Receiver() as receiver:
        works.profile(receiver.url())
        works.events(3)
        dying = works.by_hand("dead")
        dying.claim_and_start()
        wait_until(lambda: bool(dying.flights.finished(0.1)) and len(receiver.seen) == 3)
        works.end_leases()
        works.pump(works.is_done)
        assert sorted(keys(receiver).values()) == [2, 2, 2]
    assert Counter(row.outcome for row in works.attempts()) == {"unknown": 3, "delivered": 3}  # one for each request
    assert {row.tries for row in works.deliveries()} == {2}


def test_recorded_and_not_committed_is_like_not_recorded(works: Works):
    works.profile()
    works.events()
    leases = works.claim()
    with works.cut_off_once("before"), pytest.raises(Exception, match="closed the connection"):
        works.finish(leases)
    assert works.states() == {"leased": 1}
    assert works.attempts() == []
    works.finish(leases)
    assert works.states() == {"delivered": 1}


def test_the_next_of_the_same_name_frees_the_leases_of_a_dead_one_at_once(works: Works):
    with Receiver() as receiver:
        works.profile(receiver.url())
        works.events(4)
        works.claim(2, name="waybill-1")
        works.claim(2, name="waybill-2")
        works.pump(lambda: works.states()["delivered"] == 2, name="waybill-1")
    assert works.states() == {"delivered": 2, "leased": 2}
    assert {row.leased_by for row in works.deliveries()} == {None, "waybill-2"}
    assert [row.outcome for row in works.attempts()].count("unknown") == 2


def test_a_sleeper_that_wakes_up_after_its_lease_changes_nothing(works: Works):
    with Receiver() as receiver:
        works.profile(receiver.url())
        works.events()
        sleeper = works.by_hand("sleeper")
        sleeper.claim_and_start()
        works.end_leases()
        works.pump(works.is_done)
        before = works.deliveries()
        sleeper.drain()
        assert works.deliveries() == before
    assert [row.late for row in works.attempts()].count(True) == 1


def test_a_lease_that_is_nearly_over_is_not_begun(works: Works):
    with Receiver() as receiver:
        works.profile(receiver.url())
        works.events(2)
        late = works.by_hand()
        leases = [replace(lease, until=monotonic() + 30) for lease in works.claim()]
        late.start(leases)
        late.drain()
        assert receiver.seen == []
    assert works.states() == {"pending": 2}
    assert works.attempts() == []


def test_rows_that_were_lost_three_times_are_sent_one_after_the_other(works: Works):
    with Receiver() as receiver:
        works.profile(receiver.url("slow/0.1"))
        works.events(4)
        works.run("UPDATE deliveries SET losses = 3")
        in_flight: list[int] = []

        def watch() -> bool:
            in_flight.append(works.states()["leased"])
            return works.is_done()

        works.pump(watch)
        assert max(in_flight) == 1
        assert len(receiver.seen) == 4


# ---- SIGTERM -------------------------------------------------------------------------------------------------------


def test_told_to_stop_it_lets_what_is_under_way_end_and_claims_no_more(works: Works):
    with Receiver() as receiver:
        works.profile(receiver.url("slow/1"), settings={"maxInFlight": 4})
        works.events(8)
        with works.pumping() as told:
            wait_until(lambda: len(receiver.seen) == 4)
            told.set()
    assert works.states() == {"delivered": 4, "pending": 4}
    assert len(works.attempts()) == 4


def test_what_does_not_end_in_time_is_cut_noted_as_unknown_and_due_at_once(works: Works):
    with Receiver() as receiver:
        works.profile(receiver.url("silent"), mappings=TALKATIVE)
        works.events(3)
        stopped = works.by_hand()
        stopped.claim_and_start()
        wait_until(lambda: not stopped.flights.finished(0.05) and len(receiver.seen) == 3)
        began = monotonic()
        stopped.drain(seconds=0.5)
        assert monotonic() - began < 1.5
    assert [(row.state, row.failures, row.losses) for row in works.deliveries()] == [("pending", 0, 0)] * 3
    assert all(row.due_at - row.created_at < timedelta(seconds=10) for row in works.deliveries())
    for attempt in works.attempts():
        assert (attempt.outcome, attempt.status) == ("unknown", None)
        assert "/silent" in attempt.url


# ---- Postgres goes away --------------------------------------------------------------------------------------------


def test_connections_that_are_cut_at_any_time_lose_nothing_and_double_nothing(works: Works):
    with Receiver() as receiver, works.pumping(name="one"), works.pumping(name="two"):
        works.profile(receiver.url("slow/0.02"), settings={"maxInFlight": 20})
        works.events(600)
        shot, began = 0, monotonic()
        while not works.is_done():
            shot += works.shoot_connections()
            works.engine.dispose()
            if monotonic() > began + 10:  # a claim whose commit was cut off: its leases end by themselves
                works.end_leases()
            _rest(0.15)
        assert shot > 5
    assert works.states() == {"delivered": 600}
    assert set(keys(receiver)) == {
        f"{next(iter(keys(receiver))).rpartition('_')[0]}_{row.id}" for row in works.deliveries()
    }
    told = [row.delivery_id for row in works.attempts() if row.outcome != "unknown"]
    assert set(told) == {row.id for row in works.deliveries()}
    assert len(told) == len(receiver.seen)  # one attempt for each request, no more and no less
    assert not any(row.late for row in works.attempts())


def test_results_that_land_while_postgres_is_away_are_kept_until_it_is_back(works: Works):
    with Receiver() as receiver:
        works.profile(receiver.url())
        works.events(5)
        patient = works.by_hand()
        patient.claim_and_start()
        with works.closed_to_new_connections():
            until = monotonic() + 1.5
            while monotonic() < until:
                patient.turn()
            assert len(receiver.seen) == 5
            assert not patient.results.is_empty
        while not patient.results.is_empty:
            patient.turn()
    assert works.states() == {"delivered": 5}
    assert len(works.attempts()) == 5


def test_a_pump_that_starts_while_postgres_is_away_begins_when_it_is_back(works: Works):
    with Receiver() as receiver:
        works.profile(receiver.url())
        works.events(2)
        with works.closed_to_new_connections(), works.pumping():
            _rest(0.7)
            assert receiver.seen == []
        works.pump(works.is_done)


def test_leases_whose_rendering_postgres_cut_off_go_back(works: Works):
    works.profile()
    works.events(3)
    leases, unlucky = works.claim(), works.by_hand()
    with works.closed_to_new_connections():
        unlucky.start(leases)
    assert works.states() == {"leased": 3}
    assert unlucky.results.write()
    assert [(row.state, row.tries) for row in works.deliveries()] == [("pending", 0)] * 3


def _rest(seconds: float) -> None:
    end = monotonic() + seconds
    wait_until(lambda: monotonic() >= end)


# ---- cost ----------------------------------------------------------------------------------------------------------


def test_a_delivery_costs_less_than_a_tenth_of_a_statement(works_with_redis: Works):
    works, statements = works_with_redis, Counter[str]()
    with Receiver() as receiver:
        for _ in range(2):
            works.profile(receiver.url(), settings={"maxInFlight": 1000}, mappings=SEED)
        works.events(1000)
        works.count_statements(statements)
        with works.pumping(place=works.place):
            wait_until(lambda: len(receiver.seen) == 2000, 30)
        assert works.states() == {"delivered": 2000}
    assert sum(statements.values()) < 200, statements.most_common(8)


def test_reaping_everything_takes_as_many_rounds_as_needed(works: Works):
    works.profile(settings={"maxInFlight": 1000})
    works.events(reaper.REAP_MOST + 5)
    assert len(works.claim(1000)) == reaper.REAP_MOST + 5
    works.end_leases()
    assert [reaper.reap(works.engine) for _ in range(3)] == [reaper.REAP_MOST, 5, 0]
    assert works.states() == {"pending": reaper.REAP_MOST + 5}
