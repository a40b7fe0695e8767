"""What libcurl and a server say, and which error it is; names that would be more than a name."""

from __future__ import annotations

import pycurl
import pytest

from exporters.errors import (
    AddressBlocked,
    BadCertificate,
    BadSettings,
    ExporterError,
    HostKeyChanged,
    LoginRefused,
    Refused,
    TryAgain,
)
from exporters.transfer import HostKey, Place
from exporters.transfer.faults import error_of
from exporters.transfer.names import checked, folders_above, ftp_path, sftp_path, sftp_word
from exporters.transfer.wire import Trouble

FTPS = Place("ftps", "files.example.com", 21, "u", "hunter22")
SFTP = Place("sftp", "files.example.com", 22, "u", "hunter22", host_keys=(HostKey("SHA256:" + "a" * 43),))


def ftp(code: int, reply: str = "", *, stage: str = "write", text: str = "libcurl's words") -> ExporterError:
    return error_of(Trouble(stage, code, text, reply), FTPS)


@pytest.mark.parametrize(
    "code",
    [pycurl.E_COULDNT_RESOLVE_HOST, pycurl.E_COULDNT_CONNECT, pycurl.E_OPERATION_TIMEDOUT, pycurl.E_RECV_ERROR,
     pycurl.E_SEND_ERROR, pycurl.E_PARTIAL_FILE, pycurl.E_SSL_CONNECT_ERROR],
)  # fmt: skip
def test_what_the_network_does_heals_by_itself(code: int):
    error = ftp(code)
    assert type(error) is TryAgain
    assert not error.slow
    assert str(error) == "write: libcurl's words"


@pytest.mark.parametrize("reply", ["421 Too many connections", "425 Cannot open", "426 Cut", "450 Busy", "451 Local"])
def test_a_reply_of_the_400s_heals_by_itself(reply: str):
    error = ftp(pycurl.E_UPLOAD_FAILED, reply)
    assert type(error) is TryAgain
    assert str(error) == f"write: {reply}"


@pytest.mark.parametrize("reply", ["452 Disk full", "552 Quota", "550 Denied", "553 Name", "500 What", "504 No"])
def test_a_refused_command_is_looked_at_hourly_and_told_at_once(reply: str):
    error = ftp(pycurl.E_UPLOAD_FAILED, reply)
    assert isinstance(error, Refused)
    assert error.slow
    assert error.alerts


def test_the_servers_word_counts_more_than_libcurls():
    assert isinstance(ftp(pycurl.E_FTP_WEIRD_PASV_REPLY, "550 Overwrite permission denied"), Refused)
    assert type(ftp(pycurl.E_LOGIN_DENIED, "421 Too many", stage="login")) is TryAgain


@pytest.mark.parametrize(
    ("reply", "stage"), [("530 Login incorrect", "login"), ("530 Not logged in", "write"), ("501 No", "login")]
)
def test_a_refused_login_is_counted(reply: str, stage: str):
    assert isinstance(ftp(pycurl.E_LOGIN_DENIED, reply, stage=stage), LoginRefused)


def test_a_certificate_waits_for_a_person_and_names_its_signer():
    trouble = Trouble("TLS", pycurl.E_PEER_FAILED_VERIFICATION, "self-signed certificate", issuer="CN=Y")
    error = error_of(trouble, FTPS)
    assert isinstance(error, BadCertificate)
    assert str(error) == "TLS: self-signed certificate (signed by CN=Y)"


def test_a_host_key_waits_for_a_person_and_tells_both():
    trouble = Trouble("host key", pycurl.E_PEER_FAILED_VERIFICATION, "", host_key="SHA256:new")
    error = error_of(trouble, SFTP)
    assert isinstance(error, HostKeyChanged)
    assert (error.expected, error.got) == (("SHA256:" + "a" * 43,), "SHA256:new")
    assert "SHA256:new, not SHA256:aaa" in str(error)
    assert "none is trusted yet" in str(HostKeyChanged((), "SHA256:new"))


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (pycurl.E_LOGIN_DENIED, "Authentication failure", LoginRefused),
        (pycurl.E_REMOTE_ACCESS_DENIED, "Permission denied", Refused),
        (pycurl.E_REMOTE_FILE_NOT_FOUND, "No such file", Refused),
        (pycurl.E_REMOTE_DISK_FULL, "full", Refused),
        (pycurl.E_QUOTE_ERROR, "rename command failed: Operation failed", Refused),
        (pycurl.E_QUOTE_ERROR, "rename command failed: Unknown error in libssh2", TryAgain),
        (pycurl.E_SSH, "Failure", TryAgain),
    ],
)
def test_over_sftp_libcurls_code_decides(code: int, text: str, kind: type[ExporterError]):
    assert type(error_of(Trouble("write", code, text), SFTP)) is kind


def test_a_refused_address_is_not_in_the_words():
    error = error_of(Trouble("data channel", 7, "10.0.0.5 refused", address="10.0.0.5"), FTPS)
    assert isinstance(error, AddressBlocked)
    assert (str(error), error.address, error.stage) == ("address not allowed", "10.0.0.5", "data channel")


def test_a_servers_words_are_one_line_without_our_secrets():
    error = ftp(pycurl.E_LOGIN_DENIED, "530 no\x1b[31m user u\r\npassword hunter22 " + "x" * 500, stage="login")
    assert "hunter22" not in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 320


def test_no_half_of_a_secret_stays_where_words_are_cut():
    for length in range(280, 300):
        error = ftp(pycurl.E_LOGIN_DENIED, "530 " + "x" * length + "hunter22", stage="login")
        assert "hu" not in str(error)


def test_an_error_tells_the_steps_that_went_well_before():
    passed = (("DNS", 1, "found"),)
    assert error_of(Trouble("TCP", 7, "", steps=passed), FTPS).passed == passed
    assert Trouble.read(Trouble("TCP", 7, "", steps=passed).written()) == Trouble("TCP", 7, "", steps=passed)


# ---- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["a\r\nDELE b", "a\nb", "a\0b", "a\x7fb", "../a", "in/../../a", "..", "", "/", "a\ud800"]
)
def test_what_is_more_than_a_name_never_leaves(name: str):
    with pytest.raises(BadSettings):
        checked(name)


@pytest.mark.parametrize("name", ["a", "in/a..b.csv", ".a.part", "/in/a", "in/Zoë 1.csv", 'a"b'])
def test_a_name_stays_as_it_is(name: str):
    assert checked(name) == name


def test_names_become_paths_of_their_protocol():
    assert ftp_path("in/a b%.csv") == "/in/a%20b%25.csv"
    assert ftp_path("/in/a;type=i") == "/%2Fin/a%3Btype%3Di"
    assert sftp_path("in/ë") == "/~/in/%C3%AB"
    assert sftp_path("/in/a") == "/in/a"
    assert sftp_path("/~/a") == "/./~/a"
    assert sftp_word('a"b\\c') == '"a\\"b\\\\c"'
    assert folders_above("a/b/") == ["a", "a/b"]
    assert folders_above("/a/b") == ["/a", "/a/b"]
