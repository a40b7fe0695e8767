"""Send again: which deliveries a replay takes, that it says so before, and that it goes on after a crash."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from models import by_hand, jobs, replay
from models.base import utc_now
from models.job import Job
from models.replay import Filters
from tests.factories import accept_events, add_profile, deliveries, event_document, unique

STATES = {
    "pending": "failures = 3, losses = 2, due_at = now() + interval '1 hour'",
    "leased": "state = 'leased', lease_token = 1, lease_until = now() + interval '1 minute', leased_at = now()",
    "held": "state = 'held', reason = 'cannot be sent'",
    "delivered": "state = 'delivered', finished_at = now(), tries = 1",
    "skipped": "state = 'skipped', reason = 'order completed', finished_at = now()",
    "cancelled": "state = 'cancelled', reason = 'by Olga', finished_at = now()",
}


def in_every_state(engine: sa.Engine) -> int:
    """One delivery in each state, its event named after it, and one of a test card."""
    profile = add_profile(engine)
    accept_events(engine, *[event_document(state) for state in STATES], event_document("test", testCard=True))
    with engine.begin() as connection:
        for state, change in STATES.items():
            connection.execute(
                sa.text(
                    f"UPDATE deliveries SET {change} WHERE event_id = (SELECT id FROM events WHERE event_key = :key)"
                ),
                {"key": state},
            )
    return profile


def run(engine: sa.Engine, filters: Filters) -> tuple[int, int]:
    """Replay to the end. Gives how many were counted before and how many were sent again."""
    with Session(engine) as session, session.begin():
        matched = replay.count(session, filters)
        job_id = replay.start(session, filters, actor="Olga", matched=matched).id
    while jobs.run_one_batch(engine):
        pass
    with Session(engine) as session:
        job = session.get_one(Job, job_id)
        assert (job.state, job.total, job.created_by) == ("done", matched, "Olga")
        return matched, job.done


def forced(engine: sa.Engine) -> list[str]:
    return [row.event_key for row in deliveries(engine) if row.forced]


def test_all_but_what_is_on_its_way_and_test_cards_are_sent_again(engine: sa.Engine):
    in_every_state(engine)
    assert run(engine, Filters()) == (5, 5)
    assert forced(engine) == ["pending", "held", "delivered", "skipped", "cancelled"]
    now = utc_now()
    for row in deliveries(engine):
        if row.forced:
            assert (row.state, row.reason, row.finished_at, row.failures, row.losses) == ("pending", None, None, 0, 0)
            assert row.due_at <= now
    (delivered,) = deliveries(engine, event="delivered")
    assert delivered.tries == 1


def test_an_order_that_turned_out_to_be_a_test_is_not_sent_again(engine: sa.Engine):
    add_profile(engine)
    accept_events(engine, event_document("a", clientOrderId="B1"))
    accept_events(engine, event_document("b", clientOrderId="B1", testCard=True))
    assert run(engine, Filters()) == (0, 0)


@pytest.mark.parametrize("state", [*STATES])
def test_a_state_is_the_one_that_is_shown(engine: sa.Engine, state: str):
    in_every_state(engine)
    wanted = [] if state == "leased" else [state]
    assert run(engine, Filters(state=state)) == (len(wanted), len(wanted))
    assert forced(engine) == wanted


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE profiles SET paused = true",
        "UPDATE profiles SET enabled = false",
        "UPDATE gates SET fault = 'breaker', fault_since = now()",
    ],
)
def test_behind_a_closed_gate_what_waits_is_held(engine: sa.Engine, change: str):
    in_every_state(engine)
    with engine.begin() as connection:
        connection.execute(sa.text(change))
    assert run(engine, Filters(state="pending")) == (0, 0)
    assert run(engine, Filters(state="held")) == (2, 2)
    assert forced(engine) == ["pending", "held"]


def test_the_filters_narrow_it_down(engine: sa.Engine):
    first = add_profile(engine, name="First")
    add_profile(engine, name="Second")
    accept_events(engine, event_document("a", customerId=1), event_document("b", customerId=2))
    (wanted,) = deliveries(engine, profile=first, event="b")

    def matches(**filters: Any) -> int:
        with Session(engine) as session:
            return replay.count(session, Filters(**filters))

    now = utc_now()
    assert matches() == 4
    assert matches(profile="FIRST") == 2
    assert matches(profile="Nobody") == 0
    assert matches(customer_id="2") == 2
    assert matches(event_id="a") == 2
    assert matches(profile="first", event_id="b") == 1
    assert matches(delivery_id=wanted.id) == 1
    assert matches(since=now - timedelta(hours=1), until=now + timedelta(hours=1)) == 4
    assert matches(since=now + timedelta(hours=1)) == 0
    assert matches(until=now - timedelta(hours=1)) == 0
    assert run(engine, Filters(profile="first", event_id="b", since=now - timedelta(hours=1))) == (1, 1)
    assert [row.id for row in deliveries(engine) if row.forced] == [wanted.id]


def test_filters_survive_being_written_down():
    now = utc_now()
    for filters in (
        Filters(),
        Filters(profile="P", state="held", customer_id="1", event_id="e", since=now, until=now, delivery_id=5),
    ):
        assert Filters.read(filters.document()) == filters


def test_deliveries_of_a_deleted_profile_are_left_alone(engine: sa.Engine):
    in_every_state(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE profiles SET deleted_at = now()"))
    assert run(engine, Filters()) == (0, 0)


def test_what_comes_after_the_start_is_not_taken(engine: sa.Engine):
    add_profile(engine)
    accept_events(engine, event_document("before"))
    with Session(engine) as session, session.begin():
        replay.start(session, Filters(), actor="Olga", matched=1)
    accept_events(engine, event_document("after"))
    while jobs.run_one_batch(engine):
        pass
    assert forced(engine) == ["before"]


def test_a_replay_that_dies_half_way_goes_on_where_it_was(engine: sa.Engine):
    add_profile(engine)
    accept_events(engine, *[event_document(unique("a")) for _ in range(replay.BATCH)])
    accept_events(engine, *[event_document(unique("b")) for _ in range(3)])
    with Session(engine) as session, session.begin():
        job_id = replay.start(session, Filters(), actor="Olga", matched=replay.BATCH + 3).id
    assert jobs.run_one_batch(engine)
    with engine.begin() as connection:  # delivered meanwhile: the second half must not send it once more
        connection.execute(sa.text("UPDATE deliveries SET state = 'delivered', finished_at = now() WHERE forced"))
    with Session(engine) as session:  # a worker dies before its commit
        replay.run_batch(session, session.get_one(Job, job_id))
        session.rollback()
    assert jobs.run_one_batch(engine)
    assert not jobs.run_one_batch(engine)
    with Session(engine) as session:
        assert session.get_one(Job, job_id).done == replay.BATCH + 3
    assert [row.state for row in deliveries(engine)].count("pending") == 3


# By hand


def test_cancelling_ends_what_is_open_with_the_name_and_the_reason(engine: sa.Engine):
    in_every_state(engine)
    before = {row.event_key: row for row in deliveries(engine)}
    with Session(engine) as session, session.begin():
        ids = [row.id for row in before.values()]
        assert by_hand.cancel(session, ids, actor="Olga", reason="wrong list") == 3
    after = {row.event_key: row for row in deliveries(engine)}
    for key in ("pending", "held"):
        assert (after[key].state, after[key].reason) == ("cancelled", "cancelled by Olga: wrong list")
        assert after[key].finished_at is not None
    assert {key for key in after if after[key] != before[key]} == {"pending", "held", "leased"}


def test_a_try_under_way_keeps_its_lease_with_the_reason_on_it(engine: sa.Engine):
    in_every_state(engine)
    (before,) = deliveries(engine, event="leased")
    with Session(engine) as session, session.begin():
        assert by_hand.cancel(session, [before.id], actor="Olga", reason="wrong list") == 1
    (after,) = deliveries(engine, event="leased")
    assert (after.state, after.reason, after.finished_at) == ("leased", "cancelled by Olga: wrong list", None)
    assert (after.lease_token, after.lease_until) == (before.lease_token, before.lease_until)


def test_sending_again_by_hand_follows_the_same_rule(engine: sa.Engine):
    in_every_state(engine)
    with Session(engine) as session, session.begin():
        assert by_hand.send_again(session, [row.id for row in deliveries(engine)]) == 5
    assert forced(engine) == ["pending", "held", "delivered", "skipped", "cancelled"]


class TestPace:
    """A replay with a pace hands out what it owes for two seconds, and rests; a person may pause and stop it."""

    @pytest.fixture
    def job_id(self, engine: sa.Engine) -> int:
        add_profile(engine)
        accept_events(engine, *[event_document(unique("e")) for _ in range(5)])
        with Session(engine) as session, session.begin():
            return replay.start(session, Filters(), actor="Olga", matched=5, per_second=1).id

    def move(self, engine: sa.Engine, job_id: int, how: Any) -> None:
        with Session(engine) as session, session.begin():
            how(session.get_one(Job, job_id, with_for_update=True))

    def state(self, engine: sa.Engine, job_id: int) -> tuple[str, int]:
        with Session(engine) as session:
            job = session.get_one(Job, job_id)
            return job.state, job.done

    def skip_the_rest(self, engine: sa.Engine) -> None:
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE jobs SET next_at = now()"))

    def test_it_rests_after_each_batch(self, engine: sa.Engine, job_id: int) -> None:
        assert jobs.run_one_batch(engine)
        assert self.state(engine, job_id) == ("running", 2)
        assert not jobs.run_one_batch(engine)
        with Session(engine) as session:
            rest = session.get_one(Job, job_id).next_at - utc_now()
        assert timedelta(0) < rest < timedelta(seconds=3)
        self.skip_the_rest(engine)
        assert jobs.run_one_batch(engine)
        self.skip_the_rest(engine)
        assert jobs.run_one_batch(engine)
        assert self.state(engine, job_id) == ("done", 5)

    def test_a_resting_job_lets_others_pass(self, engine: sa.Engine, job_id: int) -> None:
        assert jobs.run_one_batch(engine)
        with Session(engine) as session, session.begin():
            other = replay.start(session, Filters(), actor="Olga", matched=5).id
        assert jobs.run_one_batch(engine)
        assert self.state(engine, other) == ("done", 5)

    def test_it_may_be_slower_than_one_a_second(self, engine: sa.Engine, job_id: int) -> None:
        with Session(engine) as session, session.begin():
            replay.stop(session.get_one(Job, job_id))
            slow = replay.start(session, Filters(), actor="Olga", matched=5, per_second=0.25).id
        assert jobs.run_one_batch(engine)
        assert self.state(engine, slow) == ("running", 1)
        assert not jobs.run_one_batch(engine)

    def test_paused_it_does_nothing_until_it_goes_on(self, engine: sa.Engine, job_id: int) -> None:
        assert jobs.run_one_batch(engine)
        self.skip_the_rest(engine)
        self.move(engine, job_id, replay.pause)
        assert not jobs.run_one_batch(engine)
        assert self.state(engine, job_id) == ("paused", 2)
        self.move(engine, job_id, replay.go_on)
        assert jobs.run_one_batch(engine)
        assert self.state(engine, job_id) == ("running", 4)

    def test_stopped_it_is_over(self, engine: sa.Engine, job_id: int) -> None:
        assert jobs.run_one_batch(engine)
        self.move(engine, job_id, replay.stop)
        self.skip_the_rest(engine)
        assert not jobs.run_one_batch(engine)
        assert self.state(engine, job_id) == ("stopped", 2)
        for how in (replay.pause, replay.go_on, replay.stop):
            with pytest.raises(replay.NotPossible, match="stopped"):
                self.move(engine, job_id, how)
