"""A secret typed wherever one may be typed comes out nowhere: pages, answers, refusals, tables, Redis, record, log."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask import Flask
from redis import Redis
from sqlalchemy.orm import Session

from models.account import ApiKey, Scope
from models.base import db
from models.profile import Profile
from tests.factories import unique
from tests.integration.web.admin.conftest import Browser

from .addresses import path_of, rules_of
from .test_matrix import CLOSED, GET
from .world import World

WORD = "cAnaryWord7391"
SIGNING = "whsec_" + base64.b64encode(b"cAnary-signing-secret-of-32-byte").decode()
KEY = (
    Ed25519PrivateKey.generate()
    .private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.BestAvailableEncryption(WORD.encode()),
    )
    .decode()
)
CODED = base64.b64encode(f"user:{WORD}".encode()).decode()
CANARIES = (WORD, SIGNING.removeprefix("whsec_"), CODED, KEY.splitlines()[2])
MASKED = "•••"
ROUTES = [{"customerType": "Partial", "campaign": "all", "product": "all"}]


def postback(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "exportType": "postback",
        "paused": True,
        "settings": {"url": "https://receiver.example/p", "signingSecret": SIGNING},
        "mappings": [
            {"exportName": "header:Authorization", "static": f"Basic {CODED}"},
            {"exportName": "api_key", "static": WORD},
            {"exportName": "innocent", "static": f"x{WORD}x", "secret": True},
            {"exportName": "first_name", "field": "firstName"},
        ],
        "routes": ROUTES,
    }


def upload(name: str, **settings: Any) -> dict[str, Any]:
    server = {"protocol": "sftp", "host": "files.example", "user": "waybill", "hostKeys": "SHA256:" + "A" * 43}
    return {
        "name": name,
        "exportType": "ftp",
        "paused": True,
        "settings": {**server, **settings},
        "mappings": [{"exportName": "first_name", "field": "firstName"}],
        "routes": ROUTES,
    }


class Teller:
    """Calls the API and keeps everything it says."""

    def __init__(self, app: Flask) -> None:
        key, text = ApiKey.issue(unique("canary"), list(Scope))
        with app.app_context():
            db.session.add(key)
            db.session.commit()
        self._client, self._headers = app.test_client(), {"Authorization": f"Bearer {text}"}
        self.key, self.told = text, ""

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, str]:
        """Call it; status and text."""
        given = {"json": body} if body is not None else {}
        answer = self._client.open(f"/api/v1{path}", method=method, headers=self._headers, **given, **more)
        self.told += f"\n{method} {path}: {answer.headers} {answer.text}"
        return answer.status_code, answer.text


@pytest.fixture(scope="module")
def teller(app: Flask, world: World) -> Teller:
    """Pia has typed all of it, well and badly."""
    pia = Teller(app)
    assert pia.call("PUT", "/profiles/canary%20post", postback("canary post"))[0] == 201
    assert pia.call("PUT", "/profiles/canary%20word", upload("canary word", password=WORD))[0] == 201
    status, text = pia.call("PUT", "/profiles/canary%20key", upload("canary key", privateKey=KEY, keyPassphrase=WORD))
    assert status == 201, text
    return pia


def _numbers(app: Flask) -> list[int]:
    with app.app_context():
        return list(db.session.scalars(sa.select(Profile.id).where(Profile.name.like("canary%"))))


def _is_quiet(text: str) -> bool:
    return not any(canary in text for canary in CANARIES)


def test_no_answer_of_the_api_repeats_one(teller: Teller) -> None:
    event = {"eventId": "x", "customerType": "Partial", "order": {"clientOrderId": "1", "firstName": "Jane"}}
    for name in ("canary%20post", "canary%20word", "canary%20key"):
        assert teller.call("GET", f"/profiles/{name}")[0] == 200
        assert teller.call("POST", f"/profiles/{name}/preview", event)[0] == 200
        teller.call("POST", f"/profiles/{name}/test", {})
    teller.call("GET", "/profiles")
    assert MASKED in teller.call("POST", "/profiles/canary%20post/preview", event)[1]
    assert _is_quiet(teller.told)


@pytest.mark.parametrize(
    "wrong",
    [
        {"settings": {"url": f"https://user:{WORD}@receiver.example/p"}},
        {"settings": {"url": "https://receiver.example/p", "signingSecret": f"whsec_{WORD}!"}},
        {"settings": {"url": "https://receiver.example/p", "signingSecret": [WORD]}},
        {"settings": {"url": "https://receiver.example/p", "password": WORD}},
        {"mappings": [{"exportName": "api_key", "static": WORD, "field": "firstName"}]},
        {"mappings": [{"exportName": "api_key", "static": f"{WORD}\n"}, {"exportName": "api_key", "static": [WORD]}]},
        {"mappings": [{"exportName": "header:Authorization", "static": f"Bearer {WORD}\r\nHost: x"}]},
    ],
)
def test_no_refusal_repeats_one(teller: Teller, wrong: dict[str, Any]) -> None:
    status, text = teller.call("PUT", "/profiles/canary%20wrong", {**postback("canary wrong"), **wrong})
    assert status == 422
    assert _is_quiet(text), text


@pytest.mark.parametrize("wrong", [{"password": [WORD]}, {"privateKey": WORD}])
def test_no_refusal_of_a_file_server_repeats_one(teller: Teller, wrong: dict[str, Any]) -> None:
    status, text = teller.call("PUT", "/profiles/canary%20wrong", upload("canary wrong", **wrong))
    assert status == 422
    assert _is_quiet(text), text


def test_no_body_that_cannot_be_read_comes_back(teller: Teller) -> None:
    for kind in ("application/json", "application/yaml"):
        status, text = teller.call(
            "PUT", "/profiles/x", data=f'{{"settings": {{"password": "{WORD}"', content_type=kind
        )
        assert status == 400
        assert _is_quiet(text), text


@pytest.mark.parametrize("name", ["ada", "edda", "olga", "vera"])
def test_no_page_shows_one(app: Flask, world: World, browsers: dict[str, Browser], teller: Teller, name: str) -> None:
    looked = 0
    for number in _numbers(app):
        for rule in rules_of(app, GET, "GET"):
            if GET[rule.endpoint] != CLOSED and "static" not in rule.endpoint:
                path = path_of(rule, world).partition("?")[0]
                path = path.replace(f"/{world.profile}", f"/{number}") if "profile_id" in rule.rule else path
                answer = browsers[name].client.get(f"{path}?profile={number}", buffered=True)
                assert _is_quiet(answer.text), (path, name)
                looked += answer.status_code == 200
    assert looked > 45  # three profiles, a viewer sees some twenty pages of each


def test_a_form_that_is_wrong_comes_back_without_it(app: Flask, browsers: dict[str, Browser], teller: Teller) -> None:
    edda = browsers["edda"]
    for number in _numbers(app):
        edda.get(f"/admin/profile/{number}")
        form = {"name": "", "settings-password": WORD, "settings-private_key": KEY, "settings-signing_secret": SIGNING}
        answer = edda.post(f"/admin/profile/{number}", {**form, "settings-key_passphrase": WORD})
        assert answer.status_code < 500
        assert _is_quiet(answer.text), number


def test_neither_tables_nor_redis_hold_one(app: Flask, teller: Teller, redis_url: str) -> None:
    with app.app_context(), Session(db.engine) as session:
        for table in db.metadata.sorted_tables:
            rows = session.scalars(sa.text(f"SELECT t::text FROM {table.name} t")).all()
            assert _is_quiet("\n".join(rows)), table.name
            assert teller.key not in "\n".join(rows), table.name
        stored = session.scalars(sa.select(Profile).where(Profile.name == "canary word")).one()
        assert "sealed" in stored.settings["password"]
    assert all(_is_quiet(text) for text in _redis(redis_url))


def _redis(url: str) -> Iterator[str]:
    with Redis.from_url(url) as redis:
        for key in redis.scan_iter():
            yield f"{key!r} {redis.dump(key)!r}"


def test_no_log_line_tells_one(app: Flask, teller: Teller, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        teller.call("PUT", "/profiles/canary%20post", postback("canary post"))
        teller.call("PUT", "/profiles/canary%20post", {**postback("canary post"), "settings": {"url": WORD}})
        Browser(app).sign_in("ada@example.com", WORD)
        said = json.dumps([str(vars(record)) for record in caplog.records])
    assert caplog.records
    assert _is_quiet(said)
