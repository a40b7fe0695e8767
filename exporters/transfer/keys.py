"""Private keys as people have them, in the one form that libssh2 reads whatever their type."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from exporters.errors import BadSettings

_USABLE = (ed25519.Ed25519PrivateKey, ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)


class BadPassphrase(BadSettings):
    """The key is sound as far as can be told; its passphrase is missing or wrong."""


def plain_key(key: str, passphrase: str | None) -> str:
    """Return the key in OpenSSH's form without its passphrase; it stays in memory. Raises BadSettings."""
    is_openssh = "OPENSSH PRIVATE KEY" in key.partition("\n")[0]
    load = load_ssh_private_key if is_openssh else load_pem_private_key
    word = passphrase.encode() if passphrase else None
    try:
        opened = load(key.encode(), word)
    except TypeError as error:  # one of the two has no passphrase
        if word is None:
            raise _at_login(BadPassphrase("the private key needs its passphrase")) from error
        return plain_key(key, None)
    except UnsupportedAlgorithm as error:
        raise _bad("keys of this type cannot be used; take Ed25519, ECDSA or RSA") from error
    except ValueError as error:
        if word is None:
            raise _bad("the private key cannot be read") from error
        raise _at_login(BadPassphrase("the passphrase does not open the private key")) from error
    if not isinstance(opened, _USABLE):
        raise _bad("keys of this type cannot be used; take Ed25519, ECDSA or RSA")
    return opened.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def _bad(message: str) -> BadSettings:
    return _at_login(BadSettings(message))


def _at_login(error: BadSettings) -> BadSettings:
    error.stage = "login"
    return error
