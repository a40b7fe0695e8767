"""Writing runs: whole or not at all, never changed, each under a name of its own."""

import hashlib
import threading
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from models.base import utc_now
from models.run import RunState
from tests.factories import accept_events, event_document, route, unique
from tests.integration.worker.file_works import FileWorks
from worker import runs


def made(files: FileWorks, profile: int, orders: int = 2) -> Any:
    files.events(orders)
    (run,) = files.plan(profile)
    assert files.make() == 1
    return files.run_row(run)


def test_a_written_run_tells_name_numbers_and_hash_of_its_bytes(files: FileWorks):
    profile = files.csv(name="Daily", settings={"fileName": "{profile}_{customerType}_{rows}"})
    orders = [unique("B") for _ in range(3)]
    for order in orders:
        accept_events(files.engine, event_document(clientOrderId=order))
    (run,) = files.plan(profile)
    files.make()
    row, content = files.run_row(run), files.content(run)
    assert content.decode() == "order,name\r\n" + "".join(f"{order},Jane\r\n" for order in orders)
    assert (row.state, row.file_name, row.rows, row.orders) == ("written", "Daily_New_Sale_3.csv", 3, 3)
    assert (row.bytes, row.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert (row.lease_token, row.error) == (None, None)
    assert files.rows("SELECT FROM uploads") == []  # it waits to be fetched


def test_a_day_without_rows_makes_no_file_unless_the_profile_wants_one(files: FileWorks):
    (run,) = files.plan(files.csv())
    assert files.make() == 1
    row = files.run_row(run)
    assert (row.state, row.file_name, row.rows) == (RunState.EMPTY, None, 0)


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd", "zip"])
def test_a_write_that_died_starts_anew_and_makes_the_same_bytes(files: FileWorks, compression: str):
    profile = files.csv(settings={"compression": compression, "fileName": "{uuid}"})
    files.events(50)
    (run,) = files.plan(profile)
    lease = files.claim_run("dead")
    assert lease
    assert runs.make(files.engine, lease, heart=files.heart)
    row, content = files.run_row(run), files.content(run)
    with files.engine.begin() as connection:  # as if it had died before its commit
        connection.execute(sa.text("ALTER TABLE runs DISABLE TRIGGER USER"))
        connection.execute(sa.text("ALTER TABLE run_chunks DISABLE TRIGGER USER"))
        connection.execute(sa.text("DELETE FROM run_chunks"))
        connection.execute(sa.text("UPDATE runs SET state = 'claimed', file_name = NULL, sha256 = NULL"))
        connection.execute(sa.text("ALTER TABLE runs ENABLE TRIGGER USER"))
        connection.execute(sa.text("ALTER TABLE run_chunks ENABLE TRIGGER USER"))
    files.events(5)
    files.set(profile, kind="csv", delimiter=";")
    assert files.make() == 1
    again = files.run_row(run)
    assert (again.sha256, again.file_name, again.orders) == (row.sha256, row.file_name, 50)
    assert files.content(run) == content


def test_what_is_written_cannot_be_changed_by_anybody(files: FileWorks):
    row = made(files, files.csv())
    for statement in (
        "UPDATE runs SET sha256 = 'x' WHERE id = :id",
        "UPDATE runs SET state = 'planned' WHERE id = :id",
        "UPDATE run_chunks SET data = 'x' WHERE run_id = :id",
        "DELETE FROM run_chunks WHERE run_id = :id",
        "DELETE FROM runs WHERE id = :id",
    ):
        with pytest.raises(sa.exc.DBAPIError) as refused:
            files.run(statement, id=row.id)
        assert isinstance(refused.value.orig, psycopg.Error)
        assert refused.value.orig.sqlstate == "WB001"


def test_a_writer_whose_lease_was_lost_leaves_nothing_behind(files: FileWorks):
    profile = files.csv()
    files.events(2)
    (run,) = files.plan(profile)
    lost = files.claim_run("slow")
    assert lost
    files.end_file_leases()
    assert files.make() == 1
    before = files.run_row(run)
    assert runs.make(files.engine, lost, heart=files.heart) is False
    assert files.run_row(run) == before
    assert files.rows("SELECT count(*) AS n FROM run_chunks")[0].n == 1


def test_a_writer_that_is_told_to_stop_lets_go_and_the_next_goes_on(files: FileWorks):
    profile = files.csv()
    files.events(2)
    (run,) = files.plan(profile)
    lease = files.claim_run()
    assert lease
    files.is_stopping = True
    assert runs.make(files.engine, lease, heart=files.heart) is False
    row = files.run_row(run)
    assert (row.state, row.lease_token, row.tries) == (RunState.CLAIMED, None, 0)
    files.is_stopping = False
    assert files.make() == 1


def test_a_run_that_was_cancelled_while_it_was_written_stays_so(files: FileWorks):
    profile = files.csv()
    files.events(2)
    (run,) = files.plan(profile)
    lease = files.claim_run()
    assert lease
    files.run("UPDATE runs SET state = 'cancelled', lease_token = NULL, lease_until = NULL")
    assert runs.make(files.engine, lease, heart=files.heart) is False
    assert files.run_row(run).state == RunState.CANCELLED
    assert files.rows("SELECT FROM run_chunks") == []


def test_a_character_that_must_not_be_replaced_holds_the_run_with_its_place(files: FileWorks):
    profile = files.csv(settings={"encoding": "windows-1252", "unmappable": "fail"})
    files.events(1)
    files.events(1, firstName="Łukasz")
    (run,) = files.plan(profile)
    assert files.make() == 0
    row = files.run_row(run)
    assert (row.state, row.lease_token) == (RunState.HELD, None)
    assert "row 2" in row.error
    assert "name" in row.error


def test_a_bug_of_ours_is_tried_again_a_minute_later(files: FileWorks, caplog: pytest.LogCaptureFixture):
    profile = files.csv()
    files.events(1)
    (run,) = files.plan(profile)
    lease = files.claim_run()
    assert lease
    files.run("ALTER TABLE run_chunks RENAME TO elsewhere")
    assert runs.make(files.engine, lease, heart=files.heart) is False
    assert "run.broke" in caplog.messages
    row = files.run_row(run)
    assert (row.state, row.lease_token) == (RunState.CLAIMED, None)
    assert 50 < (row.due_at - utc_now()).total_seconds() <= 60
    assert files.claim_run() is None
    files.run("ALTER TABLE elsewhere RENAME TO run_chunks")
    files.run("UPDATE runs SET due_at = now()")
    assert files.make() == 1


def test_a_name_that_was_used_before_gets_a_number(files: FileWorks):
    profile = files.csv(settings={"fileName": "orders"})
    names = [made(files, profile).file_name for _ in range(3)]
    assert names == ["orders.csv", "orders-2.csv", "orders-3.csv"]
    other = files.csv(settings={"fileName": "orders"})
    assert made(files, other).file_name == "orders.csv"


def test_a_name_that_replaces_the_file_before_has_no_number(files: FileWorks):
    profile = files.ftp(settings={"fileName": "orders", "overwrite": "replace"})
    assert [made(files, profile).file_name for _ in range(2)] == ["orders.csv", "orders.csv"]


def test_two_writers_of_one_profile_never_give_one_name_twice(files: FileWorks):
    profile = files.csv(*[route(campaign=number) for number in range(1, 5)], settings={"fileName": "orders"})
    for number in range(1, 5):
        files.events(1, campaignId=number)
    files.plan(profile)
    leases = [files.claim_run() for _ in range(4)]
    threads = [
        threading.Thread(target=runs.make, args=(files.engine, lease), kwargs={"heart": files.heart})
        for lease in leases
        if lease
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    names = {row.file_name for row in files.rows("SELECT file_name FROM runs")}
    assert names == {"orders.csv", "orders-2.csv", "orders-3.csv", "orders-4.csv"}


def test_a_file_of_a_profile_that_was_deleted_meanwhile_is_sent_nowhere(files: FileWorks):
    profile = files.ftp()
    files.events(1)
    (run,) = files.plan(profile)
    lease = files.claim_run()
    assert lease
    files.run("UPDATE profiles SET deleted_at = now()")
    assert runs.make(files.engine, lease, heart=files.heart)
    assert files.run_row(run).state == RunState.WRITTEN
    assert files.rows("SELECT FROM uploads") == []


def test_the_runs_of_a_dead_predecessor_are_free_at_once(files: FileWorks):
    profile = files.csv()
    files.events(1)
    (run,) = files.plan(profile)
    assert files.claim_run("dead")
    assert runs.free_leases_of(files.engine, "another") == 0
    assert runs.free_leases_of(files.engine, "dead") == 1
    assert files.make() == 1
    assert files.run_row(run).state == RunState.WRITTEN
