"""What others wrote is text on every page, for every eye: in the source, and in a real browser."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from flask import Flask
from playwright.sync_api import Page, sync_playwright
from werkzeug.serving import make_server

from tests.integration.web.admin.conftest import PASSWORD, Browser

from .addresses import path_of, rules_of
from .test_matrix import CLOSED, GET
from .world import CANARY, RAW, World

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SHOWN = "&lt;img src=x onerror=hacked()"
TELLING = {
    "admin.index",
    "audit.index",
    "campaigns.index_view",
    "customers.index",
    "customers.one",
    "deliveries.index",
    "deliveries.one",
    "keys.index",
    "preview.one",
    "profile.edit",
    "profiles.delete",
    "profiles.index",
    "products.index_view",
    "replays.index",
    "replays.one",
    "runs.index",
    "runs.one",
}
"""Pages on which the canary must be seen as text: else these tests would look at nothing."""


def _pages(app: Flask, world: World) -> dict[str, str]:
    """Endpoint -> address of every page; the ones of things are about hostile things."""
    found = {rule.endpoint: path_of(rule, world) for rule in rules_of(app, GET, "GET") if GET[rule.endpoint] != CLOSED}
    found["customers.one"] = "/admin/customers/one?" + _query(id=world.customer)
    found["profile.edit of a file"] = f"/admin/profile/{world.file_profile}"
    found["preview of a file"] = f"/admin/preview/{world.file_profile}"
    for endpoint, name in (
        ("customers.index", "q"),
        ("campaigns.index_view", "search"),
        ("products.index_view", "search"),
        ("profiles.index", "q"),
        ("deliveries.index", "event"),
        ("deliveries.index", "customer"),
        ("deliveries.index", "order"),
        ("runs.index", "profile"),
        ("replays.new", "event"),
        ("audit.index", "who"),
        ("audit.index", "what"),
        ("audit.index", "act"),
        ("security.login", "next"),
    ):
        found[f"{endpoint} {name}"] = f"{found[endpoint]}?{_query(**{name: CANARY})}"
    return found


def _query(**values: str) -> str:
    return urlencode(values)


def test_no_page_holds_it_as_it_was_written(app: Flask, world: World, browsers: dict[str, Browser]) -> None:
    told = set()
    for name, path in _pages(app, world).items():
        answer = browsers["ada"].client.get(path, buffered=True, follow_redirects=True)
        if answer.mimetype != "text/html":
            continue
        for word in RAW:
            assert word not in answer.text, (name, word)
        assert not re.search(r"href=[\"']?\s*javascript:", answer.text), name
        if SHOWN in answer.text:
            told.add(name)
    assert told >= TELLING, TELLING - told


def test_no_answer_to_a_form_holds_it_as_it_was_written(app: Flask, world: World, browsers: dict[str, Browser]) -> None:
    ada = browsers["ada"]
    for path, fields in (
        ("/admin/profile/new", ("name", "settings-url", "mappings-0-name", "mappings-0-value", "routes-0-campaign")),
        ("/admin/users/new", ("email", "role")),
        ("/admin/keys/new", ("name", "scopes", "days")),
        ("/admin/replays/new", ("profile", "state", "event", "customer", "since", "until")),
        ("/admin/account/password", ("old", "new", "password")),
        ("/login", ("email", "password", "code", "next")),
        ("/admin/draft/postback", ("name", "settings-url", "mappings-0-name", "mappings-0-value")),
        ("/admin/draft/csv", ("name", "settings-fileName", "settings-schedule", "mappings-0-name")),
        ("/admin/probe/ftp", ("settings-host", "settings-user", "settings-hostKeys", "settings-folder")),
    ):
        ada.get("/admin/account/")
        page = ada.post(path, dict.fromkeys(fields, CANARY)).text
        assert not any(word in page for word in RAW), path


def test_what_is_told_to_programs_is_no_page(app: Flask, world: World, browsers: dict[str, Browser]) -> None:
    answer = browsers["ada"].client.get("/admin/profile/lookup/campaigns", query_string={"q": CANARY[:20]})
    assert answer.mimetype == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_a_downloaded_file_is_no_page(app: Flask, world: World, browsers: dict[str, Browser]) -> None:
    ada = browsers["ada"]
    ada.get("/admin/account/")
    answer = ada.post(f"/admin/runs/{world.run}/file")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].endswith("sandbox")


@pytest.fixture(scope="module")
def address(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest.fixture
def page(address: str, world: World) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(f"{address}/login")
        page.fill("[name=email]", "ada@example.com")
        page.fill("[name=password]", PASSWORD)
        page.click("button[type=submit]")
        yield page
        browser.close()


WATCH = """
window.violations = [];
window.hacked = () => window.violations.push("a script of a stranger ran");
document.addEventListener("securitypolicyviolation",
    event => window.violations.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sample}`));
"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # the browser breaks off in a file's middle
def test_a_browser_runs_nothing_of_it_and_every_page_keeps_its_policy(
    app: Flask, world: World, address: str, page: Page
) -> None:
    faults: list[str] = []
    page.add_init_script(WATCH)
    page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
    page.on("dialog", lambda dialog: faults.append(f"{page.url}: a dialog"))
    page.on("request", lambda made: None if made.url.startswith(address) else faults.append(f"{page.url}: {made.url}"))
    looked = 0
    for name, path in _pages(app, world).items():
        if "static" in name or name in {"health.metrics", "api.openapi"} or "/export." in path:  # a download is no page
            continue
        page.goto(address + path)
        _open_all(page)
        faults += [f"{name}: {text}" for text in page.evaluate("window.violations")]
        looked += 1
    assert faults == []
    assert looked > 40
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=hacked()>')")
    page.wait_for_function("window.violations.length > 0")  # so a hole would have been seen, and the policy closes it
    assert "a script of a stranger ran" not in page.evaluate("window.violations")


def _open_all(page: Page) -> None:
    """Open what opens by a click: pickers draw their entries only then, and some of these are a stranger's words."""
    for picker in page.locator(".select2-choice:visible").all()[:4]:
        picker.click()
        page.keyboard.type("img")
        page.wait_for_timeout(50)
        page.keyboard.press("Escape")
    for button in page.locator("[data-preview]:visible").all()[:1]:
        button.click()
        page.wait_for_timeout(300)
