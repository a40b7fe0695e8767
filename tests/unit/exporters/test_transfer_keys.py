"""Private keys in the forms people have them."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_ssh_private_key,
)

from exporters.errors import BadSettings
from exporters.transfer.keys import plain_key

KEYS: dict[str, Any] = {
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "ecdsa": ec.generate_private_key(ec.SECP384R1()),
    "rsa": rsa.generate_private_key(65537, 2048),
}
FORMS = {"openssh": PrivateFormat.OpenSSH, "pkcs8": PrivateFormat.PKCS8, "pem": PrivateFormat.TraditionalOpenSSL}


def written(kind: str, form: str, passphrase: str | None = None) -> str:
    lock = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return str(KEYS[kind].private_bytes(Encoding.PEM, FORMS[form], lock).decode())


@pytest.mark.parametrize(
    ("kind", "form"), [(kind, form) for kind in KEYS for form in FORMS if (kind, form) != ("ed25519", "pem")]
)
@pytest.mark.parametrize("passphrase", [None, "a pass phrase"])
def test_every_form_becomes_one(kind: str, form: str, passphrase: str | None):
    plain = plain_key(written(kind, form, passphrase), passphrase)
    assert plain.startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert load_ssh_private_key(plain.encode(), None).public_key() == KEYS[kind].public_key()


def test_a_passphrase_too_many_is_no_fault():
    assert plain_key(written("ed25519", "openssh"), "word")


@pytest.mark.parametrize("form", ["openssh", "pkcs8"])
def test_a_wrong_or_missing_passphrase_is_told(form: str):
    locked = written("ed25519", form, "right")
    with pytest.raises(BadSettings, match="the passphrase does not open the private key") as caught:
        plain_key(locked, "canary")
    assert "canary" not in str(caught.value)
    assert caught.value.stage == "login"
    with pytest.raises(BadSettings, match="the private key needs its passphrase"):
        plain_key(locked, None)


@pytest.mark.parametrize("head", ["OPENSSH PRIVATE KEY", "PRIVATE KEY", "RSA PRIVATE KEY"])
def test_what_cannot_be_read_is_told(head: str):
    with pytest.raises(BadSettings, match="cannot be read"):
        plain_key(f"-----BEGIN {head}-----\nAAAA\n-----END {head}-----\n", None)


def test_a_type_that_ssh_does_not_have_is_told():
    key = ed448.Ed448PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(BadSettings, match="take Ed25519, ECDSA or RSA"):
        plain_key(key, None)
    with pytest.raises(BadSettings, match="take Ed25519, ECDSA or RSA"):
        plain_key(dsa_key(), None)


def dsa_key() -> str:
    return dsa.generate_private_key(1024).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
