"""Any order of what can happen to deliveries, against a model of a few lines: nothing is lost, doubled or stuck."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy.orm import Session

from exporters.base import Failing
from exporters.errors import Unsendable
from models import by_hand, jobs
from models.base import utc_now
from models.profile import Profile
from models.routing import backfill_later, lock_routing, release_held
from tests.factories import accept_events, event_document
from tests.integration.worker.examples import examples
from tests.integration.worker.works import Works
from worker import reaper, record, verdict
from worker.lease import Lease

CAP = 3
SUSPECT = 3
ANSWERS = st.sampled_from([200, 200, 200, 422, 503, 410, Failing.TIMEOUT])
TABLES = "jobs, attempts, deliveries, events, orders, customers, mappings, routes, gates, profiles"


@dataclass
class Row:
    """What the model knows of a delivery."""

    profile: int
    state: str = "pending"
    token: int | None = None
    is_over: bool = False  # its lease
    is_cancelled: bool = False  # while leased
    losses: int = 0
    attempts: int = 0

    @property
    def is_live(self) -> bool:
        return self.state == "leased" and not self.is_over

    def let_go(self, state: str) -> None:
        if self.is_cancelled and state != "delivered":
            state = "cancelled"
        self.state, self.token, self.is_over, self.is_cancelled = state, None, False, False


class DeliveryMachine(RuleBasedStateMachine):
    works: Works

    def __init__(self) -> None:
        super().__init__()
        self.works.run(f"TRUNCATE {TABLES} CASCADE")
        self.profiles = [self.works.profile(settings={"maxInFlight": CAP}) for _ in range(2)]
        self.paused: set[int] = set()
        self.is_on = dict.fromkeys(self.profiles, True)
        self.to_back_fill: set[int] = set()
        self.rows: dict[int, Row] = {}
        self.keys: list[str] = []
        self.leases: list[Lease] = []  # whoever holds them has not reported yet
        self.accept(2)
        self.claim()

    def pick(self, number: int) -> tuple[int, Row]:
        id_ = sorted(self.rows)[number % len(self.rows)]
        return id_, self.rows[id_]

    @rule(count=st.integers(1, 4))
    def accept(self, count: int) -> None:
        self.keys += self.works.events(count)
        self.meet([profile for profile in self.profiles if self.is_on[profile]] * count)

    def meet(self, owed: list[int]) -> None:
        """New deliveries are there: one for each of these profiles, no more and no fewer."""
        new = [row for row in self.works.deliveries() if row.id not in self.rows]
        assert sorted(row.profile_id for row in new) == sorted(owed)
        self.rows |= {row.id: Row(row.profile_id) for row in new}

    @precondition(lambda self: self.keys)
    @rule(number=st.integers(0, 99))
    def accept_again(self, number: int) -> None:
        taken = accept_events(self.works.engine, event_document(self.keys[number % len(self.keys)]))
        assert (taken.accepted, taken.duplicates) == (0, 1)

    @rule(number=st.integers(0, 1))
    def switch_off(self, number: int) -> None:
        self.is_on[self.profiles[number]] = False
        self.works.run("UPDATE routes SET enabled = false WHERE profile_id = :id", id=self.profiles[number])

    @rule(number=st.integers(0, 1))
    def switch_on(self, number: int) -> None:
        """As a save does: alone, and the events meanwhile are made up for later."""
        profile = self.profiles[number]
        with Session(self.works.engine) as session, session.begin():
            lock_routing(session, exclusive=True)
            for route in session.get_one(Profile, profile).routes:
                route.enabled = True
            backfill_later(session, profile, utc_now())
        self.is_on[profile] = True
        self.to_back_fill.add(profile)

    @rule()
    def back_fill(self) -> None:
        while jobs.run_one_batch(self.works.engine):
            pass
        owed = []
        for profile in [profile for profile in self.to_back_fill if self.is_on[profile]]:
            has = {row.event_key for row in self.works.deliveries(profile) if row.id in self.rows}
            owed += [profile] * len(set(self.keys) - has)
        self.to_back_fill.clear()
        self.meet(owed)

    def room(self, profile: int) -> int:
        """How many more of a profile may be in flight; the gate's own rules have tests of their own."""
        gate = self.works.gate(profile)
        if profile in self.paused or gate.shut_for > 0:
            return 0
        cap = 1 if gate.fault else min(CAP, gate.cap or CAP)
        return max(0, cap - sum(row.is_live for row in self.rows.values() if row.profile == profile))

    @rule()
    def claim(self) -> None:
        self.works.make_due()
        rooms = {profile: self.room(profile) for profile in self.profiles}
        leases = self.works.claim()
        for profile in self.profiles:
            mine = [row for row in self.rows.values() if row.profile == profile]
            waiting = sum(row.state == "pending" and row.losses < SUSPECT for row in mine)
            assert sum(lease.plan.profile_id == profile for lease in leases) == min(waiting, rooms[profile])
        self.take(leases)

    @rule()
    def claim_behind_a_breaker(self) -> None:
        """Time passes for gates, too."""
        for profile in self.profiles:
            self.works.open_gate(profile)
        self.claim()

    @rule()
    def claim_suspect(self) -> None:
        self.works.make_due()
        rooms = {profile: self.room(profile) for profile in self.profiles}
        leases = self.works.claim_suspect()
        is_out = any(row.is_live and row.losses >= SUSPECT for row in self.rows.values())
        may_go = [
            row for row in self.rows.values() if row.state == "pending" and row.losses >= SUSPECT and rooms[row.profile]
        ]
        assert len(leases) == (1 if may_go and not is_out else 0)
        self.take(leases)

    def take(self, leases: list[Lease]) -> None:
        for lease in leases:
            row = self.rows[lease.delivery_id]
            assert row.state == "pending"
            row.state, row.token = "leased", lease.token
        self.leases += leases

    @precondition(lambda self: self.leases)
    @rule(number=st.integers(0, 99), answer=ANSWERS)
    def finish(self, number: int, answer: int | Failing) -> None:
        """Of a current token, and as often of one that is stale by now."""
        lease = self.leases.pop(number % len(self.leases))
        row = self.rows[lease.delivery_id]
        late = self.works.finish([lease], answer)
        row.attempts += 1
        if row.token != lease.token:
            assert late == {lease.delivery_id}
            return
        assert not late
        row.losses = 0
        row.let_go("delivered" if answer == 200 else "pending")

    @precondition(lambda self: self.leases)
    @rule(number=st.integers(0, 99))
    def find_it_cannot_be_sent(self, number: int) -> None:
        lease = self.leases.pop(number % len(self.leases))
        row = self.rows[lease.delivery_id]
        ended = verdict.not_written(lease, Unsendable("no such value"), now=utc_now(), luck=0.5)
        late = record.record(self.works.engine, [ended], luck=0.5)
        assert (late == {lease.delivery_id}) == (row.token != lease.token)
        if not late:
            row.losses = 0
            row.let_go("held")

    @rule(number=st.integers(0, 1))
    def resume(self, number: int) -> None:
        profile = self.profiles[number]
        held = [row for row in self.rows.values() if row.profile == profile and row.state == "held"]
        with Session(self.works.engine) as session, session.begin():
            assert release_held(session, profile) == len(held)
        for row in held:
            row.state = "pending"

    @precondition(lambda self: self.leases)
    @rule(number=st.integers(0, 99))
    def give_back(self, number: int) -> None:
        lease = self.leases.pop(number % len(self.leases))
        record.give_back(self.works.engine, [lease])
        if self.rows[lease.delivery_id].token == lease.token:
            self.rows[lease.delivery_id].let_go("pending")

    @rule(is_noticed=st.booleans())
    def expire(self, is_noticed: bool) -> None:
        self.works.end_leases()
        for row in self.rows.values():
            row.is_over = row.state == "leased"
        if is_noticed:
            self.reap()

    @rule()
    def reap(self) -> None:
        lost = [row for row in self.rows.values() if row.is_over]
        assert reaper.reap(self.works.engine) == len(lost)
        for row in lost:
            row.attempts += 1
            row.losses += 1
            row.let_go("pending")

    @rule()
    def claim_after_a_loss(self) -> None:
        """Two processes believe now that a row is theirs."""
        self.expire(is_noticed=True)
        self.claim()

    @rule(number=st.integers(0, 1))
    def pause_or_resume(self, number: int) -> None:
        profile = self.profiles[number]
        self.paused ^= {profile}
        self.works.run("UPDATE profiles SET paused = NOT paused WHERE id = :id", id=profile)

    @precondition(lambda self: self.rows)
    @rule(number=st.integers(0, 99))
    def cancel(self, number: int) -> None:
        id_, row = self.pick(number)
        with Session(self.works.engine) as session, session.begin():
            by_hand.cancel(session, [id_], actor="olga", reason="wrong")
        if row.state == "leased":
            row.is_cancelled = True
        elif row.state in {"pending", "held"}:
            row.state = "cancelled"

    @precondition(lambda self: self.rows)
    @rule(number=st.integers(0, 99))
    def replay(self, number: int) -> None:
        id_, row = self.pick(number)
        with Session(self.works.engine) as session, session.begin():
            by_hand.send_again(session, [id_])
        if row.state != "leased":
            row.state, row.losses = "pending", 0

    @invariant()
    def the_tables_say_the_same(self) -> None:
        found: dict[int, Any] = {row.id: row for row in self.works.deliveries()}
        assert set(found) == set(self.rows)  # one for each event and profile, and none goes
        for id_, row in self.rows.items():
            is_ = found[id_]
            assert (is_.state, is_.lease_token, is_.losses) == (row.state, row.token, row.losses)
            assert is_.due_at is not None
            assert (is_.leased_by is not None) == (is_.lease_until is not None) == (row.state == "leased")

    @invariant()
    def every_try_is_told(self) -> None:
        told = self.works.rows("SELECT delivery_id, count(*) AS times FROM attempts GROUP BY 1")
        assert {row.delivery_id: row.times for row in told} == {
            id_: row.attempts for id_, row in self.rows.items() if row.attempts
        }

    def teardown(self) -> None:
        """Once faults end, everything is delivered that nobody has cancelled."""
        self.back_fill()
        for number in range(2):
            self.resume(number)
        self.works.run("UPDATE profiles SET paused = false")
        for _ in range(200):
            self.works.run("UPDATE gates SET opens_at = now()")
            self.works.end_leases()
            reaper.reap(self.works.engine)
            self.works.make_due()
            leases = self.works.claim() or self.works.claim_suspect()
            if not leases:
                break
            self.works.finish(leases)
        cancelled = sum(row.state == "cancelled" or row.is_cancelled for row in self.rows.values())
        states = self.works.states()
        assert states["delivered"] + states["cancelled"] == len(self.rows)
        assert states["cancelled"] == cancelled


def test_whatever_happens_in_whatever_order_nothing_is_lost_doubled_or_stuck(works: Works):
    machine = type("Machine", (DeliveryMachine,), {"works": works})
    run_state_machine_as_test(machine, settings=examples(15))
