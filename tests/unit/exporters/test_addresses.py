# ruff: noqa: RUF001 - look-alike digits and dots are what is tested
"""Addresses as people write them, and the one form that is kept."""

from __future__ import annotations

import pytest

from exporters.errors import BadAddress
from exporters.guard import Guard
from exporters.transfer import origin, parse_url

KEPT = {
    "https://postingmydata.com/partials.php": "https://postingmydata.com/partials.php",
    "HTTPS://PostingMyData.COM./a": "https://postingmydata.com/a",
    "http://example.com": "http://example.com/",
    "http://example.com:80/": "http://example.com/",
    "https://example.com:443/": "https://example.com/",
    "https://example.com:80/": "https://example.com:80/",
    "https://example.com:08443/": "https://example.com:8443/",
    "  https://example.com/  ": "https://example.com/",
    "https://example.com/#top": "https://example.com/",
    "https://example.com/p?": "https://example.com/p?",
    "https://example.com/p?org=7&": "https://example.com/p?org=7&",
    "https://example.com?a=%aa%20b&&c=''\"<>|{}": "https://example.com/?a=%aa%20b&&c=''\"<>|{}",
    "https://example.com/a/../b/%2f": "https://example.com/b/%2f",
    "https://example.com/zoë?ë=é": "https://example.com/zo%C3%AB?%C3%AB=%C3%A9",
    "https://zoë.example/": "https://xn--zo-ija.example/",
    "https://münchen.example:8443/": "https://xn--mnchen-3ya.example:8443/",
    "https://example.com/a@b?c=d:e@f": "https://example.com/a@b?c=d:e@f",
    "http://[2606:4700::1111]/": "http://[2606:4700::1111]/",
    "http://[2606:4700:0:0::1111]:8080/": "http://[2606:4700::1111]:8080/",
}

# Spellings of places inside; each is refused as text, or comes out as the address that the guard refuses.
HOSTILE = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://0x7f.0x0.0x0.0x1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://0/",
    "http://0.0.0.0/",
    "http://127.0.0.1./",
    "http://0x0/",
    "http://00000177.1/",
    "http://%31%32%37.0.0.1/",
    "http://127.0.0.1%00.example.com/",
    "http://127.0.0.1%2f.example.com/",
    "http://１２７.0.0.1/",
    "http://①②⑦.0.0.1/",
    "http://127。0。0。1/",
    "http://127．0．0．1/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[fd00:ec2::254]/",
    "http://169.254.169.254/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://169.254.43518/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://168.63.129.16/",
    "http://10.1/",
    "http://192.168.257/",
    "http://192.168.0.1:80/",
    "http://100.100.100.200/",
    "http://192.0.0.192/",
    "http://[ff02::1]/",
    "http://[::1]:443/",
    "http://user@127.0.0.1/",
    "http://user:word@127.0.0.1/",
    "http://example.com@127.0.0.1/",
    "http://127.0.0.1@example.com/",
    "http://example.com:80@127.0.0.1/",
    "http://example.com#@127.0.0.1\\@x/",
    "http://127.0.0.1\\@example.com/",
    "http:\\\\127.0.0.1/",
    "http:/127.0.0.1/",
    "http:///127.0.0.1/",
    "http:127.0.0.1/",
    "//127.0.0.1/",
    "127.0.0.1",
    "file:///etc/passwd",
    "gopher://127.0.0.1/",
    "ftp://127.0.0.1/",
    "dict://127.0.0.1/",
    "javascript:alert(1)",
    "http://[127.0.0.1]/",
    "http://[::1/",
    "http://::1/",
    "http://127.0.0.1:0x50/",
    "http://127.0.0.1:99999/",
    "http://example.com:0/",
    "http://",
    "http://./",
    "http://../",
    "http://.example.com/",
    "http://a..b/",
    "http://@/",
]

HOSTILE += [
    "http://127.0.0.1\t/",
    "http://127.0.0.1\n/",
    "http://exa mple.com/",
    "http://example.com/\r\nX: y",
    "",
    " ",
]


@pytest.mark.parametrize(("typed", "kept"), KEPT.items())
def test_an_address_is_kept_in_one_form(typed: str, kept: str):
    assert parse_url(typed) == kept
    assert parse_url(kept) == kept


@pytest.mark.parametrize("typed", HOSTILE)
def test_no_spelling_of_a_place_inside_passes(typed: str):
    try:
        url = parse_url(typed)
    except BadAddress:
        return
    host, _, port = origin(url).partition("://")[2].rpartition(":")
    assert not Guard().may_dial(host.strip("[]"), int(port)), url


def test_there_are_enough_hostile_spellings():
    assert len(HOSTILE) >= 60


@pytest.mark.parametrize(
    "typed",
    ["http://u:p@h.example/", "h.example/path", "http://h.example/a b", "http://h.example/a\\b", "http://a%20b.example/",
     "http://h.example/\x00", "http://h..example/", "http://h.example:0/", "http://[fe80::1%25eth0]/", "http://h.example/\ud800",
     "ftp://h.example/", "http://[zz]/", "http://xn--\u2028.example/"],
)  # fmt: skip
def test_what_cannot_be_one_clean_address_is_refused(typed: str):
    with pytest.raises(BadAddress):
        parse_url(typed)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://Example.com./a?b", "https://example.com:443"),
        ("http://example.com", "http://example.com:80"),
        ("http://example.com:8080?x=http://y:1", "http://example.com:8080"),
        ("http://[2606:4700::1111]/", "http://[2606:4700::1111]:80"),
        ("http://[2606:4700::1111]:81/", "http://[2606:4700::1111]:81"),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, expected: str):
    assert origin(url) == expected
