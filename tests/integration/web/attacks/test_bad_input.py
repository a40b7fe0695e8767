"""Whatever stands in an address or a query, no page and no call breaks: it is refused, or left out, and said so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from models.account import ApiKey, Scope
from models.base import db
from tests.integration.web.admin.conftest import Browser
from web.admin.page import SENTENCES

from .addresses import path_of, rules_of
from .test_matrix import CLOSED, GET, POST
from .world import World

WEB = Path(__file__).parents[4] / "web"
_TEXTS = {
    "zero": "0",
    "negative": "-1",
    "beyond a bigint": str(2**63),
    "far beyond": str(2**64) + "0" * 280,
    "text": "abc",
    "fraction": "1.5",
    "other digits": "١٢",
    "NUL": "\x00",
    "NUL within": "a\x00b",
    "emoji": "🦄",
    "half a pair": "\ud800",
    "quotes": "'\"; DROP TABLE deliveries; --",
    "very long": "x" * 4_000,
    "a path": "../../etc/passwd",
    "a year beyond all": "99999-12-31T00:00",
    "the first year": "0001-01-01T00:00",
    "a list": "[1, 2]",
}
BAD = {kind: quote(text, safe="", errors="surrogatepass") for kind, text in _TEXTS.items()} | {"no UTF-8": "%FF%FE"}
"""Kinds of bad input, written as they stand in an address."""

WORST = ("NUL within", "far beyond", "no UTF-8", "the first year", "text")
LISTS = (
    "audit.index",
    "campaigns.index_view",
    "customers.index",
    "customers.one",
    "deliveries.index",
    "products.index_view",
    "profiles.index",
    "replays.index",
    "runs.index",
)
OF_TABLES = ("page", "page_size", "sort", "desc", "search", "flt0_0", "flt1_equals", "order_by")
READS = re.compile(r"""(?:asked\.\w+|args\.get|args\.getlist|texts)\(((?:"\w+"(?:, )?)+)""")


def query_names() -> list[str]:
    """The names of everything that our code reads out of a query, found in the code itself."""
    found = {name for file in WEB.rglob("*.py") for names in READS.findall(file.read_text()) for name in _quoted(names)}
    assert {"before", "profile", "status", "customerId"} <= found
    return sorted({*found, "after", "limit", *OF_TABLES})


def _quoted(text: str) -> list[str]:
    return re.findall(r'"(\w+)"', text)


def _bad_paths(app: Flask, table: dict[str, str], method: str, value: str) -> Iterator[str]:
    """Every address with a part to fill in, filled in with this."""
    for rule in rules_of(app, table, method):
        if rule.arguments and "static" not in rule.endpoint:
            yield re.sub(r"<[^>]+>", value, rule.rule)


def _query(names: list[str], value: str) -> str:
    return "&".join(f"{name}={value}" for name in names)


def _is_clear(answer: TestResponse) -> bool:
    """Whether a page says what is the matter and leads on."""
    if answer.status_code < 400:
        return True
    told = any(sentence in answer.text for sentence in SENTENCES.values()) or "<form" in answer.text
    return told and '<a href="' in answer.text


@pytest.fixture(scope="module")
def ada(browsers: dict[str, Browser]) -> Browser:
    return browsers["ada"]


@pytest.fixture(scope="module")
def key(app: Flask, world: World) -> dict[str, str]:
    with app.app_context():
        key, text = ApiKey.issue("bad input", list(Scope))
        db.session.add(key)
        db.session.commit()
    return {"Authorization": f"Bearer {text}"}


@pytest.mark.parametrize("kind", BAD)
def test_no_page_breaks_at_a_bad_id(app: Flask, ada: Browser, kind: str) -> None:
    paths = list(_bad_paths(app, GET, "GET", BAD[kind]))
    assert len(paths) > 8
    for path in paths:
        answer = ada.client.get(path)
        assert answer.status_code in {200, 302, 308, 400, 404}, path
        if path.startswith("/admin/"):
            assert _is_clear(answer), (path, answer.text[:500])


@pytest.mark.parametrize("kind", BAD)
def test_no_button_breaks_at_a_bad_id(app: Flask, ada: Browser, kind: str) -> None:
    ada.get("/admin/account/")
    paths = [path for path in _bad_paths(app, POST, "POST", BAD[kind]) if path.startswith("/admin/")]
    assert len(paths) > 8
    for path in paths:
        answer = ada.post(path, {"reason": "because"})
        assert answer.status_code in {302, 308, 400, 404, 405}, path
        assert _is_clear(answer), (path, answer.text[:500])


@pytest.mark.parametrize("kind", BAD)
def test_no_page_breaks_at_a_query_full_of_it(app: Flask, ada: Browser, world: World, kind: str) -> None:
    query = _query(query_names(), BAD[kind])
    for rule in rules_of(app, GET, "GET"):
        if GET[rule.endpoint] not in {CLOSED, "everybody"}:
            answer = ada.client.get(f"{path_of(rule, world).partition('?')[0]}?{query}")
            assert answer.status_code in {200, 302, 400, 404}, (rule.rule, kind)
            assert _is_clear(answer), (rule.rule, answer.text[:500])


@pytest.mark.parametrize("kind", ["NUL within", "far beyond", "the first year"])
@pytest.mark.parametrize("endpoint", LISTS)
def test_no_list_breaks_at_one_bad_filter(app: Flask, ada: Browser, endpoint: str, kind: str) -> None:
    rule = next(rule for rule in app.url_map.iter_rules() if rule.endpoint == endpoint)
    for name in query_names():
        answer = ada.client.get(f"{rule.rule}?{_query([name], BAD[kind])}")
        assert answer.status_code in {200, 302, 400, 404}, name
        assert _is_clear(answer), (name, answer.text[:500])


@pytest.mark.parametrize("kind", BAD)
def test_no_call_breaks_at_a_bad_id(app: Flask, key: dict[str, str], kind: str) -> None:
    client = app.test_client()
    for rule in _api_rules(app):
        if "<" in rule:
            path = re.sub(r"<[^>]+>", BAD[kind], rule)
            answer = client.get(path, headers=key)
            assert answer.status_code in {400, 404}, path
            assert (answer.json or {})["error"], path


@pytest.mark.parametrize("kind", WORST)
def test_no_call_breaks_at_a_bad_query(app: Flask, key: dict[str, str], kind: str) -> None:
    client, told = app.test_client(), set()
    for rule in _api_rules(app):
        if "<" not in rule and not rule.endswith("/openapi.json"):
            for name in query_names():
                path = f"{rule}?{_query([name], BAD[kind])}"
                answer = client.get(path, headers=key)
                assert answer.status_code in {200, 400}, path
                told.add(answer.status_code)
                if answer.status_code != 200:
                    assert (answer.json or {})["error"], path
    assert 400 in told


def _api_rules(app: Flask) -> list[str]:
    rules = (rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ()))
    return [rule.rule for rule in rules if rule.rule.startswith("/api/v1/")]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("deliveries/?state=lost", "state &ldquo;lost&rdquo;"),
        ("deliveries/?profile=abc", "profile &ldquo;abc&rdquo;"),
        ("deliveries/?status=none", "status &ldquo;none&rdquo;"),
        ("deliveries/?since=yesterday", "since &ldquo;yesterday&rdquo;"),
        ("deliveries/?before=-5", "before &ldquo;-5&rdquo;"),
        ("runs/?upload=lost", "upload &ldquo;lost&rdquo;"),
        ("audit/?act=lost", "act &ldquo;lost&rdquo;"),
        ("customers/one?id={customer}&after=x", "after &ldquo;x&rdquo;"),
    ],
)
def test_a_filter_that_nobody_can_read_is_left_out_and_named(ada: Browser, world: World, query: str, told: str) -> None:
    page = ada.get(f"/admin/{query.format(customer=quote(world.customer))}")
    assert f"Not understood, and left out: {told}" in page


def test_a_filter_that_can_be_read_is_not_complained_about(ada: Browser) -> None:
    assert "Not understood" not in ada.get("/admin/deliveries/?state=held&profile=1&since=2026-11-23T10:00&status=503")


def test_no_profile_of_that_number_shows_nothing_and_not_everything(ada: Browser, world: World) -> None:
    link = f"/admin/deliveries/{world.delivery}"
    assert link in ada.get("/admin/deliveries/")
    for number in ("0", str(2**63 - 1)):
        assert link not in ada.get(f"/admin/deliveries/?profile={number}")


def test_an_address_without_a_page_says_so_inside_and_tells_strangers_nothing(browsers: dict[str, Browser]) -> None:
    for path in ("/admin/nothing", "/admin/deliveries/abc"):
        assert SENTENCES[404] in browsers["vera"].get(path, status=404)
        assert browsers["nina"].client.get(path).status_code == 302
    assert SENTENCES[405] in browsers["ada"].get("/admin/runs/1/again", status=405)
    assert browsers["ada"].client.get("/nothing").status_code == 404
