"""What to do about a step of the connection test that failed. Pure."""

from __future__ import annotations

import re

from exporters.errors import (
    AddressBlocked,
    BadCertificate,
    BadSettings,
    ExporterError,
    HostKeyChanged,
    LoginRefused,
    SizeUnknown,
)
from exporters.ftp_settings import FtpSettings

_WANTS_TLS = re.compile(r"\b(?:tls|ssl|encrypt\w*|secure)\b", re.IGNORECASE)
_IS_FULL = re.compile(r"\b(?:452|552)\b|quota|disk|space", re.IGNORECASE)
_IS_NO_TLS = re.compile(r"wrong version number|packet length|unknown protocol|record layer", re.IGNORECASE)


def hint_for(stage: str, error: ExporterError, settings: FtpSettings) -> str | None:
    """Return one sentence, or None where the message says it all."""
    if isinstance(error, AddressBlocked):
        if stage == "data channel":
            return "The server names an address that may not be dialled: let it be ignored (Data connections)."
        return "Private addresses are dialled only when EGRESS_ALLOW names them, with the passive ports."
    if isinstance(error, HostKeyChanged):
        if error.expected:
            return "Ask whoever runs the server whether the key was changed, and trust the new one only then."
        return "Compare this key with what whoever runs the server says, then trust it."
    match stage:
        case "DNS":
            return "Give the server's name only, without ftp://, and check how it is written."
        case "TCP":
            return f"Nothing answers on port {settings.port}: is the port right, does a firewall stand between?"
        case "greeting":
            return _greeting(settings)
        case "TLS":
            return _tls(error, settings)
        case "host key":
            return "No SSH server answers there. FTP servers listen on port 21 or 990: choose FTP or FTPS for them."
        case "login":
            return _login(error, settings)
        case "data channel":
            return "The passive ports are closed: ask for the range and have a firewall let it through."
        case "write":
            return _write(error, settings)
        case "size":
            return _size(error)
        case "read":
            return "What was written cannot be read back: check by size, or not at all."
        case "rename":
            return "Renaming is forbidden: choose none as the name while a file is sent."
        case "delete":
            return "Files cannot be deleted: replacing does not work, and what a broken try leaves stays there."
    return None


def _greeting(settings: FtpSettings) -> str:
    if settings.protocol == "ftps-implicit":
        return "It says nothing after TLS began: is this an FTP server?"
    return "It does not greet. It may speak TLS at once: choose FTPS (implicit TLS), mostly on port 990."


def _tls(error: ExporterError, settings: FtpSettings) -> str:
    if isinstance(error, BadCertificate):
        if "host name" in str(error) or "subject name" in str(error):
            return "The certificate is for another name: give the server's name as the certificate has it."
        return "Paste the certificate of the authority that has signed it, or the server's own, as CA certificate."
    if settings.protocol == "ftps-implicit" and _IS_NO_TLS.search(str(error)):
        return "It speaks FTP before TLS: choose FTPS (explicit TLS), mostly on port 21."
    if settings.protocol == "ftps":
        return "It offers no TLS: ask for an address that does; choose FTP only if clear text is no harm."
    return "An old server may need TLS 1.2 at most."


def _login(error: ExporterError, settings: FtpSettings) -> str:
    if settings.protocol == "ftp" and _WANTS_TLS.search(str(error)):
        return "It wants TLS before the login: choose FTPS (explicit TLS)."
    if isinstance(error, BadSettings):
        return "Give the key as ssh-keygen writes it, with its passphrase if it has one."
    if not isinstance(error, LoginRefused):
        return "The server broke off the login."
    if settings.protocol == "sftp" and settings.private_key is not None:
        return "User or key refused: is its public half with the server?"
    return "User or password refused."


def _write(error: ExporterError, settings: FtpSettings) -> str:
    if "is missing on the server" in str(error):
        return "Make the folder there, or let Waybill make it."
    if _IS_FULL.search(str(error)):
        return "Disk or quota there is full."
    return f'No right to write in "{settings.folder}".' if settings.folder else "No right to write there."


def _size(error: ExporterError) -> str:
    if isinstance(error, SizeUnknown):
        return "It hides how long files are: check what arrived by reading it back."
    return "The server changes what it is sent, or does not keep all of it."
