"""What a person does to files: send again, make again, give rows back, cancel, resume."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from exporters.errors import LoginRefused, NameTaken, TryAgain
from models import run_moves
from models.profile import Profile
from models.run import Run, RunState, UploadState
from models.run_moves import NotPossible
from tests.factories import route
from tests.integration.worker.file_works import Crash, FileWorks

OLGA = "olga@example.com"


def move(files: FileWorks, run: int, what: str, **more: Any) -> Any:
    """Do it as the pages do, and commit; gives the id of what came of it, or the number."""
    with Session(files.engine) as session, session.begin():
        came = getattr(run_moves, what)(session, session.get_one(Run, run), actor=OLGA, **more)
        return getattr(came, "id", came)


def refused(files: FileWorks, run: int, what: str, **more: Any) -> str:
    before = files.rows("SELECT * FROM runs ORDER BY id"), files.rows("SELECT * FROM uploads ORDER BY id")
    with pytest.raises(NotPossible) as error:
        move(files, run, what, **more)
    assert before == (files.rows("SELECT * FROM runs ORDER BY id"), files.rows("SELECT * FROM uploads ORDER BY id"))
    return str(error.value)


def a_file(files: FileWorks, kind: str = "ftp", orders: int = 2, **settings: Any) -> tuple[int, int]:
    profile = getattr(files, kind)(settings=settings)
    files.events(orders)
    (run,) = files.plan(profile)
    files.make()
    return profile, run


def resume(files: FileWorks, profile: int) -> None:
    with Session(files.engine) as session, session.begin():
        run_moves.resume(session, session.get_one(Profile, profile), actor=OLGA)


# ---- send again ----------------------------------------------------------------------------------------------------


def test_send_again_is_a_new_upload_of_the_same_bytes_whatever_was_edited(files: FileWorks):
    profile, run = a_file(files, overwrite="replace")
    files.send_all()
    files.set(profile, delimiter=";", fileName="other")
    first = dict(files.server.files)
    upload = move(files, run, "send_again")
    assert files.upload(run).id == upload
    assert files.upload(run).created_by == OLGA
    files.server.files.clear()
    assert files.send_all() == 1
    assert files.server.files == first
    assert [row.state for row in files.rows("SELECT state FROM uploads")] == ["delivered", "delivered"]


def test_send_again_makes_a_waiting_upload_due_now(files: FileWorks):
    profile, run = a_file(files)
    files.server.fail("login", TryAgain("down"), times=3)
    for _ in range(3):
        files.send_all()
        files.uploads_due()
    files.run("UPDATE uploads SET due_at = now() + interval '1 hour'")
    before = files.upload(run)
    assert move(files, run, "send_again") == before.id
    assert files.upload(run).failures == 0
    assert files.send_all() == 1
    assert profile


def test_a_file_that_is_fetched_or_not_there_is_not_sent_again(files: FileWorks):
    _, fetched = a_file(files, "csv")
    assert "download" in refused(files, fetched, "send_again")
    profile, run = a_file(files)
    files.claim_upload()
    assert "right now" in refused(files, run, "send_again")
    files.run("UPDATE runs SET bytes_gone_at = now()")
    assert "gone" in refused(files, run, "send_again")
    (planned,) = files.plan(profile)
    assert "planned" in refused(files, planned, "send_again")
    files.run("UPDATE profiles SET deleted_at = now()")
    assert "deleted" in refused(files, run, "send_again")


# ---- make again ----------------------------------------------------------------------------------------------------


def test_make_again_is_a_new_run_over_the_same_rows_with_today_s_settings(files: FileWorks):
    profile, run = a_file(files, "csv", fileName="orders")
    before, content = files.run_row(run), files.content(run)
    files.events(1)
    files.set(profile, kind="csv", delimiter=";")
    again = move(files, run, "make_again")
    assert again != run
    assert files.make() == 1
    row = files.run_row(again)
    assert files.content(again) == content.replace(b",", b";")
    assert (row.rows, row.orders, row.source_id, row.file_name) == (2, 2, run, "orders-2.csv")
    assert (row.slot_at, row.period, row.created_by) == (before.slot_at, before.period, OLGA)
    assert files.run_row(run) == before
    assert {item.run_id for item in files.items(profile)} == {run, None}  # the ledger keeps the first
    third = move(files, again, "make_again")
    assert files.run_row(third).source_id == run


def test_a_run_that_was_held_is_made_again_itself_with_its_rows(files: FileWorks):
    profile = files.csv(settings={"encoding": "windows-1252", "unmappable": "fail"})
    files.events(2, firstName="Łukasz")
    (run,) = files.plan(profile)
    files.make()
    assert files.run_row(run).state == RunState.HELD
    files.set(profile, kind="csv", unmappable="nearest")
    files.events(1)
    assert move(files, run, "make_again") == run
    assert files.make() == 1
    row = files.run_row(run)
    assert (row.state, row.rows, row.replaced, row.error) == (RunState.WRITTEN, 2, 2, None)


def test_what_has_no_rows_cannot_be_made_again(files: FileWorks):
    profile = files.csv(settings={"emptyFile": "header"})
    (run,) = files.plan(profile)
    assert "planned" in refused(files, run, "make_again")
    files.make()
    assert "no rows" in refused(files, run, "make_again")


def test_rows_that_no_longer_fit_one_file_hold_the_one_that_is_made_again(files: FileWorks):
    profile, run = a_file(files, "csv", orders=3)
    files.set(profile, kind="csv", maxRows=2)
    again = move(files, run, "make_again")
    assert files.make() == 0
    assert files.run_row(again).state == RunState.HELD
    assert "no longer fit" in files.run_row(again).error


# ---- give rows back ------------------------------------------------------------------------------------------------


def test_rows_given_back_are_in_the_next_file(files: FileWorks):
    profile, run = a_file(files, orders=3)
    assert move(files, run, "give_back") == 3
    assert files.run_row(run).state == RunState.CANCELLED
    assert OLGA in files.run_row(run).error
    assert files.upload(run).state == UploadState.CANCELLED
    assert files.send_all() == 0
    (following,) = files.plan(profile)
    files.make()
    assert files.run_row(following).rows == 3
    assert "no rows" in refused(files, run, "give_back")


def test_rows_that_somebody_may_have_seen_are_not_given_back(files: FileWorks):
    _, downloaded = a_file(files, "csv")
    move(files, downloaded, "downloaded")
    assert "downloaded" in refused(files, downloaded, "give_back")
    _, sent = a_file(files)
    files.send_all()
    assert "final name" in refused(files, sent, "give_back")


def test_rows_stay_taken_after_a_rename_whose_answer_was_lost_whatever_came_later(files: FileWorks):
    _, run = a_file(files)
    lease = files.claim_upload()
    assert lease
    files.server.fail("rename", Crash(), when="after", times=1)
    with pytest.raises(Crash):
        files.send(lease)
    files.server.files.clear()  # the receiver has taken it already
    files.run("UPDATE uploads SET state = 'pending', lease_token = NULL, lease_until = NULL")
    files.server.fail("put", TryAgain("down"), times=1)
    files.send_all()
    assert files.upload(run).phase == "sending"
    assert "final name" in refused(files, run, "give_back")


def test_rows_stay_taken_when_a_file_grew_under_its_final_name(files: FileWorks):
    _, run = a_file(files, tempName="none")
    files.server.fail("piece", TryAgain("cut"), times=1)
    files.send_all()
    assert "final name" in refused(files, run, "give_back")


def test_rows_of_a_file_on_its_way_or_made_again_are_not_given_back(files: FileWorks):
    _, run = a_file(files)
    files.claim_upload()
    assert "right now" in refused(files, run, "give_back")
    _, fetched = a_file(files, "csv")
    again = move(files, fetched, "make_again")
    assert f"Run {again}" in refused(files, fetched, "give_back")
    assert f"run {fetched}" in refused(files, again, "give_back")
    move(files, again, "cancel", reason="a mistake")
    assert move(files, fetched, "give_back") == 2


def test_rows_are_not_given_back_when_a_file_made_of_them_was_downloaded(files: FileWorks):
    _, run = a_file(files, "csv")
    again = move(files, run, "make_again")
    files.make()
    move(files, again, "downloaded")
    assert f"Run {again}" in refused(files, run, "give_back")


# ---- cancel --------------------------------------------------------------------------------------------------------


def test_a_run_that_is_cancelled_before_its_claim_leaves_its_rows_to_the_next(files: FileWorks):
    profile = files.csv()
    files.events(2)
    (run,) = files.plan(profile)
    move(files, run, "cancel", reason="not today")
    assert files.make() == 0
    assert files.run_row(run).error == f"cancelled by {OLGA}: not today"
    (following,) = files.plan(profile)
    files.make()
    assert files.run_row(following).rows == 2


def test_a_run_that_is_cancelled_after_its_claim_keeps_its_rows_until_they_are_given_back(files: FileWorks):
    profile = files.csv()
    files.events(2)
    (run,) = files.plan(profile)
    files.claim_run()
    assert "cancel it first" in refused(files, run, "give_back")
    move(files, run, "cancel", reason="wrong columns")
    files.end_file_leases()
    assert files.make() == 0
    assert move(files, run, "give_back") == 2
    files.plan(profile)
    assert files.make() == 1


def test_an_upload_that_is_cancelled_under_way_never_gets_its_final_name(files: FileWorks):
    _, run = a_file(files)
    lease = files.claim_upload()
    assert lease

    def cancel(verb: str, _name: str) -> None:
        if verb == "put":
            move(files, run, "cancel", reason="stop it")

    files.server.before = cancel
    files.send(lease)
    assert files.upload(run).state == UploadState.CANCELLED
    assert files.server.count("rename") == 0
    assert files.run_row(run).state == RunState.WRITTEN
    files.server.before = lambda _verb, _name: None
    move(files, run, "send_again")
    assert files.send_all() == 1


def test_an_upload_is_not_cancelled_while_it_gets_its_final_name(files: FileWorks):
    _, run = a_file(files)
    lease = files.claim_upload()
    assert lease
    told: list[str] = []

    def cancel(verb: str, _name: str) -> None:
        if verb == "rename":
            told.append(refused(files, run, "cancel", reason="too late"))

    files.server.before = cancel
    files.send(lease)
    assert "right now" in told[0]
    assert files.upload(run).state == UploadState.DELIVERED


def test_what_is_over_cannot_be_cancelled(files: FileWorks):
    _, run = a_file(files)
    files.send_all()
    assert "nothing open" in refused(files, run, "cancel", reason="x")
    _, fetched = a_file(files, "csv")
    assert "nothing open" in refused(files, fetched, "cancel", reason="x")


# ---- resume --------------------------------------------------------------------------------------------------------


def test_resume_sends_what_was_held_and_what_waited_behind_the_gate(files: FileWorks):
    profile, first = a_file(files)
    files.server.fail("login", LoginRefused("530"), times=3)
    for _ in range(3):
        files.send_all()
        files.uploads_due()
    files.events(1)
    (second,) = files.plan(profile)
    files.make()
    assert files.send_all() == 0
    resume(files, profile)
    assert files.gate(profile).fault is None
    assert files.upload(first).login_failures == 0
    assert files.send_all() == 2
    assert files.upload(second).state == UploadState.DELIVERED


def test_resume_makes_what_could_not_be_made(files: FileWorks):
    profile = files.csv(route(campaign=1), route(campaign=2), route(campaign=3))
    files.run("UPDATE mappings SET field = 'nonsense' WHERE export_name = 'name'")
    for campaign in (1, 2, 3):
        files.events(1, campaignId=campaign)
    held = files.plan(profile)
    assert files.make() == 0
    assert files.gate(profile).fault == "making"
    files.run("UPDATE mappings SET field = 'firstName' WHERE export_name = 'name'")
    resume(files, profile)
    assert files.make() == 3
    assert {files.run_row(run).rows for run in held} == {1}


def test_resume_ends_a_pause(files: FileWorks):
    profile, run = a_file(files)
    files.run("UPDATE profiles SET paused = true")
    assert files.send_all() == 0
    resume(files, profile)
    assert files.send_all() == 1
    assert run


def test_a_name_that_was_taken_goes_through_once_it_is_free(files: FileWorks):
    profile, run = a_file(files)
    files.server.fail("login", NameTaken("there"), times=1)
    files.send_all()
    assert files.upload(run).state == UploadState.HELD
    resume(files, profile)
    files.send_all()
    assert files.upload(run).state == UploadState.DELIVERED
