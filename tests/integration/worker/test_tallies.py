"""What was delivered and what failed is counted with its day, in the transaction that records it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from models import tallies
from tests.integration.worker.works import Works
from worker import prune, reaper, record
from worker.lease import Lease
from worker.results import Results


def counted(works: Works) -> list[tuple[int, int]]:
    with Session(works.engine) as session:
        ids = session.scalars(sa.text("SELECT id FROM profiles ORDER BY id")).all()
        rows = tallies.days(session, ids, since=date(2000, 1, 1))
    return [(int(row.delivered), int(row.failed)) for row in rows]


def leased(works: Works, count: int = 1) -> list[Lease]:
    works.profile()
    works.events(count)
    return works.claim()


def test_each_try_is_counted_once(works: Works):
    first, second, third = leased(works, 3)
    works.finish([first, second])
    works.finish([third], 503)
    assert counted(works) == [(2, 1)]
    with Session(works.engine) as session:
        row = session.scalars(sa.select(tallies.DeliveryDay)).first()
        assert row is not None
        assert row.delivered_at is not None
        assert row.failed_at is not None


def test_a_late_result_is_not_counted(works: Works):
    leases = leased(works)
    works.end_leases()
    reaper.reap(works.engine)
    works.finish(leases)
    assert counted(works) == []


def test_a_batch_that_is_written_again_after_a_doubtful_commit_counts_once(works: Works):
    (lease,) = leased(works)
    results = Results(works.engine)
    results.add(*works.ended(lease))
    with works.cut_off_once("after"):
        assert not results.write()
    assert results.write()
    assert counted(works) == [(1, 0)]


def test_a_day_is_one_of_the_accounts_zone(works: Works):
    one, other = leased(works, 2)
    for lease, zone in ((one, "Etc/GMT+12"), (other, "Etc/GMT-14")):  # never on the same day
        record.record(works.engine, [works.ended(lease)], luck=0.5, zone=zone)
    assert counted(works) == [(1, 0), (1, 0)]


def test_days_older_than_the_retention_go(works: Works):
    works.finish(leased(works))
    with works.engine.begin() as connection:
        connection.execute(sa.text("UPDATE delivery_days SET day = day - 401"))
        connection.execute(sa.text("DELETE FROM heartbeats WHERE name = 'prune'"))
    prune.prune_hourly(works.engine, datetime.now(UTC) + timedelta(seconds=1))
    assert counted(works) == []
