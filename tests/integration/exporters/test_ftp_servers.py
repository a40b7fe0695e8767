"""Uploads to vsftpd, ProFTPD and OpenSSH as they are installed: strict about TLS sessions, keys and names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from exporters.base import Phase
from exporters.errors import (
    BadCertificate,
    BadSettings,
    HostKeyChanged,
    LoginRefused,
    NameTaken,
    Refused,
    TryAgain,
)
from exporters.ftp import Ftp
from models.rules.filenames import NameFacts, file_name
from tests.file_servers import MAKE_KEY, FileServer, OpenSsh, ProFtpd, Vsftpd, fingerprint_of, pem_of, write_key
from tests.integration.exporters.uploads import Upload, a_folder, content_file, door, emptied, long_file


@pytest.mark.parametrize("tls", ["auto", "1.2"])
@pytest.mark.parametrize("name", ["vsftpd", "proftpd"])
def test_three_ftps_uploads_in_a_row_arrive_whole(request: pytest.FixtureRequest, name: str, tls: str):  # F6
    server = emptied(request.getfixturevalue(name))
    for number in range(3):
        content = f"order,{number}\r\n".encode() * 50_000
        Upload(server, content_file(content, f"{number}.csv"), tlsMax=tls).go()
        assert (server.root / "in" / f"{number}.csv").read_bytes() == content
    assert server.names() == ["0.csv", "1.csv", "2.csv"]


def test_an_empty_file_arrives_as_an_empty_file(server: FileServer):
    Upload(server, content_file(b"")).go()
    assert [path.stat().st_size for path in (server.root / "in").iterdir()] == [0]


def test_companions_arrive_after_the_file(server: FileServer):
    companions = (("orders.csv.done", b""), ("orders.csv.sha256", b"abc  orders.csv\n"))
    Upload(server, content_file(b"1,2\r\n", companions=companions)).go()
    assert server.names() == ["orders.csv", "orders.csv.done", "orders.csv.sha256"]


def test_a_file_is_read_back_and_compared(server: FileServer):
    assert "read back" in Upload(server, long_file(5), verify="readback").go().message


def test_a_folder_is_made_when_that_is_wished_and_named_when_it_is_missing(server: FileServer):
    upload = Upload(server, content_file(b"1"), folder="made/for us")
    with pytest.raises(Refused, match="the folder made/for us is missing on the server") as caught:
        upload.go()
    assert caught.value.slow
    upload.go(createFolder=True)
    assert server.names("made/for us") == ["orders.csv"]
    for path in ("made/for us/orders.csv",):
        (server.root / path).unlink()
    (server.root / "made/for us").rmdir()
    (server.root / "made").rmdir()


def test_a_path_from_the_root_is_not_below_the_login(server: FileServer):
    Upload(server, content_file(b"1"), folder=str(server.root / "in")).go()
    assert server.names() == ["orders.csv"]


# ---- who the server is -------------------------------------------------------------------------------------------------


def test_a_certificate_of_an_unknown_authority_is_told_nothing(vsftpd: Vsftpd):  # F7
    seen = vsftpd.log().count("USER")
    with pytest.raises(BadCertificate, match=r"signed by .*O=trustme") as caught:
        Upload(vsftpd, content_file(b"1")).go(caCertificate=pem_of(trustme.CA()))
    assert caught.value.stage == "TLS"
    assert vsftpd.log().count("USER") == seen


def test_a_certificate_for_another_name_is_told_nothing(authority: trustme.CA, tmp_path: Path):  # F7
    with Vsftpd(tmp_path, authority, host="files.example.com") as server:
        with pytest.raises(BadCertificate, match="subject name"):
            Upload(server, content_file(b"1")).go()
        assert "USER" not in server.log()
        assert server.names() == []


def test_a_changed_host_key_stops_before_the_login_until_it_is_trusted(openssh: OpenSsh):  # F8
    emptied(openssh)
    upload = Upload(openssh, content_file(b"1"))
    expected = openssh.secrets()["hostKeys"]
    with a_folder() as folder, OpenSsh(folder) as changed:
        changed_key = changed.secrets()["hostKeys"]
        upload.server = changed
        with pytest.raises(HostKeyChanged) as caught:
            upload.go(hostKeys=expected)
        assert (caught.value.expected, caught.value.got) == ((expected,), changed_key)
        assert "Accepted" not in changed.log()
        assert "publickey" not in changed.log()
        assert changed.names() == []
        upload.go(hostKeys=f"{expected}\n{changed_key}")
        assert changed.names() == ["orders.csv"]


def test_of_a_server_with_several_keys_any_may_be_the_pinned_one():
    kinds = ("rsa", "ecdsa", "ed25519")
    with a_folder() as folder, OpenSsh(folder, host_keys=kinds) as server:
        for kind in kinds:
            public = server.folder / f"host_{kind}.pub"
            for pinned in (fingerprint_of(public), f"127.0.0.1 {public.read_text()}"):
                Ftp(server.settings(hostKeys=pinned), []).look(door())


def test_a_server_without_a_pinned_key_is_not_dialled(openssh: OpenSsh):
    before = openssh.log()
    with pytest.raises(BadSettings):
        Upload(openssh, content_file(b"1")).go(hostKeys=None)
    assert openssh.log() == before


# ---- who we are --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "form"), [("ed25519", "openssh"), ("ed25519", "pkcs8"), ("ecdsa", "pem"), ("rsa", "pem")]
)
def test_keys_of_every_form_log_in_with_and_without_a_passphrase(kind: str, form: str, tmp_path: Path):
    with a_folder() as folder, OpenSsh(folder) as server:
        for passphrase in (None, "a pass phrase"):
            key = write_key(tmp_path / "key", MAKE_KEY[kind](), form=form, passphrase=passphrase)
            (server.folder / "authorized_keys").write_text((tmp_path / "key.pub").read_text())
            Ftp(server.settings(privateKey=key.read_text(), keyPassphrase=passphrase), []).look(door())


def test_a_password_logs_in_over_sftp_too(authority: trustme.CA, tmp_path: Path):
    with ProFtpd(tmp_path, authority, sftp=True) as server:
        Upload(server, long_file(3), verify="readback").go()
        assert server.names() == ["orders.csv"]
        with pytest.raises(LoginRefused):
            Upload(server, content_file(b"1")).go(password="wrong")


def test_a_refused_login_says_so_and_never_the_password(server: FileServer):
    wrong = {"password": "canary-wrong", "privateKey": None}
    with pytest.raises(LoginRefused) as caught:
        Upload(server, content_file(b"1")).go(**wrong)
    assert caught.value.stage == "login"
    assert "canary" not in str(caught.value)
    with pytest.raises(LoginRefused):
        Ftp(server.settings(**wrong), []).look(door())


def test_a_stray_key_of_the_machine_is_never_offered(openssh: OpenSsh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id_ed25519").write_text((openssh.folder / "user_key").read_text())
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(LoginRefused):
        Upload(openssh, content_file(b"1")).go(privateKey=None, password="x")


# ---- what breaks off -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["vsftpd", "openssh"])
def test_a_line_cut_in_mid_upload_leaves_no_final_name_and_the_retry_is_whole(
    request: pytest.FixtureRequest, name: str
):  # F9
    server = emptied(request.getfixturevalue(name))
    whole = long_file(200)
    upload = Upload(server, whole)

    def cut_after_a_while() -> Iterator[bytes]:
        for number, chunk in enumerate(whole.chunks()):
            if number == 50:
                server.cut()
            yield chunk

    upload.file = replace(whole, chunks=cut_after_a_while)
    with pytest.raises(TryAgain) as caught:
        upload.go()
    assert not caught.value.slow
    assert upload.ear.phase is Phase.SENDING
    assert all(found.endswith(".part") for found in server.names())
    upload.file = whole
    upload.go()
    assert server.names() == ["orders.csv"]
    with (server.root / "in" / "orders.csv").open("rb") as arrived:
        assert hashlib.file_digest(arrived, "sha256").hexdigest() == upload.file.sha256


def test_what_stops_us_from_inside_ends_the_session_and_the_next_try_cleans_up(server: FileServer):
    class LeaseLost(Exception):
        pass

    def lose(total: int) -> None:
        if total > 1 << 20:
            raise LeaseLost

    upload = Upload(server, long_file(200))
    upload.ear.acts = lose
    with pytest.raises(LeaseLost):
        upload.go()
    assert "orders.csv" not in server.names()
    upload.ear.acts = lambda _total: None
    upload.go()
    assert server.names() == ["orders.csv"]


# ---- names ---------------------------------------------------------------------------------------------------------------


def test_a_name_that_is_there_is_left_alone_sent_beside_or_replaced_as_set(server: FileServer):  # F12
    there = server.root / "in" / "orders.csv"
    there.write_bytes(b"theirs")
    there.chmod(0o666)
    for temp in ("dot", "none"):
        with pytest.raises(NameTaken):
            Upload(server, content_file(b"ours"), tempName=temp).go()
        assert server.names() == ["orders.csv"]
        assert there.read_bytes() == b"theirs"
    Upload(server, content_file(b"ours"), overwrite="suffix").go()
    assert (server.root / "in" / "orders-2.csv").read_bytes() == b"ours"
    Upload(server, content_file(b"ours, new"), overwrite="replace").go()
    assert there.read_bytes() == b"ours, new"
    assert server.names() == ["orders-2.csv", "orders.csv"]


def test_a_refused_stor_is_told_as_such_and_the_next_upload_is_clean(proftpd: ProFtpd):  # F17
    emptied(proftpd)
    taken = proftpd.root / "in" / ".orders.csv.77-1.part"
    taken.write_bytes(b"old")
    upload = Upload(proftpd, content_file(b"ours"))
    upload.run = 77
    with pytest.raises(Refused, match=r"write: 550 .*Overwrite permission denied") as caught:
        upload.go()
    assert caught.value.stage == "write"
    upload.go()
    assert proftpd.names() == ["orders.csv"]
    Upload(proftpd, content_file(b"more", "more.csv")).go()
    assert proftpd.names() == ["more.csv", "orders.csv"]


@pytest.mark.parametrize(
    "campaign", ["../x\r\nDELE a", "..", "\U0001f600 \u202e", "a" * 300, "-rf", ".htaccess", 'q"\\w', "%0d%0aDELE a"]
)
@pytest.mark.parametrize("name", ["vsftpd", "openssh"])
def test_a_hostile_campaign_becomes_a_harmless_name(request: pytest.FixtureRequest, name: str, campaign: str):  # F19
    server = emptied(request.getfixturevalue(name))
    (server.root / "in" / "a").write_bytes(b"keep me")
    facts = NameFacts("p", "Partial", campaign, "all", datetime(2026, 11, 23, 6, 0, tzinfo=UTC), 1, 1, 1, 1, "u")
    safe = file_name("{campaign}", facts, extension="csv", compression="none", is_parted=False)
    Upload(server, content_file(b"1", safe)).go()
    assert set(server.names()) == {"a", safe}
    assert (server.root / "in" / "a").read_bytes() == b"keep me"
    assert sorted(path.name for path in server.root.iterdir()) == ["in"]


@pytest.mark.parametrize("name", ["../x.csv", "x\r\nDELE a", "x\nRNTO y", "x\0y"])
def test_a_hostile_name_that_reaches_the_door_all_the_same_goes_no_further(server: FileServer, name: str):  # F19
    (server.root / "in" / "a").write_bytes(b"keep me")
    with pytest.raises(BadSettings):
        Upload(server, content_file(b"1", name)).go()
    assert server.names() == ["a"]


def test_blanks_quotes_and_letters_arrive_as_they_are(server: FileServer):
    for name in ("a b.csv", "q\"uo'te.csv", "Zoë.csv", "100%;type=a.csv"):
        Upload(server, content_file(b"1", name)).go()
    assert server.names() == sorted(["a b.csv", "q\"uo'te.csv", "Zoë.csv", "100%;type=a.csv"])
