"""A workplace under test: profiles, events, claims and pumps on one database, without RQ."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any

import psycopg
import sqlalchemy as sa

from config import Config
from exporters.base import Failing, Reply
from exporters.transfer import Flights
from models.base import utc_now
from tests.factories import accept_events, add_profile, deliveries, event_document, unique
from tests.servers import app_environment
from worker import claim, pump, record, verdict
from worker.app import Workplace, open_workplace
from worker.ear import Ear
from worker.gatekeeper import Ended
from worker.lease import Lease, Sent
from worker.plans import Plans
from worker.results import Results

NO_REDIS = "redis://127.0.0.1:1/0"
PUMP = "pump"


class Works:
    """One installation's database, and hands to play its processes with."""

    def __init__(self, database_url: str, redis_url: str = NO_REDIS) -> None:
        self._environment = app_environment(database_url, redis_url) | {"EGRESS_ALLOW": "127.0.0.1/32"}
        self._places: list[Workplace] = []
        self.place = self.workplace()
        self.engine = self.place.engine
        self.plans = self.new_plans()

    def workplace(self) -> Workplace:
        """One more process's connections."""
        self._places.append(open_workplace(Config.from_env(self._environment)))
        return self._places[-1]

    def new_plans(self) -> Plans:
        return Plans(self.place.seal, "UTC")

    def close(self) -> None:
        for place in self._places:
            place.engine.dispose()
            place.redis.close()

    # ---- what there is ---------------------------------------------------------------------------------------------

    def profile(self, url: str = "http://127.0.0.1:9/x", **given: Any) -> int:
        """A profile that alone takes its events: `events` sends them by its campaign."""
        routes = given.pop("routes", ())
        return add_profile(self.engine, *routes, url=url, **given)

    def events(self, count: int = 1, customer_type: str = "New Sale", **fields: Any) -> list[str]:
        """Accept so many events; gives their keys."""
        keys = [unique("ev") for _ in range(count)]
        for first in range(0, count, 1000):
            accept_events(
                self.engine, *[event_document(key, customer_type, **fields) for key in keys[first : first + 1000]]
            )
        return keys

    def run(self, statement: str, **values: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement), values)

    def rows(self, statement: str, **values: Any) -> Sequence[Any]:
        with self.engine.connect() as connection:
            return connection.execute(sa.text(statement), values).all()

    def deliveries(self, profile: int | None = None) -> list[sa.Row[Any]]:
        return deliveries(self.engine, profile=profile)

    def delivery(self, profile: int | None = None) -> sa.Row[Any]:
        (one,) = self.deliveries(profile)
        return one

    def states(self, profile: int | None = None) -> Counter[str]:
        with self.engine.connect() as connection:
            return Counter(
                dict(
                    connection.execute(
                        sa.text(
                            "SELECT state, count(*) FROM deliveries"
                            " WHERE CAST(:profile AS bigint) IS NULL OR profile_id = :profile GROUP BY state"
                        ),
                        {"profile": profile},
                    )
                    .tuples()
                    .all()
                )
            )

    def attempts(self, delivery_id: int | None = None) -> Sequence[Any]:
        rows = self.rows("SELECT * FROM attempts ORDER BY delivery_id, started_at, number")
        return [row for row in rows if delivery_id in {None, row.delivery_id}]

    def gate(self, profile: int) -> Any:
        (row,) = self.rows(
            "SELECT *, extract(epoch FROM opens_at - now())::float AS shut_for FROM gates WHERE profile_id = :id",
            id=profile,
        )
        return row

    def is_done(self, profile: int | None = None) -> bool:
        return set(self.states(profile)) <= {"delivered", "skipped", "cancelled"}

    def make_due(self, profile: int | None = None) -> None:
        """Let the time pass for what waits to be tried again."""
        self.run(
            "UPDATE deliveries SET due_at = now() WHERE state = 'pending'"
            " AND (CAST(:profile AS bigint) IS NULL OR profile_id = :profile)",
            profile=profile,
        )

    def open_gate(self, profile: int) -> None:
        """Let the time pass for a gate that is shut."""
        self.run("UPDATE gates SET opens_at = now() WHERE profile_id = :id", id=profile)

    def end_leases(self) -> None:
        """Let the time pass for leases."""
        self.run("UPDATE deliveries SET lease_until = now() - interval '1 second' WHERE state = 'leased'")

    @contextmanager
    def cut_off_once(self, moment: str, engine: sa.Engine | None = None) -> Iterator[None]:
        """Have the next commit fail: the connection breaks "before" Postgres was asked, or "after" it has done so."""
        engine = engine or self.engine
        is_done: list[bool] = []

        def cut(connection: sa.Connection) -> None:
            if is_done:
                return
            is_done.append(True)
            driver: Any = connection.connection.driver_connection
            if moment == "after":
                driver.commit()
            driver.pgconn.finish()
            raise sa.exc.OperationalError("COMMIT", {}, psycopg.OperationalError("server closed the connection"))

        sa.event.listen(engine, "commit", cut)
        try:
            yield
        finally:
            sa.event.remove(engine, "commit", cut)
        assert is_done

    def shoot_connections(self) -> int:
        """Break every connection to this database but the one that does it."""
        (row,) = self.rows(
            "SELECT count(pg_terminate_backend(pid)) AS shot FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return int(row.shot)

    @contextmanager
    def closed_to_new_connections(self) -> Iterator[None]:
        """Have Postgres away: every connection breaks, and none can be made but the one this holds."""
        name = self.engine.url.database
        with psycopg.connect(self._maintenance_url(), autocommit=True) as outside:
            outside.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            outside.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            try:
                yield
            finally:
                outside.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
                self.engine.dispose()

    def _maintenance_url(self) -> str:
        url = self.engine.url.set(drivername="postgresql", database="postgres")
        return url.render_as_string(hide_password=False)

    def count_statements(self, counted: Counter[str]) -> None:
        """Count from now on what goes through the engine, by its title: not BEGIN and COMMIT, COPY and rendering."""

        def count(_c: object, _cursor: object, statement: str, *_: object) -> None:
            counted[statement[:40]] += 1

        sa.event.listen(self.engine, "before_cursor_execute", count)

    # ---- its processes, step by step -------------------------------------------------------------------------------

    def claim(self, room: int = 100, *, name: str = PUMP) -> list[Lease]:
        return claim.claim(self.engine, self.plans, pump=name, room=room).leases

    def claim_suspect(self, *, name: str = PUMP) -> list[Lease]:
        return claim.claim_suspect(self.engine, self.plans, pump=name).leases

    def sent(self, lease: Lease) -> Sent:
        """Render a lease and write its request, but send nothing."""
        now = utc_now()
        with self.engine.connect() as connection:
            parcel = lease.plan.parcels(connection, [lease.delivery_id], now)[lease.delivery_id]
        return Sent(lease, lease.plan.request(parcel), now)

    def ended(
        self, lease: Lease, answer: int | Failing | Reply = 200, *, headers: Any = (), luck: float = 0.5
    ) -> Ended:
        """A try that ended with this answer."""
        reply = answer if isinstance(answer, Reply) else reply_of(answer, headers=headers)
        return verdict.judge(self.sent(lease), reply, now=utc_now(), luck=luck)

    def finish(self, leases: Sequence[Lease], answer: int | Failing | Reply = 200, **more: Any) -> frozenset[int]:
        """Record that each of these tries ended with this answer; gives those that came too late."""
        if not leases:
            return frozenset()
        return record.record(self.engine, [self.ended(lease, answer, **more) for lease in leases], luck=0.5)

    def try_all(self, answer: int | Failing | Reply = 200, **more: Any) -> int:
        """Claim all that may go now and answer it; gives how many."""
        leases = self.claim(1000)
        self.finish(leases, answer, **more)
        return len(leases)

    # ---- whole pumps -----------------------------------------------------------------------------------------------

    def by_hand(self, name: str = PUMP, *, stopping: Callable[[], bool] = lambda: False) -> pump.Pump:
        """A pump to be moved by hand, with connections of its own."""
        place = self.workplace()
        flights: Flights[Sent] = Flights(place.guard, pump.IN_FLIGHT)
        results = Results(place.engine)
        return pump.Pump(place, name, stopping, flights, self.new_plans(), results, Ear(place.redis), longest_rest=0.05)

    def pump(self, until: Callable[[], bool], *, seconds: float = 15, name: str = PUMP) -> float:
        """Be a pump until something is true, which must be so within `seconds`. Gives how long it took."""
        began, asked = monotonic(), Asked(until)
        self.by_hand(name, stopping=lambda: asked() or monotonic() > began + seconds).run(60)
        assert asked(), "the pump worked in vain"
        return asked.at - began

    @contextmanager
    def pumping(self, *, name: str = PUMP, place: Workplace | None = None) -> Iterator[threading.Event]:
        """Have a pump in another thread, with connections of its own unless given. Setting the event is SIGTERM."""
        place, told = place or self.workplace(), threading.Event()
        faults: list[Exception] = []

        def work() -> None:
            try:
                pump.run_pump(place, name=name, stopping=told.is_set, box_seconds=60)
            except Exception as fault:  # noqa: BLE001 -- told below
                faults.append(fault)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield told
        finally:
            told.set()
            thread.join(30)
        assert not thread.is_alive()
        assert not faults, faults


class Asked:
    """A question about the database, asked at most twenty times a second; a yes is for good."""

    def __init__(self, ask: Callable[[], bool]) -> None:
        self._ask, self._next, self.at, self._is_so = ask, 0.0, 0.0, False

    def __call__(self) -> bool:
        if not self._is_so and monotonic() >= self._next:
            self._next = monotonic() + 0.05
            if self._ask():
                self._is_so, self.at = True, monotonic()
        return self._is_so


def wait_until(ask: Callable[[], bool], seconds: float = 15) -> None:
    end = monotonic() + seconds
    while not ask():
        assert monotonic() < end, "waited in vain"
        sleep(0.02)


def reply_of(answer: int | Failing, *, body: bytes = b"ok", headers: Any = ()) -> Reply:
    """A whole answer with this status, or a transfer that failed like this."""
    if isinstance(answer, Failing):
        address = "10.0.0.1" if answer is Failing.BLOCKED else None
        return Reply(utc_now(), 5, None, (), b"", answer, str(answer), address)
    return Reply(utc_now(), 5, answer, tuple(headers), body)
