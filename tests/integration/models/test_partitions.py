"""The daily partitions of the attempts: made before they are needed, dropped when they are old enough."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import sqlalchemy as sa

from models import partitions

TODAY = date(2026, 11, 23)

ATTEMPT = sa.text(
    "INSERT INTO attempts (started_at, delivery_id, lease_token, number, outcome) VALUES (:at, :id, 1, 1, 'delivered')"
)


def attempt(engine: sa.Engine, at: str, id_: int = 1) -> None:
    with engine.begin() as connection:
        connection.execute(ATTEMPT, {"at": at, "id": id_})


def places(engine: sa.Engine) -> dict[int, str]:
    """In which partition each attempt stands."""
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT delivery_id, tableoid::regclass::text FROM attempts"))
        return dict(rows.tuples().all())


def days(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        return sorted(connection.scalars(partitions.DAYS))


def test_today_and_tomorrow_are_made_once(engine: sa.Engine):
    for _ in range(2):
        partitions.make(engine, TODAY)
        assert days(engine) == ["attempts_20261123", "attempts_20261124"]
    partitions.make(engine, TODAY + timedelta(days=1))
    assert days(engine) == ["attempts_20261123", "attempts_20261124", "attempts_20261125"]


def test_an_attempt_goes_to_its_day_in_utc_and_any_other_to_the_default(engine: sa.Engine):
    partitions.make(engine, TODAY)
    attempt(engine, "2026-11-23T00:00:00Z", 1)
    attempt(engine, "2026-11-23T23:59:59.999999Z", 2)
    attempt(engine, "2026-11-24T00:00:00+14:00", 3)
    attempt(engine, "2026-11-24T00:00:00Z", 4)
    attempt(engine, "2026-11-25T00:00:00Z", 5)
    assert places(engine) == {
        1: "attempts_20261123",
        2: "attempts_20261123",
        3: "attempts_20261123",
        4: "attempts_20261124",
        5: "attempts_default",
    }


def test_rows_of_the_default_partition_move_to_their_day(engine: sa.Engine):
    attempt(engine, "2026-11-23T12:00:00Z", 1)
    attempt(engine, "2026-11-22T12:00:00Z", 2)
    attempt(engine, "2026-11-24T00:00:00Z", 3)
    partitions.make(engine, TODAY)
    assert places(engine) == {1: "attempts_20261123", 2: "attempts_default", 3: "attempts_20261124"}


def test_a_day_has_the_indexes_and_checks_of_the_whole(engine: sa.Engine):
    partitions.make(engine, TODAY)
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        assert sorted(index["column_names"] for index in inspector.get_indexes("attempts_20261123")) == [
            ["delivery_id", "started_at"],
            ["profile_id", "status", "delivery_id"],
            ["status", "delivery_id"],
        ]
        assert len(inspector.get_check_constraints("attempts_20261123")) == 1


def test_several_may_make_the_days_while_attempts_come_in(engine: sa.Engine):
    def write(number: int) -> None:
        for second in range(40):
            attempt(engine, f"2026-11-23T12:00:{second:02}Z", number * 100 + second)

    with ThreadPoolExecutor(6) as pool:
        writers = [pool.submit(write, number) for number in range(3)]
        makers = [pool.submit(partitions.make, engine, TODAY) for _ in range(3)]
        for future in [*writers, *makers]:
            future.result(timeout=30)
    assert len(places(engine)) == 120
    assert set(places(engine).values()) == {"attempts_20261123"}


def test_days_of_more_than_90_days_ago_are_dropped_with_their_attempts(engine: sa.Engine):
    for age in (0, 89, 90, 91, 400):
        partitions.make(engine, TODAY - timedelta(days=age))
    attempt(engine, "2026-08-24T12:00:00Z", 91)
    attempt(engine, "2026-08-25T12:00:00Z", 90)
    attempt(engine, "2020-01-01T12:00:00Z", 0)
    dropped = partitions.drop_old(engine, TODAY)
    assert dropped == ["attempts_20251019", "attempts_20251020", "attempts_20260824"]
    assert days(engine)[0] == "attempts_20260825"
    assert places(engine) == {90: "attempts_20260825", 0: "attempts_default"}
    assert partitions.drop_old(engine, TODAY) == []


def test_what_somebody_reads_for_long_is_dropped_the_next_time(engine: sa.Engine):
    partitions.make(engine, TODAY)
    later = TODAY + timedelta(days=partitions.KEEP_DAYS + 1)
    with engine.begin() as reader:
        reader.execute(sa.text("SELECT count(*) FROM attempts"))
        assert partitions.drop_old(engine, later) == []
        attempt(engine, "2026-11-24T12:00:00Z")  # nobody waits behind the drop
    assert partitions.drop_old(engine, later) == ["attempts_20261123"]
    assert days(engine) == ["attempts_20261124"]
