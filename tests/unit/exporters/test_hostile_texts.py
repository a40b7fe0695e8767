"""What people may type as a target is read or refused; what comes out leads where it says, whatever the values."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pycurl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from exporters.base import Column, Parcel
from exporters.errors import BadAddress, ExporterError
from exporters.postback import Postback
from exporters.postback_settings import PostbackSettings
from exporters.transfer import origin, parse_url
from exporters.transfer.addresses import parse_certificates, parse_host
from exporters.transfer.place import parse_host_keys

QUICK = settings(max_examples=300, deadline=None)
PIECES = ["http://", "https://", "HTTPS:", "//", "example.com", "127.1", "0x7f.1", "[::1]", "[fe80::1%25eth0]", "@", "user:word@", ":80", ":0",
          ":99999", "/", "\\", "..", "?a=b", "#", "%00", "%2f", "。", "①", "ß", "\u202e", "\x00", "\r\nHost: x", "\t", " ", "\ud800", "xn--"]  # fmt: skip
ADDRESSES = st.lists(st.sampled_from(PIECES) | st.text(st.characters(codec=None), max_size=4), max_size=7).map("".join)
AT = datetime(2026, 11, 23, 10, tzinfo=UTC)


@QUICK
@given(text=ADDRESSES | ADDRESSES.map("https://example.com".__add__) | ADDRESSES.map("http://".__add__))
def test_an_address_that_is_taken_is_one_clean_address(text: str) -> None:
    try:
        kept = parse_url(text)
    except BadAddress:
        return
    assert parse_url(kept) == kept
    assert kept.isascii()
    assert not any(character <= " " or character in "\x7f\\" for character in kept)
    dialled = pycurl.CurlUrl(kept)
    assert dialled.user is None
    host = f"{dialled.scheme}://{dialled.host}:"
    assert origin(kept).startswith(host), "secrets are bound to another host than the one that is dialled"


@pytest.mark.parametrize(
    ("read", "refusal"), [(parse_host, BadAddress), (parse_host_keys, ValueError), (parse_certificates, ValueError)]
)
@QUICK
@given(text=ADDRESSES | st.text(st.characters(codec=None)) | ADDRESSES.map("-----BEGIN CERTIFICATE-----\n".__add__))
def test_any_text_is_read_or_refused(read: Callable[[str], object], refusal: type[Exception], text: str) -> None:
    words = "taken, thank you"
    try:
        read(text)
    except refusal as refused:
        words = str(refused)
    assert len(words) > 10
    assert "codec can't" not in words, "Python's words, not ours"


VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
NAMES = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=8)


@QUICK
@given(rows=st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=4))
def test_no_value_leads_elsewhere_or_becomes_a_parameter(rows: list[tuple[str, str]]) -> None:
    exporter = Postback(
        PostbackSettings.model_validate({"url": "https://example.com/p?fixed=1"}), [Column(name) for name, _ in rows]
    )
    assume(not list(exporter.faults()))
    try:
        request = exporter.request(Parcel("msg_1", tuple(value for _, value in rows), AT))
    except ExporterError:
        return
    assume(request.method == "GET")
    assert origin(request.url) == "https://example.com:443"
    assert request.url.isascii()
    sent = parse_qsl(request.url.partition("?")[2], keep_blank_values=True)
    assert sent == [("fixed", "1"), *rows]
