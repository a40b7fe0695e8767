"""Routing: which events a profile is owed, when they are due, and that none falls between."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from models import jobs
from models.base import utc_now
from models.intake import accept
from models.profile import Profile, Route
from models.routing import FAN_OUT, backfill_later, lock_routing, release_held, retime, run_now
from models.rules.calendar import due_at, due_sql
from models.rules.customer_types import CustomerType
from tests.factories import ALL, accept_events, add_profile, deliveries, event_document, route, unique
from tests.factories import UTC as UTC_ZONE

REFUNDS = {"partial_refunds", "full_refunds", "all_refunds"}


def taken(engine: sa.Engine, profile: int) -> list[str]:
    """The keys of the events that a profile is owed, in order."""
    return [row.event_key for row in deliveries(engine, profile=profile)]


def test_each_type_goes_to_routes_of_its_own_type_only(engine: sa.Engine):
    profiles = {kind.value: add_profile(engine, route(kind.value)) for kind in CustomerType}
    accept_events(engine, *[event_document(kind.value, kind.label) for kind in CustomerType])
    assert len(profiles) == 25
    for kind, profile in profiles.items():
        assert set(taken(engine, profile)) == (REFUNDS if kind == "all_refunds" else {kind})


def test_all_refunds_takes_every_refund_and_an_event_of_unknown_extent_is_all_refunds_only(engine: sa.Engine):
    every, part = add_profile(engine, route("all_refunds")), add_profile(engine, route("partial_refunds"))
    accept_events(
        engine,
        event_document("part", "Partial refunds"),
        event_document("full", "Full refunds"),
        event_document("some", "All refunds"),
        event_document("back", "Chargeback"),
    )
    assert taken(engine, every) == ["part", "full", "some"]
    assert taken(engine, part) == ["part"]


@pytest.mark.parametrize(
    ("campaign", "product", "wanted"),
    [
        (ALL, ALL, ["full", "bare", "no-items", "no-id", "other"]),
        (1, ALL, ["full", "no-items"]),
        (ALL, 4, ["full", "no-id"]),
        (1, 4, ["full"]),
        (1, 9, []),
        (7, ALL, []),
    ],
)
def test_campaign_and_product_are_matched_and_all_takes_events_without_them(
    engine: sa.Engine, campaign: Any, product: Any, wanted: list[str]
):
    profile = add_profile(engine, route("new_sale", campaign, product))
    accept_events(
        engine,
        event_document("full", campaignId=1, items=[{"productId": 3}, {"productId": "4"}]),
        event_document("bare"),
        event_document("no-items", campaignId="1", items=[]),
        event_document("no-id", items=[{"name": "Gift"}, {"productId": 4}]),
        event_document("other", campaignId=2, items=[{"productId": 5}, {"productId": 44}]),
    )
    assert taken(engine, profile) == wanted


def test_an_event_that_matches_several_routes_of_a_profile_is_owed_once(engine: sa.Engine):
    profile = add_profile(
        engine,
        route("new_sale"),
        route("new_sale", 1),
        route("new_sale", ALL, 4),
        route("new_sale", 1, 4),
        route("new_sale", 1, 5),
    )
    accept_events(
        engine, event_document("a", campaignId=1, items=[{"productId": 4}, {"productId": 5}, {"productId": 4}])
    )
    assert taken(engine, profile) == ["a"]


def test_switched_off_and_deleted_profiles_and_routes_get_nothing(engine: sa.Engine):
    add_profile(engine, enabled=False)
    add_profile(engine, deleted_at=utc_now())
    add_profile(engine, Route(customer_type="new_sale", enabled=False))
    accept_events(engine, event_document())
    assert deliveries(engine) == []


def test_a_paused_profile_gets_its_deliveries(engine: sa.Engine):
    profile = add_profile(engine, paused=True)
    accept_events(engine, event_document("a"))
    assert taken(engine, profile) == ["a"]


def test_only_postback_profiles_have_deliveries(engine: sa.Engine):
    add_profile(engine, export_type="csv")
    accept_events(engine, event_document())
    assert deliveries(engine) == []


# When


@pytest.mark.parametrize(("interval", "delay"), [(15, 0), (15, 5), (0, 0), (0, 5), (10_080, 10_080), (1, 0)])
def test_a_delivery_is_due_by_interval_and_delay_after_the_acceptance(engine: sa.Engine, interval: int, delay: int):
    add_profile(engine, interval_minutes=interval, delay_minutes=delay)
    accept_events(engine, event_document(occurredAt="2020-01-01T00:00:00Z"))
    (row,) = deliveries(engine)
    with engine.connect() as connection:
        accepted = connection.scalar(sa.text("SELECT accepted_at FROM events"))
    assert accepted is not None
    assert row.due_at == due_at(accepted, interval=interval, delay=delay)


def test_the_rule_in_sql_is_the_rule_in_python(engine: sa.Engine):
    rule = sa.text(
        f"SELECT {due_sql(accepted='n.accepted', profile='n')} FROM (SELECT CAST(:accepted AS timestamptz),"
        " CAST(:interval AS int), CAST(:delay AS int)) AS n (accepted, interval_minutes, delay_minutes)"
    )
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    minutes = st.integers(0, 10_080)
    anywhere = st.timedeltas(timedelta(days=1), timedelta(days=80_000))
    near = st.sampled_from([timedelta(0), timedelta(microseconds=1), timedelta(microseconds=-1), timedelta(seconds=1)])

    with engine.connect() as connection:

        @settings(max_examples=400, deadline=None)
        @given(since=anywhere, off=near | st.none(), interval=minutes, delay=minutes)
        def check(since: timedelta, off: timedelta | None, interval: int, delay: int) -> None:
            if off is not None and interval:  # at a run, or a breath beside it
                period = timedelta(minutes=interval + delay)
                since = since // period * period + period + off
            values = {"accepted": epoch + since, "interval": interval, "delay": delay}
            assert connection.scalar(rule, values) == due_at(epoch + since, interval=interval, delay=delay)

        check()


def test_new_settings_retime_what_was_never_tried(engine: sa.Engine):
    profile = add_profile(engine, interval_minutes=10_080)
    other = add_profile(engine, interval_minutes=10_080)
    accept_events(engine, *[event_document(key) for key in ("new", "tried", "failed", "done")])
    with engine.begin() as connection:
        for key, change in (
            ("tried", "tries = 1"),
            ("failed", "failures = 1"),
            ("done", "state = 'delivered', finished_at = now()"),
        ):
            connection.execute(
                sa.text(
                    f"UPDATE deliveries SET {change} WHERE event_id = (SELECT id FROM events WHERE event_key = :key)"
                ),
                {"key": key},
            )
    before = {row.id: row.due_at for row in deliveries(engine)}
    with Session(engine) as session, session.begin():
        loaded = session.get_one(Profile, profile)
        loaded.interval_minutes = 0
        retime(session, loaded)
    moved = [(row.profile_id, row.event_key) for row in deliveries(engine) if row.due_at != before[row.id]]
    assert moved == [(profile, "new")]
    (row,) = deliveries(engine, profile=profile, event="new")
    assert row.due_at == row.created_at
    assert taken(engine, other) == ["new", "tried", "failed", "done"]


def test_run_now_makes_everything_that_waits_due(engine: sa.Engine):
    profile, other = add_profile(engine, interval_minutes=10_080), add_profile(engine, interval_minutes=10_080)
    accept_events(engine, event_document(), event_document(), event_document(testCard=True))
    with Session(engine) as session, session.begin():
        assert run_now(session, profile) == 2
        assert run_now(session, profile) == 2
    now = utc_now()
    assert [row.due_at <= now for row in deliveries(engine, profile=profile) if row.state == "pending"] == [True, True]
    assert all(row.due_at > now for row in deliveries(engine, profile=other) if row.state == "pending")


def test_release_gives_what_was_held_another_try_and_opens_the_gate(engine: sa.Engine):
    profile, other = add_profile(engine), add_profile(engine)
    accept_events(engine, event_document("a"), event_document("b"))
    with engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE deliveries SET state = 'held', reason = 'cannot be sent' WHERE event_id = 1")
        )
        connection.execute(
            sa.text(
                "UPDATE gates SET fault = 'gone', fault_since = now(), fault_message = '410', trips = 3, cap = 2,"
                " opens_at = now() + interval '6 hours'"
            )
        )
    with Session(engine) as session, session.begin():
        assert release_held(session, profile) == 1
    assert [(row.state, row.reason) for row in deliveries(engine, profile=profile)] == [("pending", None)] * 2
    assert {row.state for row in deliveries(engine, profile=other)} == {"held", "pending"}
    with engine.connect() as connection:
        gates = connection.execute(
            sa.text("SELECT fault, trips, cap, opens_at <= now() FROM gates ORDER BY profile_id")
        )
        assert [tuple(gate) for gate in gates] == [(None, 0, None, True), ("gone", 3, 2, False)]


# The switch


def switch_on(engine: sa.Engine, profile: int) -> None:
    """Switch a profile on as its page does: alone, and with a back-fill."""
    with Session(engine) as session, session.begin():
        lock_routing(session, exclusive=True)
        session.get_one(Profile, profile).enabled = True
        backfill_later(session, profile, utc_now())


def test_no_event_falls_between_a_profile_switched_on_and_events_arriving(engine: sa.Engine):
    profiles = [add_profile(engine, enabled=False) for _ in range(6)]
    stop = threading.Event()

    def produce() -> int:
        made = 0
        while not stop.is_set():
            with engine.begin() as connection:
                documents = [event_document(unique("key")) for _ in range(5)]
                made += accept(connection, documents, now=utc_now(), zone=UTC_ZONE).accepted
                time.sleep(0.01)  # routed, and not yet to be seen by the back-fill
        return made

    with ThreadPoolExecutor(6) as pool:
        producers = [pool.submit(produce) for _ in range(6)]
        for profile in profiles:
            time.sleep(0.2)
            switch_on(engine, profile)
            while jobs.run_one_batch(engine):
                pass
        time.sleep(0.1)
        stop.set()
        made = sum(producer.result() for producer in producers)
    assert made > 100
    rows = deliveries(engine)
    assert {profile: sum(row.profile_id == profile for row in rows) for profile in profiles} == dict.fromkeys(
        profiles, made
    )


def test_a_switch_waits_for_the_batches_under_way(engine: sa.Engine):
    profile = add_profile(engine, enabled=False)
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            accept(connection, [event_document("a")], now=utc_now(), zone=UTC_ZONE)
            switch = pool.submit(switch_on, engine, profile)
            time.sleep(0.3)
            assert not switch.done()
        switch.result()
    assert jobs.run_one_batch(engine)
    assert taken(engine, profile) == ["a"]


# What it costs


def test_the_fan_out_costs_the_same_with_a_thousand_profiles(engine: sa.Engine):
    documents = [
        event_document(campaignId=number % 50, items=[{"productId": number % 20}, {"productId": 999}])
        for number in range(500)
    ]
    few = [add_profile(engine, route("new_sale", 1)) for _ in range(3)]
    accept_events(engine, *documents)
    small = _cost(engine)
    with engine.begin() as connection:
        for statement in (
            "INSERT INTO profiles (name, export_type) SELECT 'many ' || n, 'postback' FROM generate_series(1, 1000) n",
            "INSERT INTO campaigns (campaign_id) SELECT 'c' || n FROM generate_series(1, 1000) n",
            """INSERT INTO routes (profile_id, customer_type, campaign_id) SELECT p.id, t, 'c' || n
            FROM (SELECT id, row_number() OVER () AS n FROM profiles WHERE name LIKE 'many %') p,
            unnest(ARRAY['new_sale', 'partial', 'decline', 'upsell', 'cancel']) t""",
            "ANALYZE",
        ):
            connection.execute(sa.text(statement))
    large = _cost(engine)
    print(f"fan-out of 500 events: {small['ms']:.1f} ms with 3 profiles, {large['ms']:.1f} ms with 1,003")  # noqa: T201 -- to be read with -s
    print(large["plan"])  # noqa: T201 -- to be read with -s
    assert len(few) == 3
    assert "ix_routes_match" in large["plan"] or "Hash Join" in large["plan"]


def _cost(engine: sa.Engine) -> dict[str, Any]:
    """Explain the fan-out of all events, the deliveries that are there already left out."""
    with engine.connect() as connection:
        connection.execute(sa.text("DELETE FROM deliveries"))
        ids = list(connection.scalars(sa.text("SELECT id FROM events")))
        plan = list(connection.scalars(sa.text(f"EXPLAIN (ANALYZE, BUFFERS OFF) {FAN_OUT}"), {"event_ids": ids}))
        connection.rollback()
    return {"plan": "\n".join(plan), "ms": float(plan[-1].split()[-2])}
