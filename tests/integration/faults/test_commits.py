"""The connection breaks in a COMMIT, and nobody knows whether it took place: each kind of work makes it good by itself.

Intake: test_intake.py. Record: tests/integration/worker/test_record.py. Files, at every commit: test_file_deaths.py.
"""

from __future__ import annotations

from collections import Counter
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from models.run import RunState
from models.strays import route_strays
from tests.factories import unique
from tests.integration.worker.file_works import FileWorks
from tests.integration.worker.works import Works
from tests.receivers import Receiver
from worker import reaper, run_claim

MOMENTS = pytest.mark.parametrize("moment", ["before", "after"])
STRAY = """INSERT INTO events (event_key, customer_type, order_snapshot)
    VALUES (:key, 'new_sale', '{"clientOrderId": "B1", "firstName": "Jane"}')"""


@MOMENTS
def test_a_claim_whose_commit_is_cut_off_costs_at_most_a_lease(works: Works, moment: str):
    with Receiver() as receiver:
        works.profile(receiver.url())
        works.events(3)
        with works.cut_off_once(moment), pytest.raises(sa.exc.OperationalError):
            works.claim(name="cut")
        assert works.states() == {"leased" if moment == "after" else "pending": 3}
        works.end_leases()
        works.pump(works.is_done)
        assert len(receiver.seen) == 3
    lost = 3 if moment == "after" else 0
    assert Counter(row.outcome for row in works.attempts())["unknown"] == lost


@MOMENTS
def test_a_lease_is_freed_once_though_the_reapers_commit_is_cut_off(works: Works, moment: str):
    works.profile()
    works.events(2)
    works.claim()
    works.end_leases()
    with works.cut_off_once(moment), pytest.raises(sa.exc.OperationalError):
        reaper.reap(works.engine)
    assert reaper.reap(works.engine) == (0 if moment == "after" else 2)
    assert works.states() == {"pending": 2}
    assert [row.losses for row in works.deliveries()] == [1, 1]
    assert len(works.attempts()) == 2


@MOMENTS
def test_a_stray_is_routed_once_though_the_commit_is_cut_off(works: Works, moment: str):
    works.profile()
    works.run(STRAY, key=unique("stray"))

    def route() -> int:
        with works.engine.begin() as connection:
            return route_strays(connection, ZoneInfo("UTC"))[0]

    with works.cut_off_once(moment), pytest.raises(sa.exc.OperationalError):
        route()
    assert route() == (0 if moment == "after" else 1)
    assert works.states() == {"pending": 1}


@MOMENTS
def test_a_run_whose_claims_commit_is_cut_off_has_all_its_rows_or_none(files: FileWorks, moment: str):
    profile = files.csv()
    files.events(4)
    (run,) = files.plan(profile)
    with files.cut_off_once(moment), pytest.raises(sa.exc.OperationalError):
        run_claim._claim_next(files.engine, "cut", "UTC")
    taken = len(files.rows("SELECT FROM file_items WHERE run_id = :run", run=run))
    assert (files.run_row(run).state, taken) == ((RunState.CLAIMED, 4) if moment == "after" else (RunState.PLANNED, 0))
    files.end_file_leases()
    files.make()
    assert (files.run_row(run).state, files.run_row(run).rows) == (RunState.WRITTEN, 4)
