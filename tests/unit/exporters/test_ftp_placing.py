"""A file comes to its place once and whole, wherever a try breaks off."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from exporters.base import Phase
from exporters.errors import BadSettings, NameTaken, SizeUnknown, TryAgain
from exporters.ftp import Ftp
from exporters.ftp_placing import numbered
from exporters.ftp_settings import FtpSettings
from tests.unit.exporters.shelf import Broken, Ear, Shelf, run_file, sending

WAYS = list(product(("dot", "suffix", "none"), ("refuse", "suffix", "replace"), ("size", "readback")))


def ftp(**settings: Any) -> Ftp:
    given = {"protocol": "ftp", "host": "files.example.com", "user": "u", "password": "p", "folder": "in", **settings}
    return Ftp(FtpSettings.model_validate(given), [])


def test_the_file_is_renamed_when_it_has_arrived_and_its_companion_comes_last():
    shelf, ear = Shelf(), Ear()
    receipt = ftp(createFolder=True).place(run_file(companions=True), sending(ear), shelf)
    assert shelf.commands == [
        "mkdir in",
        "size in/orders.csv",
        "put in/.orders.csv.7-1.part",
        "size in/.orders.csv.7-1.part",
        "size in/orders.csv",
        "rename in/.orders.csv.7-1.part in/orders.csv",
        "size in/orders.csv",
        "remove in/.orders.csv.sha256.7.part",
        "put in/.orders.csv.sha256.7.part",
        "remove in/orders.csv.sha256",
        "rename in/.orders.csv.sha256.7.part in/orders.csv.sha256",
    ]
    assert ear.phases == [Phase.SENDING, Phase.SENT, Phase.RENAMING, Phase.DONE]
    assert ear.total == 10
    assert receipt.message == "in/orders.csv, 10 bytes, size checked"


@pytest.mark.parametrize(("temp", "overwrite", "verify"), WAYS)
@pytest.mark.parametrize("does_it", [False, True])
def test_wherever_a_try_breaks_off_the_next_leaves_one_whole_file_and_nothing_else(
    temp: str, overwrite: str, verify: str, does_it: bool
):
    way = ftp(tempName=temp, overwrite=overwrite, verify=verify)
    file = run_file(companions=True)
    whole = Shelf()
    way.place(file, sending(Ear()), whole)
    for at in range(1, len(whole.commands) + 1):
        shelf, ear = Shelf(breaks_at=at, does_it=does_it), Ear()
        with pytest.raises(Broken):
            way.place(file, sending(ear), shelf)
        shelf.breaks_at = 0
        receipt = way.place(file, sending(ear, 2), shelf)
        assert shelf.files == whole.files, f"broken at {whole.commands[at - 1]}"
        assert receipt.message.startswith("in/orders.csv, 10 bytes")


@pytest.mark.parametrize("times", [2, 5])
def test_a_line_that_breaks_at_every_try_leaves_nothing_behind_in_the_end(times: int):
    shelf, ear, way = Shelf(), Ear(), ftp()
    for number in range(1, times):
        shelf.breaks_at = len(shelf.commands) + 2 + number
        with pytest.raises(Broken):
            way.place(run_file(), sending(ear, number), shelf)
    shelf.breaks_at = 0
    way.place(run_file(), sending(ear, times), shelf)
    assert shelf.files == {"in/orders.csv": b"a,b\r\n1,2\r\n"}


def test_a_lost_answer_to_the_rename_is_recognised_and_nothing_is_sent_again():
    shelf, ear, way = Shelf(breaks_at=5, does_it=True), Ear(), ftp()
    with pytest.raises(Broken):
        way.place(run_file(), sending(ear), shelf)
    assert ear.phase is Phase.RENAMING
    receipt = way.place(run_file(), sending(ear, 2), shelf)
    assert sum(command.startswith("put") for command in shelf.commands) == 1
    assert sum(command.startswith("rename") for command in shelf.commands) == 1
    assert receipt.message.endswith("the answer to the rename was lost")


def test_a_temporary_file_that_waits_to_be_renamed_is_not_sent_again_even_some_tries_later():
    shelf, ear, way = Shelf(breaks_at=5), Ear(), ftp()
    with pytest.raises(Broken):
        way.place(run_file(), sending(ear), shelf)
    way.place(run_file(), sending(ear, 9), shelf)
    assert sum(command.startswith("put") for command in shelf.commands) == 1
    assert list(shelf.files) == ["in/orders.csv"]


def test_when_both_names_are_gone_the_file_is_sent_again_and_says_so():
    shelf, ear, way = Shelf(breaks_at=5, does_it=True), Ear(), ftp()
    with pytest.raises(Broken):
        way.place(run_file(), sending(ear), shelf)
    shelf.files.clear()
    receipt = way.place(run_file(), sending(ear, 2), shelf)
    assert list(shelf.files) == ["in/orders.csv"]
    assert "sent again: neither the file nor its temporary name was there any more" in receipt.message


def test_what_was_done_to_its_end_is_not_touched_again():
    shelf, ear = Shelf(), Ear(Phase.DONE, "in/orders.csv")
    assert "it had arrived before" in ftp().place(run_file(), sending(ear, 2), shelf).message
    assert shelf.commands == []


@pytest.mark.parametrize("temp", ["dot", "none"])
def test_another_file_of_that_name_is_left_alone_and_asks_for_a_person(temp: str):
    shelf = Shelf({"in/orders.csv": b"other"})
    with pytest.raises(NameTaken, match="is there already, and is another file"):
        ftp(tempName=temp).place(run_file(), sending(Ear()), shelf)
    assert shelf.files == {"in/orders.csv": b"other"}


def test_a_file_of_that_name_and_length_but_other_bytes_is_another_file():
    shelf = Shelf({"in/orders.csv": b"b,a\r\n2,1\r\n"})
    with pytest.raises(NameTaken):
        ftp().place(run_file(), sending(Ear()), shelf)
    assert shelf.files == {"in/orders.csv": b"b,a\r\n2,1\r\n"}


@pytest.mark.parametrize("temp", ["dot", "none"])
def test_our_very_bytes_under_that_name_are_what_was_wanted(temp: str):
    shelf, ear = Shelf({"in/orders.csv": b"a,b\r\n1,2\r\n"}), Ear()
    receipt = ftp(tempName=temp).place(run_file(), sending(ear), shelf)
    assert receipt.message.endswith("these very bytes were there already")
    assert ear.phase is Phase.DONE
    assert not any(command.startswith("put") for command in shelf.commands)


def test_a_name_that_is_taken_while_we_send_takes_the_temporary_file_away_again():
    shelf = Shelf()

    class Late(Ear):
        def sent(self, total: int) -> None:
            shelf.files["in/orders.csv"] = b"somebody else's"

    with pytest.raises(NameTaken):
        ftp().place(run_file(), sending(Late()), shelf)
    assert shelf.files == {"in/orders.csv": b"somebody else's"}


def test_the_next_free_name_is_taken_and_companions_follow_it():
    shelf = Shelf({"in/orders.csv": b"other", "in/orders-2.csv": b"another"})
    ftp(overwrite="suffix").place(run_file(companions=True), sending(Ear()), shelf)
    assert shelf.files["in/orders.csv"] == b"other"
    assert shelf.files["in/orders-3.csv"] == b"a,b\r\n1,2\r\n"
    assert shelf.files["in/orders-3.csv.sha256"].endswith(b"  orders-3.csv\n")


@pytest.mark.parametrize("replaces", [True, False])
def test_replace_works_where_a_rename_replaces_and_where_it_is_refused(replaces: bool):
    shelf = Shelf({"in/orders.csv": b"other"}, replaces=replaces)
    ftp(overwrite="replace").place(run_file(), sending(Ear()), shelf)
    assert shelf.files == {"in/orders.csv": b"a,b\r\n1,2\r\n"}
    assert ("remove in/orders.csv" in shelf.commands) is not replaces


def test_a_server_that_hides_sizes_needs_another_check():
    with pytest.raises(SizeUnknown):
        ftp().place(run_file(), sending(Ear()), Shelf(hides_sizes=True))
    shelf = Shelf(hides_sizes=True)
    assert "read back" in ftp(verify="readback").place(run_file(), sending(Ear()), shelf).message
    assert list(shelf.files) == ["in/orders.csv"]


def test_read_back_finds_a_file_that_was_there_although_sizes_are_hidden():
    shelf = Shelf({"in/orders.csv": b"other"}, hides_sizes=True)
    ftp(verify="readback", overwrite="suffix").place(run_file(), sending(Ear()), shelf)
    assert shelf.files == {"in/orders.csv": b"other", "in/orders-2.csv": b"a,b\r\n1,2\r\n"}


def test_a_box_that_shows_nothing_gets_its_file_unverified():
    shelf = Shelf(shows_nothing=True)
    receipt = ftp(verify="none", tempName="none").place(run_file(), sending(Ear()), shelf)
    assert receipt.message == "in/orders.csv, 10 bytes, unverified"
    assert [command for command in shelf.commands if not command.startswith("size")] == ["put in/orders.csv"]


def test_what_reads_back_otherwise_is_not_renamed():
    class Scrambles(Shelf):
        def did(self) -> None:
            self.files = {name: content.replace(b"\r\n", b"\n") for name, content in self.files.items()}

    shelf = Scrambles()
    with pytest.raises(TryAgain, match="reads back otherwise"):
        ftp(verify="readback").place(run_file(), sending(Ear()), shelf)
    assert list(shelf.files) == ["in/.orders.csv.7-1.part"]


@pytest.mark.parametrize(
    ("folder", "path"),
    [("", "orders.csv"), ("/", "/orders.csv"), ("in/", "in/orders.csv"), ("/a/b", "/a/b/orders.csv")],
)
def test_a_folder_is_below_the_logins_or_below_the_root(folder: str, path: str):
    shelf = Shelf()
    ftp().place(run_file(), sending(Ear(), folder=folder), shelf)
    assert list(shelf.files) == [path]


def test_an_sftp_server_without_a_known_key_is_not_dialled():
    shelf = Shelf()
    for act in (lambda way: way.look(shelf), lambda way: way.place(run_file(), sending(Ear()), shelf)):
        with pytest.raises(BadSettings, match="hostKeys: The server's key is not known yet"):
            act(ftp(protocol="sftp"))
    assert shelf.place is None


@pytest.mark.parametrize(
    ("name", "second"),
    [
        ("orders.csv", "orders-2.csv"),
        ("orders.csv.gz", "orders-2.csv.gz"),
        ("orders.tsv.zst", "orders-2.tsv.zst"),
        ("v1.2_orders.txt", "v1.2_orders-2.txt"),
        ("orders", "orders-2"),
    ],
)
def test_a_second_name_keeps_its_endings(name: str, second: str):
    assert numbered(name, 2) == second
    assert numbered(name, 1) == name
