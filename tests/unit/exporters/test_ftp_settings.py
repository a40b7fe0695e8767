"""What an FTP profile may set, what is filled in, and what is refused in words."""

from __future__ import annotations

from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from pydantic import ValidationError

from exporters.csv_settings import CsvSettings
from exporters.errors import BadSettings
from exporters.fields import Mark, marked, secret_names
from exporters.ftp import Ftp
from exporters.ftp_settings import FtpSettings
from exporters.guard import Ports
from exporters.postback_settings import PostbackSettings
from exporters.transfer import HostKey, parse_host_keys
from exporters.transfer.place import fingerprint

PIN = "SHA256:" + "a" * 43
SERVER = {"host": "files.example.com", "user": "waybill", "password": "hunter22"}


def read(**more: Any) -> FtpSettings:
    return FtpSettings.model_validate({**SERVER, **more})


def refused(place: str, **more: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        read(**more)
    found = {".".join(map(str, error["loc"])): error["msg"] for error in caught.value.errors()}
    assert place in found, found
    assert "hunter22" not in str(caught.value)
    return found[place].removeprefix("Value error, ")


def private_key() -> str:
    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    ).decode()


def test_a_server_a_user_and_a_password_are_enough():
    settings = read()
    assert (settings.protocol, settings.port, settings.preset, settings.delimiter) == ("sftp", 22, "standard", ",")
    assert (settings.temp_name, settings.overwrite, settings.verify) == ("dot", "refuse", "size")
    assert (settings.passive, settings.tls_max, settings.timeout_seconds) == ("auto", "auto", 60)
    assert (settings.folder, settings.create_folder, settings.host_keys) == ("", False, None)


@pytest.mark.parametrize(("protocol", "port"), [("sftp", 22), ("ftps", 21), ("ftps-implicit", 990), ("ftp", 21)])
def test_each_protocol_has_its_port(protocol: str, port: int):
    assert read(protocol=protocol).port == port
    assert read(protocol=protocol, port=None).port == port
    assert read(protocol=protocol, port=2222).port == 2222


def test_stored_settings_hold_every_key_and_read_back_the_same():
    stored = read(protocol="ftps", folder="/in", privateKey=None).model_dump(by_alias=True)
    assert stored["port"] == 21
    assert set(stored) >= {"preset", "delimiter", "schedule", "tempName", "hostKeys", "timeoutSeconds"}
    assert FtpSettings.model_validate(stored) == read(protocol="ftps", folder="/in")


def test_every_setting_has_a_title():
    assert all(spec.title for spec in FtpSettings.model_fields.values())


def test_secrets_are_write_only_and_forgotten_for_another_server():
    assert set(secret_names(FtpSettings)) == {"password", "private_key", "key_passphrase"}
    assert set(marked(FtpSettings, Mark.FORGETS_SECRETS)) == {"protocol", "host", "port", "user"}
    shown = read(privateKey=private_key(), keyPassphrase="word").model_dump(mode="json", by_alias=True)
    assert {shown[key] for key in ("password", "privateKey", "keyPassphrase")} == {"**********"}


# ---- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("ftp://files.example.com", "Give the name only, without ftp://"),
        ("sftp://files.example.com", "without ftp:// or sftp://"),
        ("files.example.com/in", "Give the name of the server only"),
        ("me@files.example.com", "Give the name of the server only"),
        ("files.example.com:22", "Give the port in its own field"),
        ("files example.com", "spaces or control characters"),
        ("files..example.com", "empty part"),
        ("a\r\nDELE x", "control characters"),
        ("fil%65s.example.com", '"%"'),
    ],
)
def test_a_server_is_given_by_its_name_alone(host: str, words: str):
    assert words in refused("host", host=host)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Files.Example.COM.", "files.example.com"),
        (" files.example.com ", "files.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("127.1", "127.0.0.1"),
        ("2001:DB8::1", "[2001:db8::1]"),
        ("[2001:db8::1]", "[2001:db8::1]"),
    ],
)
def test_a_server_is_kept_in_one_form(written: str, kept: str):
    assert read(host=written).host == kept


@pytest.mark.parametrize("port", [0, 65536, -1, "ftp", True])
def test_a_port_is_a_number_from_1_to_65535(port: object):
    refused("port", port=port)


@pytest.mark.parametrize("seconds", [9, 601])
def test_the_time_limit_is_10_to_600_seconds(seconds: int):
    refused("timeoutSeconds", timeoutSeconds=seconds)


@pytest.mark.parametrize(
    ("key", "value"),
    [("protocol", "scp"), ("passive", "active"), ("tempName", "x"), ("overwrite", "yes"), ("verify", "md5"), ("tlsMax", "1.1")],
)  # fmt: skip
def test_a_choice_is_one_of_its_words(key: str, value: str):
    refused(key, **{key: value})


def test_an_unknown_key_is_refused():
    refused("insecure", insecure=True)


@pytest.mark.parametrize(("key", "value"), [("user", "a\nb"), ("password", "a\r\nDELE x"), ("keyPassphrase", "a\0b")])
def test_what_logs_in_is_one_line(key: str, value: str):
    assert "control characters" in refused(key, **{key: value})


@pytest.mark.parametrize("protocol", ["ftp", "ftps", "ftps-implicit"])
def test_ftp_needs_a_password(protocol: str):
    assert refused("password", protocol=protocol, password=None) == "Give the password."
    assert refused("password", protocol=protocol, password="", privateKey=private_key()) == "Give the password."


def test_sftp_needs_a_password_or_a_key():
    assert refused("password", password="") == "Give a password or a private key."
    assert read(password=None, privateKey=private_key()).place.password is None


def test_a_missing_user_or_server_is_refused_at_its_place():
    refused("user", user="")
    refused("host", host="")
    with pytest.raises(ValidationError) as caught:
        FtpSettings.model_validate({})
    assert {error["loc"] for error in caught.value.errors()} == {("host",), ("user",), ("password",)}


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("PuTTY-User-Key-File-3: ssh-ed25519", "export it as an OpenSSH key"),
        ("ssh-ed25519 AAAA", "This is no private key"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "This is no private key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA", "This is no private key"),
    ],
)
def test_a_key_that_is_none_is_refused_in_words(key: str, words: str):
    assert words in refused("privateKey", privateKey=key)


def test_a_key_pasted_with_windows_line_ends_and_blanks_is_taken():
    key = private_key()
    pasted = "  " + key.replace("\n", " \r\n") + "\r\n\r\n"
    opened = read(privateKey=pasted).place.private_key
    assert opened == key


@pytest.mark.parametrize(
    ("folder", "words"), [("in/../..", "two dots"), ("in\r\nDELE a", "control"), ("in\\b", "write /")]
)
def test_a_folder_does_not_lead_elsewhere(folder: str, words: str):
    assert words in refused("folder", folder=folder)


def test_a_certificate_authority_is_pem():
    assert "no certificate in PEM" in refused("caCertificate", caCertificate="hello")
    pem = trustme.CA().cert_pem.bytes().decode()
    assert read(caCertificate=pem).place.ca_certificate == pem
    assert read(caCertificate=" ").ca_certificate is None


# ---- host keys -----------------------------------------------------------------------------------------------------

ED25519 = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"


def test_a_host_key_is_a_fingerprint_or_a_line_of_known_hosts():
    line = f"[files.example.com]:2222,1.2.3.4 ssh-ed25519 {ED25519} comment"
    printed = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
    assert parse_host_keys(f"# ours\n\n{PIN}=\n{line}\nssh-ed25519 {ED25519}") == (
        HostKey(PIN),
        HostKey(printed, "ssh-ed25519"),
        HostKey(printed, "ssh-ed25519"),
    )


def test_a_fingerprint_is_written_as_ssh_writes_it():
    assert fingerprint(b"") == "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"


@pytest.mark.parametrize(
    "line",
    [
        "MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48",
        "SHA256:short",
        f"@revoked files.example.com ssh-ed25519 {ED25519}",
        f"@cert-authority *.example.com ssh-ed25519 {ED25519}",
        f"files.example.com ssh-rsa {ED25519}",
        "files.example.com ssh-ed25519 !!!",
        "hello",
    ],
)
def test_what_is_no_host_key_is_refused(line: str):
    assert "host key" in refused("hostKeys", hostKeys=line)


def test_an_sftp_profile_is_stored_without_a_host_key_but_not_switched_on():
    assert [lack.key for lack in read().lacks()] == ["hostKeys"]
    assert not list(read(hostKeys=PIN).lacks())
    assert not list(read(protocol="ftps").lacks())
    assert not list(CsvSettings().lacks())


# ---- what secrets are bound to, and what is dialled -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ({}, "sftp://waybill@files.example.com:22"),
        ({"host": "FILES.example.com."}, "sftp://waybill@files.example.com:22"),
        ({"protocol": "ftp"}, "ftp://waybill@files.example.com:21"),
        ({"port": "2222"}, "sftp://waybill@files.example.com:2222"),
        ({"port": 2222.0}, "sftp://waybill@files.example.com:2222"),
        ({"user": "a@b:c/d"}, "sftp://a%40b%3Ac%2Fd@files.example.com:22"),
    ],
)
def test_secrets_are_bound_to_protocol_user_server_and_port(given: dict[str, Any], origin: str):
    assert FtpSettings.origin_of({**SERVER, **given}) == origin
    assert Ftp(read(**given), []).destination() == origin


@pytest.mark.parametrize(
    "given",
    [{"host": ""}, {"host": 5}, {"host": "ftp://x"}, {"user": ""}, {"user": None}, {"port": 0}, {"port": True},
     {"port": "x"}, {"port": []}, {"protocol": "scp"}, {"protocol": None}],
)  # fmt: skip
def test_without_a_target_no_origin_is_known(given: dict[str, Any]):
    with pytest.raises(BadSettings):
        FtpSettings.origin_of({**SERVER, **given})
    with pytest.raises(ValidationError):
        read(**given)


def test_what_is_dialled_is_judged_on_save():
    assert FtpSettings.dialled(SERVER) == ("files.example.com", 22, Ports.SFTP)
    assert FtpSettings.dialled({**SERVER, "protocol": "ftps"}) == ("files.example.com", 21, Ports.FTP)
    assert FtpSettings.dialled({**SERVER, "host": "ftp://x"}) is None
    assert CsvSettings.dialled({}) is None
    assert CsvSettings.origin_of({}) == ""
    assert PostbackSettings.dialled({"url": "https://example.com/x"}) == ("example.com", 443, Ports.WEB)
    assert PostbackSettings.dialled({"url": 5}) is None


@pytest.mark.parametrize(
    ("settings", "target"),
    [
        ({"folder": "in"}, "SFTP files.example.com/in"),
        ({"folder": "/a/b/", "protocol": "ftps-implicit"}, "FTPS files.example.com/a/b"),
        ({"folder": "/", "protocol": "ftp"}, "FTP files.example.com"),
    ],
)
def test_the_target_is_one_line_without_a_secret(settings: dict[str, Any], target: str):
    assert Ftp(read(**settings), []).target() == target


def test_a_place_prints_without_its_secrets():
    place = read(privateKey=private_key(), keyPassphrase="canary", hostKeys=PIN).place
    assert place.secrets[0] == "hunter22"
    assert not any(secret in repr(place) for secret in place.secrets)
