"""No secret in any record, whatever its coding."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest

from exporters.masking import DOTS, is_secret_name, mask_body, mask_headers, mask_text

SECRET = 'p/a+s"s wörd&<7>'

CODINGS = {
    "raw": SECRET,
    "percent": quote(SECRET, safe=""),
    "percent, slash stays": quote(SECRET),
    "percent, lower case": quote(SECRET, safe="").replace("%C3%B6", "%c3%b6").replace("%2F", "%2f").lower(),
    "form": quote_plus(SECRET),
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "base64 for URLs": base64.urlsafe_b64encode(SECRET.encode()).decode(),
    "base64 after a user": base64.b64encode(b"user:" + SECRET.encode() + b":more").decode(),
    "base64 after 1": base64.b64encode(b"u" + SECRET.encode()).decode(),
    "base64 after 2": base64.b64encode(b"us" + SECRET.encode()).decode(),
    "json": json.dumps(SECRET),
    "json, utf-8": json.dumps(SECRET, ensure_ascii=False),
    "json, slashes": json.dumps(SECRET).replace("/", r"\/"),
    "html": html.escape(SECRET),
}


@pytest.mark.parametrize("coded", [pytest.param(text, id=name) for name, text in CODINGS.items()])
def test_a_secret_is_masked_by_value_in_each_coding(coded: str):
    masked = mask_text(f"before {coded} after", [SECRET])
    assert DOTS in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    assert coded not in masked


def test_longer_secrets_go_first_so_that_no_half_stays():
    assert mask_text("abcdef-secret", ["abc", "abcdef-secret"]) == DOTS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://h/p?a=1&Token=x%20y&b=2", f"https://h/p?a=1&Token={DOTS}&b=2"),
        ("password=x&pwd=y&pass=z", f"password={DOTS}&pwd={DOTS}&pass={DOTS}"),
        ("api_key=1&apikey=2&secret=3", f"api_key={DOTS}&apikey={DOTS}&secret={DOTS}"),
        (
            '{"user":{"password" : "a\\"b","x":1,"token":77}}',
            f'{{"user":{{"password" : "{DOTS}","x":1,"token":"{DOTS}"}}}}',
        ),
        ('{"token":"cut off', f'{{"token":"{DOTS}"'),
        ("compass=n&tokens=3&passage=x", "compass=n&tokens=3&passage=x"),
    ],
)
def test_what_stands_under_a_secrets_name_is_masked(text: str, expected: str):
    assert mask_text(text) == expected


def test_headers_are_masked_by_name_and_by_value():
    headers = (("Authorization", "Bearer x"), ("X-Api-Key", "y"), ("X-Echo", "a canary b"), ("Server", "s"))
    assert mask_headers(headers, ["canary"]) == (
        ("Authorization", DOTS),
        ("X-Api-Key", DOTS),
        ("X-Echo", f"a {DOTS} b"),
        ("Server", "s"),
    )


@pytest.mark.parametrize(
    "name", ["header:Authorization", "PASSWORD", "pass", "pwd", "Token", "secret", "api_key", "apikey"]
)
def test_these_names_are_secrets(name: str):
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["passport", "first_name", "header:Accept", "token_count", ""])
def test_these_names_are_not(name: str):
    assert not is_secret_name(name)


def test_what_hides_inside_a_credential_is_masked_too():
    basic = "Basic " + base64.b64encode(b"user:canary-word").decode()
    for leak in (basic, basic.removeprefix("Basic "), "user:canary-word", "canary-word"):
        assert "canary" not in mask_text(f"<{leak}>", [basic])
        assert leak not in mask_text(f"<{leak}>", [basic])
    assert mask_text("<abc123xyz>", ["Bearer abc123xyz"]) == f"<{DOTS}>"


def test_a_secret_cut_in_two_by_the_size_cap_is_masked():
    assert mask_body(b"x" * 20 + b"canary-se", ["canary-secret"], is_cut=True) == "x" * 20 + DOTS
    assert mask_body(b"x canary-se", ["canary-secret"]) == "x canary-se"


def test_bytes_that_are_no_text_do_not_stop_it():
    assert "canary" not in mask_body(b"\xff\x00canary\xfe", ["canary"])


def test_without_secrets_a_text_stays_itself():
    text = "https://h.example/p?first_name=Jane"
    assert mask_text(text) is text
