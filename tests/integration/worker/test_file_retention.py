"""Retention of files: bytes go, history stays; ledger rows and events go when all is over, and never before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from models.base import utc_now
from models.run import Run
from tests.file_rows import add_file_profile, add_run, add_upload, fill
from tests.integration.worker.works import Works
from worker import prune

CONTENT = b"order\r\nB1\r\n"
DAY = timedelta(days=1)


def add(works: Works, *, kind: str = "csv", settings: Any = None, age: timedelta = 31 * DAY, **columns: Any) -> int:
    """A written run of a profile of its own, with its bytes, so old."""
    with Session(works.engine) as session:
        profile = add_file_profile(session, kind, settings=settings)
        return add_run(session, profile, content=CONTENT, **{"written_at": utc_now() - age} | columns).id


def upload(works: Works, run: int, state: str) -> None:
    lease = {"lease_token": 1, "lease_until": utc_now()} if state == "leased" else {}
    with Session(works.engine) as session:
        add_upload(session, session.get_one(Run, run), state=state, **lease)


def do_prune(works: Works) -> None:
    works.run("DELETE FROM heartbeats")
    prune.prune_hourly(works.engine, utc_now())


def kept(works: Works, run: int) -> bool:
    """Whether the bytes are there; the run says the same."""
    ((gone_at, chunks),) = works.rows(
        "SELECT bytes_gone_at, (SELECT count(*) FROM run_chunks WHERE run_id = runs.id) FROM runs WHERE id = :id",
        id=run,
    )
    assert (gone_at is None) == bool(chunks)
    return bool(chunks)


# ---- F28: bytes


def refused(works: Works, statement: str, **values: Any) -> bool:
    try:
        works.run(statement, **values)
    except sa.exc.DBAPIError as error:
        return getattr(error.orig, "sqlstate", None) == "WB001"
    return False


def test_written_bytes_cannot_be_changed_nor_deleted_while_they_are_kept(works: Works):
    run = add(works)
    assert refused(works, "UPDATE run_chunks SET data = 'x' WHERE run_id = :id", id=run)
    assert refused(works, "DELETE FROM run_chunks WHERE run_id = :id", id=run)
    assert refused(works, "UPDATE runs SET sha256 = 'x' WHERE id = :id", id=run)
    assert refused(works, "DELETE FROM runs WHERE id = :id", id=run)
    assert kept(works, run)


def test_bytes_go_after_the_retention_and_history_and_ledger_stay(works: Works):
    run, keys = add(works), works.events(2)
    with Session(works.engine) as session:
        fill(session, session.get_one(Run, run), keys)
    do_prune(works)
    assert not kept(works, run)
    (row,) = works.rows("SELECT state, bytes, sha256 IS NOT NULL AS hashed FROM runs")
    assert tuple(row) == ("written", len(CONTENT), True)
    assert [item.run_id for item in works.rows("SELECT run_id FROM file_items")] == [run, run]
    assert refused(works, "UPDATE runs SET sha256 = 'x' WHERE id = :id", id=run)


@pytest.mark.parametrize(
    ("settings", "age", "stays"),
    [
        ({}, 29 * DAY, True),
        ({"retentionDays": 1}, 2 * DAY, False),
        ({"retentionDays": 3650}, 3649 * DAY, True),
        ({"retentionDays": "nonsense"}, 29 * DAY, True),
        ({"retentionDays": "nonsense"}, 31 * DAY, False),
        ({"retentionDays": -5}, 2 * DAY, False),
        ({"retentionDays": -5}, DAY / 2, True),
    ],
)
def test_the_profile_says_how_long(works: Works, settings: dict[str, Any], age: timedelta, stays: bool):
    run = add(works, settings=settings, age=age)
    do_prune(works)
    assert kept(works, run) is stays


@pytest.mark.parametrize(
    ("state", "stays"),
    [("pending", True), ("leased", True), ("held", True), ("delivered", False), ("cancelled", False)],
)
def test_bytes_that_are_still_to_be_sent_stay_however_old(works: Works, state: str, stays: bool):
    run = add(works, kind="ftp", age=900 * DAY)
    upload(works, run, "delivered")
    upload(works, run, state)
    do_prune(works)
    assert kept(works, run) is stays


def test_the_bytes_of_a_cancelled_file_go_too_and_those_of_a_deleted_profile(works: Works):
    cancelled, deleted = add(works), add(works)
    works.run("UPDATE runs SET state = 'cancelled' WHERE id = :id", id=cancelled)
    works.run(
        "UPDATE profiles SET deleted_at = now() WHERE id = (SELECT profile_id FROM runs WHERE id = :id)", id=deleted
    )
    do_prune(works)
    assert not kept(works, cancelled)
    assert not kept(works, deleted)


def test_a_run_that_somebody_holds_is_left_to_the_next_time(works: Works):
    held, other = add(works), add(works)
    with Session(works.engine) as session:
        session.get_one(Run, held, with_for_update={"key_share": True})
        do_prune(works)
        session.rollback()
    assert (kept(works, held), kept(works, other)) == (True, False)
    do_prune(works)
    assert not kept(works, held)


# ---- ledger and events


LONG_AGO = "UPDATE runs SET written_at = now() - interval '401 days'"

UNSENT = f"""WITH old AS ({LONG_AGO} RETURNING id, profile_id)
    INSERT INTO uploads (run_id, profile_id, state) SELECT id, profile_id, 'held' FROM old"""


def old_row(works: Works, change: str) -> int:
    """A row of the ledger from long ago, with its event; gives its run."""
    run = add(works, kind="ftp", claimed_at=utc_now() - 500 * DAY)
    keys = works.events(1)
    with Session(works.engine) as session:
        fill(session, session.get_one(Run, run), keys)
    works.run(change)
    works.run("UPDATE file_items SET created_at = created_at - interval '500 days'")
    works.run("UPDATE events SET accepted_at = accepted_at - interval '500 days'")
    return run


def is_left(works: Works) -> bool:
    """Whether row and event are there: they go together."""
    ((items, events),) = works.rows("SELECT (SELECT count(*) FROM file_items), (SELECT count(*) FROM events)")
    assert items == events
    return bool(items)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE file_items SET run_id = NULL",
        "UPDATE runs SET written_at = now() - interval '10 days'",
        UNSENT,
    ],
)
def test_what_waits_or_has_not_arrived_or_was_made_lately_is_never_removed(works: Works, change: str):
    old_row(works, change)
    do_prune(works)
    assert is_left(works)


@pytest.mark.parametrize("state", ["planned", "claimed", "held"])
def test_rows_of_an_unfinished_run_are_never_removed(works: Works, state: str):
    with Session(works.engine) as session:
        run = add_run(session, add_file_profile(session), state=state, created_at=utc_now() - 500 * DAY)
        keys = works.events(1)
        fill(session, run, keys)
    works.run("UPDATE file_items SET created_at = created_at - interval '500 days'")
    works.run("UPDATE events SET accepted_at = accepted_at - interval '500 days'")
    do_prune(works)
    assert is_left(works)


@pytest.mark.parametrize(
    ("change", "further"),
    [
        (LONG_AGO, ""),
        (LONG_AGO, "INSERT INTO uploads (run_id, profile_id, state) SELECT id, profile_id, 'delivered' FROM runs"),
        ("UPDATE file_items SET run_id = NULL, skipped = 'order completed'", ""),
    ],
)
def test_what_is_over_for_more_than_400_days_is_removed_with_its_event(works: Works, change: str, further: str):
    run = old_row(works, change)
    if further:
        works.run(further)
    do_prune(works)
    assert not is_left(works)
    assert works.rows("SELECT FROM runs WHERE id = :id", id=run)
