"""From what libcurl and the server said to the errors of the house. Pure.

| class | what |
|---|---|
| temporary | name not found, no connection, time-out, cut, FTP 4xx |
| temporary, slow | refused commands: disk full (452, 552), folder missing, permission (550, 553) and other 5xx |
| permanent | host key, certificate, address not allowed |
| login refused | 530, SSH: the worker counts |
"""

from __future__ import annotations

import pycurl

from exporters.errors import (
    AddressBlocked,
    BadCertificate,
    ExporterError,
    HostKeyChanged,
    LoginRefused,
    Refused,
    TryAgain,
)
from exporters.headers import CONTROL
from exporters.masking import mask_text
from exporters.transfer.place import Place
from exporters.transfer.wire import Trouble

MOST_WORDS = 300


def error_of(trouble: Trouble, place: Place) -> ExporterError:
    """Return the error to raise, with its stage."""
    error = _error(trouble, place)
    error.stage = trouble.stage
    error.passed = trouble.steps
    return error


def words_of(text: str, place: Place) -> str:
    """Return a server's or libcurl's words as they may be kept: one line, no secret."""
    return mask_text(CONTROL.sub(" ", text), place.secrets)[
        :MOST_WORDS
    ].strip()  # masked first: no half of a secret stays


def _error(trouble: Trouble, place: Place) -> ExporterError:
    if trouble.address is not None:
        return AddressBlocked(trouble.address)
    if trouble.host_key is not None:
        return HostKeyChanged(tuple(key.fingerprint for key in place.host_keys), trouble.host_key)
    line = f"{trouble.stage}: {words_of(trouble.reply or trouble.text, place)}"
    if trouble.reply:
        return _of_reply(trouble, line)
    if trouble.code == pycurl.E_LOGIN_DENIED:
        return LoginRefused(line)
    if trouble.code == pycurl.E_PEER_FAILED_VERIFICATION and place.protocol != "sftp":
        return BadCertificate(line + (f" (signed by {words_of(trouble.issuer, place)})" if trouble.issuer else ""))
    if trouble.code == pycurl.E_QUOTE_ERROR and "Unknown error" in trouble.text:
        return TryAgain(line)  # SFTP: the line broke off, and nothing was refused
    return Refused(line) if trouble.code in _REFUSALS else TryAgain(line)


def _of_reply(trouble: Trouble, line: str) -> ExporterError:
    code = trouble.reply[:3]
    if code in {"530", "430"} or (trouble.stage == "login" and code.startswith("5")):
        return LoginRefused(line)
    return Refused(line) if code == "452" or code.startswith("5") else TryAgain(line)


_REFUSALS = frozenset(
    {
        pycurl.E_REMOTE_ACCESS_DENIED,
        pycurl.E_REMOTE_FILE_NOT_FOUND,
        pycurl.E_REMOTE_FILE_EXISTS,
        pycurl.E_REMOTE_DISK_FULL,
        pycurl.E_QUOTE_ERROR,
        pycurl.E_UPLOAD_FAILED,
        pycurl.E_USE_SSL_FAILED,
        pycurl.E_FTP_COULDNT_RETR_FILE,
    }
)
