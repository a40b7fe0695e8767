"""Uploads: one at a time for each server, every step written down first, and what becomes of each kind of failure."""

import json
from datetime import timedelta
from typing import Any

import pytest

from exporters.errors import HostKeyChanged, LoginRefused, NameTaken, Refused, TryAgain
from models.base import utc_now
from models.run import RunState, UploadState
from tests.factories import route
from tests.integration.worker.file_works import PASSWORD, Crash, FileWorks
from worker import upload_claim
from worker.heart import Heart


def a_file(files: FileWorks, orders: int = 2, **settings: Any) -> tuple[int, int]:
    """An FTP profile with one file ready to be sent; gives profile and run."""
    profile = files.ftp(settings=settings)
    return profile, one_more(files, profile, orders)


def one_more(files: FileWorks, profile: int, orders: int = 2) -> int:
    files.events(orders)
    (run,) = files.plan(profile)
    assert files.make() == 1
    return run


def waits(files: FileWorks, run: int) -> float:
    """Seconds until the upload of a run is tried again."""
    (row,) = files.rows(
        "SELECT extract(epoch FROM due_at - now())::float AS seconds FROM uploads WHERE run_id = :id", id=run
    )
    return float(row.seconds)


def test_a_file_comes_to_its_place_whole_and_only_then_under_its_name(files: FileWorks):
    _, run = a_file(files)
    assert files.send_all() == 1
    row, upload = files.run_row(run), files.upload(run)
    assert files.server.files == {f"in/{row.file_name}": files.content(run)}
    assert files.server.verbs()[:1] == ["login"]
    assert files.server.count("rename") == 1
    assert (upload.state, upload.phase, upload.error) == (UploadState.DELIVERED, "done", None)
    assert upload.destination == "ftp://waybill@files.example.com:21"
    assert upload.remote_name == f"in/{row.file_name}"
    assert upload.sent_bytes == row.bytes
    assert row.file_name in upload.receipt
    assert upload.renaming_at
    assert upload.finished_at
    (attempt,) = files.tries(run)
    assert (attempt.number, attempt.outcome, attempt.sent_bytes) == (1, "delivered", row.bytes)


def test_each_step_is_written_down_before_it_is_begun(files: FileWorks):
    _, run = a_file(files)
    seen: dict[str, tuple[str | None, bool]] = {}

    def look(verb: str, _name: str) -> None:
        upload = files.upload(run)
        seen.setdefault(verb, (upload.phase, upload.renaming_at is not None))

    files.server.before = look
    files.send_all()
    assert seen["login"] == (None, False)
    assert seen["put"] == ("sending", False)
    assert seen["rename"] == ("renaming", True)


@pytest.mark.parametrize(
    ("verb", "when"),
    [(verb, when) for verb in ("login", "put", "size", "rename") for when in ("before", "after")]
    + [("piece", "before")],
)
def test_a_process_that_is_killed_at_any_step_leaves_one_whole_file_to_the_next(files: FileWorks, verb: str, when: str):
    _, run = a_file(files)
    lease = files.claim_upload()
    assert lease
    files.server.fail(verb, Crash(), when=when, times=1)
    with pytest.raises(Crash):
        files.send(lease)
    assert files.claim_upload() is None  # the dead one has it still
    files.end_file_leases()
    assert upload_claim.reap(files.engine) == 1
    assert files.send_all() == 1
    name = files.run_row(run).file_name
    assert files.server.files == {f"in/{name}": files.content(run)}
    assert files.upload(run).state == UploadState.DELIVERED
    first, second = files.tries(run)
    assert (first.outcome, second.outcome) == ("unknown", "delivered")
    assert "outcome unknown" in first.message
    assert files.server.count("rename") == 1


def test_the_leases_of_a_dead_predecessor_are_free_at_once(files: FileWorks):
    _, run = a_file(files)
    assert files.claim_upload("dead")
    assert upload_claim.free_leases_of(files.engine, "another") == 0
    assert upload_claim.free_leases_of(files.engine, "dead") == 1
    assert files.upload(run).state == UploadState.PENDING
    assert files.claim_upload()


def test_one_upload_at_a_time_for_each_server_and_login_the_oldest_first(files: FileWorks):
    profile, first = a_file(files)
    second = one_more(files, profile)
    other = files.ftp(settings={"host": "other.example.com"})
    files.events()
    (elsewhere,) = files.plan(other)
    files.make()
    lease = files.claim_upload()
    assert lease
    assert lease.run_id == first
    another = files.claim_upload()
    assert another
    assert another.run_id == elsewhere
    assert files.claim_upload() is None
    files.send(lease)
    following = files.claim_upload()
    assert following
    assert following.run_id == second


def test_two_profiles_with_one_login_take_turns(files: FileWorks):
    a_file(files)
    a_file(files)
    assert files.claim_upload()
    assert files.claim_upload() is None


@pytest.mark.parametrize("change", ["paused = true", "enabled = false", "deleted_at = now()"])
def test_nothing_is_sent_for_a_profile_that_is_off(files: FileWorks, change: str):
    a_file(files)
    files.run(f"UPDATE profiles SET {change}")
    assert files.claim_upload() is None


def test_a_temporary_failure_is_tried_again_later_and_told_at_the_third(
    files: FileWorks, caplog: pytest.LogCaptureFixture
):
    _, run = a_file(files)
    files.server.fail("login", TryAgain("421 too many connections"))
    for failures in (1, 2, 3, 4):
        caplog.clear()
        assert files.send_all() == 1
        upload = files.upload(run)
        assert (upload.state, upload.failures, upload.error) == ("pending", failures, "421 too many connections")
        assert 55 < waits(files, run) < 60 * 2**failures
        assert ("upload.failing" in caplog.messages) is (failures == 3)
        files.uploads_due()
    files.server.fail("login", TryAgain("never"), times=0)
    with caplog.at_level("INFO"):
        assert files.send_all() == 1
    assert "upload.recovered" in caplog.messages
    assert files.upload(run).state == UploadState.DELIVERED
    assert [attempt.outcome for attempt in files.tries(run)] == ["failed"] * 4 + ["delivered"]


def test_a_full_disk_is_told_at_once_and_looked_at_hourly(files: FileWorks, caplog: pytest.LogCaptureFixture):
    _, run = a_file(files)
    files.server.fail("put", Refused("452 disk full"), times=2)
    assert files.send_all() == 1
    assert caplog.messages.count("upload.failing") == 1
    assert 3590 < waits(files, run) <= 3600
    files.uploads_due()
    files.send_all()
    assert files.upload(run).state == UploadState.PENDING
    files.uploads_due()
    files.send_all()
    assert files.upload(run).state == UploadState.DELIVERED


def test_a_refused_login_is_tried_three_times_ten_minutes_apart_whatever_waits_with_it(
    files: FileWorks, caplog: pytest.LogCaptureFixture
):
    profile, run = a_file(files)
    other = one_more(files, profile)
    files.server.fail("login", LoginRefused("530 login incorrect"))
    for number in (1, 2, 3):
        assert files.send_all() == 1
        assert files.upload(run).login_failures == number
        if number < 3:
            assert 590 < waits(files, run) <= 600
            assert waits(files, other) > 590
        files.uploads_due()
    upload, gate = files.upload(run), files.gate(profile)
    assert (upload.state, upload.error) == (UploadState.HELD, "530 login incorrect")
    assert (gate.fault, gate.fault_message) == ("upload", "530 login incorrect")
    assert files.upload(other).state == UploadState.PENDING  # behind the gate
    assert files.send_all() == 0
    assert "upload.held" in caplog.messages


@pytest.mark.parametrize(
    "error", [NameTaken("it is there"), HostKeyChanged(("SHA256:a",), "SHA256:b")], ids=["name", "host key"]
)
def test_what_waiting_cannot_heal_waits_for_a_person_at_once_and_files_are_still_made(
    files: FileWorks, error: Exception
):
    profile, run = a_file(files)
    files.server.fail("login", error)
    assert files.send_all() == 1
    assert files.upload(run).state == UploadState.HELD
    assert files.gate(profile).fault == "upload"
    assert files.run_row(one_more(files, profile)).state == RunState.WRITTEN
    assert files.send_all() == 0


def test_settings_that_cannot_be_used_hold_the_upload(files: FileWorks):
    profile, run = a_file(files)
    files.run("UPDATE profiles SET settings = settings - 'password', version = version + 1")
    assert files.claim_upload() is None
    upload = files.upload(run)
    assert upload.state == UploadState.HELD
    assert "password" in upload.error
    assert files.gate(profile).fault == "upload"


def test_settings_that_no_check_let_through_hold_the_upload_and_the_others_go(files: FileWorks):
    _, run = a_file(files)
    files.run("UPDATE profiles SET settings = '[]', version = version + 1")
    other = files.ftp()
    files.events()
    files.plan(other)
    files.make()
    assert files.send_all() == 1
    assert "internal error" in files.upload(run).error


def test_a_bug_of_ours_is_a_failed_try_and_no_end(files: FileWorks, caplog: pytest.LogCaptureFixture):
    _, run = a_file(files)
    files.server.fail("put", ZeroDivisionError("ours"), times=1)
    files.send_all()
    upload = files.upload(run)
    assert (upload.state, upload.error, upload.failures) == ("pending", "internal error", 1)
    assert "upload.broke" in caplog.messages


def test_a_new_password_and_host_heal_an_upload_and_its_name_and_bytes_stay(files: FileWorks):
    profile, run = a_file(files)
    before = files.run_row(run)
    files.server.fail("login", TryAgain("down"), times=1)
    files.send_all()
    files.set(profile, password="another", host="new.example.com", delimiter=";", fileName="other_{run}")
    files.uploads_due()
    files.send_all()
    assert [place.host for place in files.server.places] == ["files.example.com", "new.example.com"]
    assert files.server.places[-1].password == "another"
    assert list(files.server.files) == [f"in/{before.file_name}"]
    assert files.run_row(run).sha256 == before.sha256


def test_the_server_s_words_are_kept_without_the_password(files: FileWorks):
    _, run = a_file(files)
    files.server.fail("login", TryAgain(f"421 go away, {PASSWORD}"), times=1)
    files.send_all()
    told = [files.upload(run).error, files.tries(run)[0].message]
    assert all("421 go away" in text and PASSWORD not in text for text in told)


def test_a_lost_lease_changes_nothing_and_is_told_as_late(files: FileWorks):
    _, run = a_file(files)
    lease = files.claim_upload()
    assert lease

    def lose(verb: str, _name: str) -> None:
        if verb == "put":
            files.end_file_leases()
            upload_claim.reap(files.engine)

    files.server.before = lose
    assert files.send(lease) is None
    upload = files.upload(run)
    assert (upload.state, upload.tries) == (UploadState.PENDING, 1)
    assert not any(
        name.endswith(files.run_row(run).file_name) for name in files.server.files
    )  # the rename was not begun
    assert "late" in files.tries(run)[0].message


def test_an_upload_that_is_told_to_stop_is_let_go_at_once(files: FileWorks):
    _, run = a_file(files)
    lease = files.claim_upload()
    assert lease

    def stop(verb: str, _name: str) -> None:
        files.is_stopping = files.is_stopping or verb == "put"

    files.server.before = stop
    files.send(lease)
    upload = files.upload(run)
    assert (upload.state, upload.failures) == (UploadState.PENDING, 0)
    assert files.tries(run)[0].outcome == "unknown"
    files.is_stopping, files.server.before = False, lambda _verb, _name: None
    assert files.send_all() == 1
    assert files.upload(run).state == UploadState.DELIVERED


def test_what_is_sent_whole_gets_its_name_even_when_told_to_stop(files: FileWorks):
    _, run = a_file(files)
    lease = files.claim_upload()
    assert lease

    def stop(verb: str, _name: str) -> None:
        files.is_stopping = files.is_stopping or verb == "put"

    files.server.after = stop
    files.send(lease)
    assert files.upload(run).state == UploadState.DELIVERED


def test_a_lease_that_is_beaten_for_stays(files: FileWorks):
    _, run = a_file(files)
    lease = files.claim_upload()
    assert lease
    files.run("UPDATE uploads SET lease_until = now() + interval '1 second'")
    heart = Heart(files.engine, stopping=lambda: False, every=0.05)
    with heart.beating(), heart.hold("uploads", lease.upload_id, lease.token) as hold:
        while files.upload(run).lease_until < utc_now() + timedelta(seconds=30):
            hold.check()
        files.run("UPDATE uploads SET lease_token = lease_token + 1")
        while not hold.is_lost:
            pass


def test_a_success_makes_due_what_failed_at_the_same_server(files: FileWorks):
    profile, first = a_file(files)
    files.server.fail("login", TryAgain("down"), times=1)
    files.send_all()
    assert waits(files, first) > 50
    one_more(files, profile)
    assert files.send_all() == 2  # the second, and then the first
    assert files.upload(first).state == UploadState.DELIVERED


def test_servers_that_are_down_never_take_all_hands(files: FileWorks):
    a_file(files)
    files.server.fail("login", TryAgain("down"))
    files.send_all()
    files.uploads_due()
    assert files.claim_upload(fresh_only=True) is None
    assert files.claim_upload()


def test_a_day_without_rows_still_logs_in_so_that_a_dead_password_shows(
    files: FileWorks, caplog: pytest.LogCaptureFixture
):
    profile = files.ftp()
    (run,) = files.plan(profile)
    files.make()
    assert files.run_row(run).state == RunState.EMPTY
    files.send_all()
    assert files.server.said == [("login", "waybill")]
    assert files.upload(run).state == UploadState.DELIVERED
    files.server.fail("login", LoginRefused("530"))
    (run,) = files.plan(profile)
    files.make()
    for _ in range(3):
        files.send_all()
        files.uploads_due()
    assert files.upload(run).state == UploadState.HELD
    assert "upload.held" in caplog.messages


@pytest.mark.parametrize(("policy", "content"), [("header", b"order,name\r\n"), ("zero", b"")])
def test_a_day_without_rows_makes_the_file_that_the_profile_wants(files: FileWorks, policy: str, content: bytes):
    profile = files.ftp(settings={"emptyFile": policy})
    (run,) = files.plan(profile)
    files.make()
    files.send_all()
    row = files.run_row(run)
    assert (row.state, row.rows, row.bytes) == (RunState.WRITTEN, 0, len(content))
    assert files.server.files == {f"in/{row.file_name}": content}


def test_one_companion_goes_with_the_last_of_all_parts_named_after_the_first(files: FileWorks):
    profile = files.ftp(settings={"companion": "manifest", "maxRows": 2, "fileName": "orders"})
    files.events(5)
    files.plan(profile)
    assert files.make() == 3
    assert files.send_all() == 3
    names = ["in/orders-p1.csv", "in/orders-p2.csv", "in/orders-p3.csv"]
    assert sorted(files.server.files) == sorted([*names, "in/orders-p1.csv.manifest.json"])
    assert list(files.server.files)[-1] == "in/orders-p1.csv.manifest.json"
    manifest = json.loads(files.server.files["in/orders-p1.csv.manifest.json"])
    assert [part["name"] for part in manifest["parts"]] == ["orders-p1.csv", "orders-p2.csv", "orders-p3.csv"]
    assert (manifest["name"], manifest["rows"], manifest["route"]) == ("orders-p1.csv", 5, "New Sale / all / all")
    assert manifest["bytes"] == sum(len(files.server.files[name]) for name in names)


@pytest.mark.parametrize("kind", ["done", "sha256"])
def test_a_companion_says_that_the_file_is_there(files: FileWorks, kind: str):
    _, run = a_file(files, companion=kind)
    files.send_all()
    row = files.run_row(run)
    content = b"" if kind == "done" else f"{row.sha256}  {row.file_name}\n".encode()
    assert files.server.files[f"in/{row.file_name}.{kind}"] == content
    assert list(files.server.files)[-1].endswith(f".{kind}")


def test_the_folder_of_today_is_filled_with_what_the_run_knew(files: FileWorks):
    profile, run = a_file(files)
    files.set(profile, folder="/drop/{customerType}/{year}")
    files.send_all()
    row = files.run_row(run)
    assert list(files.server.files) == [f"/drop/New_Sale/{row.slot_at.year}/{row.file_name}"]


def test_a_file_whose_bytes_are_gone_waits_for_a_person(files: FileWorks):
    _, run = a_file(files)
    files.run("UPDATE runs SET bytes_gone_at = now()")
    files.send_all()
    assert "gone" in files.upload(run).error
    assert files.upload(run).state == UploadState.HELD


def test_each_route_has_its_file(files: FileWorks):
    profile = files.ftp(route(campaign=1), route(campaign=2))
    files.events(1, campaignId=1)
    files.events(1, campaignId=2)
    runs = files.plan(profile)
    files.make()
    files.send_all()
    assert len(files.server.files) == 2
    assert {files.upload(run).state for run in runs} == {UploadState.DELIVERED}
