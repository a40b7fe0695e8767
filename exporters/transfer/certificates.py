"""Who has signed the certificate of a server that is not trusted: told to people, who may then trust the signer."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress

from cryptography import x509

from exporters.guard import Guard, Ports
from exporters.transfer.place import Place

PATIENCE_SECONDS = 5


def signer_of(place: Place, guard: Guard) -> str | None:
    """Look at the certificate and hang up: nothing is logged in to. None where it cannot be seen."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # only looked at; what is sent goes over libcurl, which verifies
    with suppress(OSError, ValueError):
        for family, kind, number, _, address in socket.getaddrinfo(
            place.host.strip("[]"), place.port, type=socket.SOCK_STREAM
        ):
            if not guard.may_dial(str(address[0]), place.port, ports=Ports.FTP):
                return None
            with socket.socket(family, kind, number) as line:
                line.settimeout(PATIENCE_SECONDS)
                line.connect(address)
                if place.protocol == "ftps":
                    _ask_for_tls(line)
                with context.wrap_socket(line) as safe:
                    seen = safe.getpeercert(binary_form=True)
            return None if seen is None else x509.load_der_x509_certificate(seen).issuer.rfc4514_string()
    return None


def _ask_for_tls(line: socket.socket) -> None:
    _read_reply(line)
    line.sendall(b"AUTH TLS\r\n")
    _read_reply(line)


def _read_reply(line: socket.socket) -> None:
    """Read up to the last line of a reply: three digits and a space."""
    said = b""
    while len(said) < 8192:
        more = line.recv(1024)
        said += more
        last = said.rstrip(b"\r\n").rpartition(b"\n")[2]
        if not more or (said.endswith(b"\n") and last[:3].isdigit() and last[3:4] == b" "):
            return
