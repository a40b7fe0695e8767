"""Addresses as people write them, in the one form that is kept."""

from __future__ import annotations

import re
import ssl
from typing import Any

import idna
import pycurl

from exporters.errors import BadAddress
from exporters.headers import CONTROL


def parse_url(text: str) -> str:
    """Return the address in the one form that is kept: lower host in ASCII, no default port, no fragment.

    The query stays as typed, but for characters outside ASCII, which are percent-coded. Raises BadAddress.
    """
    url = text.strip(" ").partition("#")[0]
    _refuse_text(url)
    scheme, _, rest = url.partition("://")
    authority = re.split(r"[/?]", rest, maxsplit=1)[0]
    if "@" in authority:
        raise BadAddress("The address must not hold a user or password; map an Authorization header instead.")
    if "%" in authority:
        raise BadAddress('The host must not hold a "%".')
    parts = _parsed(f"{scheme}://{_ascii_host(authority)}{_ascii_rest(rest[len(authority) :])}")
    host = parts.host.lower().removesuffix(".")
    if not host or "" in host.split(".") or parts.zoneid:
        raise BadAddress("The host has an empty part or a zone; write it like example.com.")
    port = "" if parts.port is None or int(parts.port) == _DEFAULT_PORTS[parts.scheme] else f":{int(parts.port)}"
    if port == ":0":
        raise BadAddress("Port 0 cannot be dialled.")
    query = url.partition("?")[1] and "?" + (parts.query or "")
    return f"{parts.scheme}://{host}{port}{parts.path}{query}"


def origin(url: str) -> str:
    """Return scheme, host and port of an address: what stored secrets are bound to. Raises BadAddress."""
    scheme, _, rest = parse_url(url).partition("://")
    authority = re.split(r"[/?]", rest, maxsplit=1)[0]
    if re.search(r":[0-9]+$", authority):
        return f"{scheme}://{authority}"
    return f"{scheme}://{authority}:{_DEFAULT_PORTS[scheme]}"


def parse_host(text: str) -> str:
    """Return a host name or address in the one form that is kept: lower case, ASCII, no final dot. Raises BadAddress."""
    host = text.strip(" ")
    if "://" in host:
        raise BadAddress("Give the name only, without ftp:// or sftp://.")
    if re.search(r"[/?#@]", host):
        raise BadAddress("Give the name of the server only, like files.example.com.")
    is_v6 = host.count(":") > 1 and not host.startswith("[")
    if ":" in host and not is_v6 and not host.endswith("]"):
        raise BadAddress("Give the port in its own field.")
    return re.split(r"[/?]", parse_url(f"https://[{host}]" if is_v6 else f"https://{host}")[8:], maxsplit=1)[0]


_DEFAULT_PORTS = {"http": 80, "https": 443}


def _refuse_text(url: str) -> None:
    if CONTROL.search(url) or re.search(r"\s", url):
        raise BadAddress("The address must not hold spaces or control characters; write a space as %20.")
    if "\\" in url:
        raise BadAddress("The address must not hold a backslash.")
    if not re.match(r"https?://[^/]", url, re.IGNORECASE):
        raise BadAddress("The address must begin with https:// or http:// and a host.")


def _ascii_host(authority: str) -> str:
    """Turn a host outside ASCII into its IDNA form: this libcurl cannot."""
    if authority.isascii():
        return authority
    host, colon, port = authority.partition(":")
    try:
        return idna.encode(host, uts46=True).decode() + colon + port
    except idna.IDNAError as error:
        raise BadAddress("The host is not a valid international name.") from error


def _ascii_rest(rest: str) -> str:
    try:
        return re.sub(r"[^\x00-\x7f]+", lambda run: "".join(f"%{byte:02X}" for byte in run[0].encode()), rest)
    except UnicodeEncodeError as error:
        raise BadAddress("The address holds half a character.") from error


def _parsed(url: str) -> Any:
    try:
        return pycurl.CurlUrl(url, pycurl.U_DISALLOW_USER)
    except (pycurl.error, UnicodeEncodeError) as error:
        raise BadAddress(f"The address cannot be read: {error.args[-1]}.") from error


def parse_certificates(pem: str) -> str:
    """Return PEM certificates as they are. Raises ValueError when there is none that can be read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError, TypeError) as error:
        raise ValueError("This is no certificate in PEM form (-----BEGIN CERTIFICATE-----).") from error
    return pem
