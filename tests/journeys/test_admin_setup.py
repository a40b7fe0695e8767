"""Somebody who has never seen Waybill sets up a postback in the admin: once by mouse, once by keyboard alone."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.journeys.newcomer import Newcomer, newcomer_in
from tests.receivers import Receiver, Seen

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FIVE_MINUTES = 300.0
MOST_TABS = 250

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Newcomer]:
    folder: Path = tmp_path_factory.mktemp("newcomer")
    with newcomer_in(folder, EGRESS_ALLOW=f"127.0.0.1/32:{receiver.port}") as newcomer:
        for number, kind in enumerate(("Partial", "New Sale")):
            newcomer.call("POST", "/events", json=event(number, kind))
        yield newcomer


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, newcomer: Newcomer) -> Iterator[Page]:
    """The first admin's browser; it fails on any message of the console and on any request that leaves."""
    told, complaints = newcomer.told(), list[str]()
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(20_000)
    page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda made: None if made.url.startswith(told["url"]) else complaints.append(made.url))
    page.goto(told["url"])
    page.fill("[name=email]", told["email"])
    page.fill("[name=password]", told["password"])
    page.click("button[type=submit]")
    yield page
    page.close()
    assert complaints == []


def event(number: int, kind: str) -> dict[str, Any]:
    order = {
        "clientOrderId": f"B94140F70{number}",
        "campaignId": 1,
        "campaignName": "Lander",
        "customerId": 77,
        "dateCreated": "2026-11-23 09:58:12",
        "firstName": "Zoë & Søn",
        "lastName": "O'Hara",
        "emailAddress": "a+b@example.com",
        "items": [{"productId": 4, "name": "Widget", "qty": 1, "price": "49.95"}],
    }
    return {"eventId": f"ev-{number}", "customerType": kind, "order": order}


def exchange_in(text: str) -> tuple[str, list[tuple[str, str]], str]:
    """Take a shown request apart: its line, its headers, its body."""
    head, _, body = text.strip("\n").partition("\n\n")
    line, *headers = head.split("\n")
    return line, [(name, value) for name, _, value in (one.partition(": ") for one in headers)], body


def assert_is(shown: str, seen: Seen, *, url: str) -> None:
    """Compare what a page showed with what arrived: every header that was shown, byte for byte, but secrets and keys."""
    line, headers, body = exchange_in(shown)
    method, _, address = line.partition(" ")
    root = url.rsplit("/", 1)[0].removesuffix("/ok")
    assert f"{method} {address.removeprefix(root)} HTTP/1.1" == seen.line
    arrived = seen.headers
    for name, value in headers:
        if name != "webhook-id" and "•" not in value:
            assert arrived[name.lower()] == value, name
    assert body.encode() == seen.body


def pane(page: Page, *, holds: str) -> str:
    """Give the request in the pane beside the form, once it holds this."""
    page.wait_for_selector(f"[data-spot=request] pre >> text={holds}")
    return page.locator("[data-spot=request] pre").inner_text()


def last_of(receiver: Receiver, newcomer: Newcomer, path: str, *, count: int) -> Seen:
    """Wait until so many requests came for a path, and give the last one."""

    def found() -> list[Seen]:
        return [one for one in receiver.seen if one.target.startswith(path)]

    newcomer.until(lambda: len(found()) >= count, seconds=30)
    return found()[-1]


def pick(page: Page, row: str, text: str) -> None:
    page.locator(row).locator(".select2-choice").first.click()
    page.locator("#select2-drop input").fill(text)
    page.locator("#select2-drop .select2-result-selectable", has_text=text).first.click()


def map_field(page: Page, number: int, name: str, field: str) -> None:
    page.fill(f"[name=mappings-{number}-name]", name)
    pick(page, f"[data-rows=mappings] [data-row]:nth-child({number + 1})", field)
    page.click("text=+ Field mapping")


def drag(page: Page, row: int, *, onto: int) -> None:
    rows = page.locator("[data-rows=mappings] [data-row]")
    rows.nth(row).scroll_into_view_if_needed()
    start, end = rows.nth(row).locator("[data-drag]").bounding_box(), rows.nth(onto).bounding_box()
    assert start
    assert end
    page.mouse.move(start["x"] + 4, start["y"] + 4)
    page.mouse.down()
    page.mouse.move(start["x"] + 4, end["y"] + 3, steps=8)
    page.mouse.up()


def test_by_mouse_the_article_is_set_up_seen_tried_and_sent(page: Page, newcomer: Newcomer, receiver: Receiver) -> None:
    began = time.monotonic()
    url = receiver.url("ok/partials.php")
    page.click("text=Profiles")
    page.click("text=+ New profile")
    page.fill("[name=name]", "Call centre partials")
    page.fill("[name=interval_minutes]", "0")
    page.fill("[name=settings-url]", url)
    map_field(page, 0, "order_date", "orderDate")
    map_field(page, 1, "first_name", "firstName")
    map_field(page, 2, "email_address", "emailAddress")
    map_field(page, 3, "campaign_number", "campaignId")
    page.fill("[name=mappings-4-name]", "list_id")
    page.select_option("[name=mappings-4-source]", "static")
    page.fill("[name=mappings-4-value]", "400")
    page.click("text=+ Field mapping")
    page.fill("[name=mappings-5-name]", "NAME")
    page.select_option("[name=mappings-5-source]", "template")
    page.fill("[name=mappings-5-value]", "{firstName} {lastName}")
    page.fill("[name=mappings-5-modifiers]", "trim | upper")
    drag(page, 1, onto=0)
    page.select_option("[name=routes-0-customer_type]", "partial")
    pick(page, "[data-rows=routes] [data-row]:nth-child(1) [data-label=Campaign]", "Lander")
    page.click("text=+ Route")
    page.select_option("[name=routes-1-customer_type]", "new_sale")
    page.wait_for_selector('[data-spot=routes] >> text=Partial: orders of campaign "Lander"')
    page.fill("[name=event]", "B94140F700")
    shown = pane(page, holds="first_name=Zo%C3%AB%20%26%20S%C3%B8n&order_date=2026-11-23%2009%3A58%3A12&email_address=")
    assert shown.startswith(f"GET {url}?first_name=")
    page.click("text=Send a test")
    page.wait_for_selector("[data-probed] >> text=/200 OK/")
    assert_is(shown, last_of(receiver, newcomer, "/ok/partials.php", count=1), url=url)
    assert not newcomer.call("GET", "/deliveries").json()["items"]
    page.click("button >> text=/^Save$/")
    page.wait_for_selector('text="Call centre partials" is saved.')
    assert time.monotonic() - began < FIVE_MINUTES
    last_of(receiver, newcomer, "/ok/partials.php", count=3)
    came = [one for one in receiver.seen[1:] if "campaign_number=1" in one.target]
    assert {one.line for one in came} == {receiver.seen[0].line}


class Keyboard:
    """A person without a mouse: Tab, arrows, Enter and letters."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def reach(self, selector: str) -> None:
        """Press Tab until this has the focus."""
        is_there = "selector => document.activeElement !== null && document.activeElement.matches(selector)"
        for _ in range(MOST_TABS):
            if self.page.evaluate(is_there, selector):
                return
            self.page.keyboard.press("Tab")
        pytest.fail(f"no way to {selector} by Tab")

    def write(self, selector: str, text: str) -> None:
        self.reach(selector)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def press(self, selector: str, key: str = "Enter") -> None:
        self.reach(selector)
        self.page.keyboard.press(key)

    def follow(self, selector: str) -> None:
        """Press Enter on what leads to another page, and wait for that."""
        self.reach(selector)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def choose(self, selector: str, word: str) -> None:
        """Choose in a select box by typing the beginning of a choice."""
        self.reach(selector)
        self.page.keyboard.type(word)

    def pick(self, row: str, text: str) -> None:
        """Choose in a picker: open it, type, take the first."""
        self.press(f"{row} .select2-focusser")
        self.page.wait_for_selector("#select2-drop input:focus")
        self.page.keyboard.type(text)
        self.page.wait_for_selector(f"#select2-drop .select2-highlighted >> text={text}")
        self.page.keyboard.press("Enter")


def test_by_keyboard_alone_a_json_postback_is_set_up_seen_tried_and_sent(
    page: Page, newcomer: Newcomer, receiver: Receiver
) -> None:
    began = time.monotonic()
    url, keys = receiver.url("ok/json"), Keyboard(page)
    keys.follow("a[href$='/admin/profiles/']")
    keys.follow("a[href$='/admin/profile/new']")
    keys.write("[name=name]", "By keyboard")
    keys.write("[name=interval_minutes]", "0")
    keys.write("[name=settings-url]", url)
    rows = "[data-rows=mappings] [data-row]:nth-child"
    for number, (name, field) in enumerate(
        (("user.first_name", "firstName"), ("user.email", "emailAddress"), ("order", "clientOrderId"))
    ):
        keys.write(f"[name=mappings-{number}-name]", name)
        keys.pick(f"{rows}({number + 1})", field)
        keys.press("[data-add=mappings]")
    statics = (("list_id", "400"), ("header:Content-Type", "application/json"), ("header:X-Api-Key", "canary-5e"))
    for number, (name, text) in enumerate(statics, start=3):
        keys.write(f"[name=mappings-{number}-name]", name)
        keys.choose(f"[name=mappings-{number}-source]", "Static")
        keys.write(f"[name=mappings-{number}-value]", text)
        if number < 5:
            keys.press("[data-add=mappings]")
    keys.press(f"{rows}(3) [data-move=up]", "Enter")
    keys.choose("[name=routes-0-customer_type]", "New Sale")
    keys.pick("[data-rows=routes] [data-row]:nth-child(1) [data-label=Campaign]", "Lander")
    keys.press("[data-add=routes]")
    keys.choose("[name=routes-1-customer_type]", "Decline")
    keys.write("[name=event]", "ev-1")
    shown = pane(page, holds='{"user":{"first_name":"Zoë & Søn"')
    assert shown.startswith(f"POST {url}\n")
    assert "canary" not in shown
    assert shown.endswith(',"list_id":"400"}')
    keys.press("[data-probe]")
    page.wait_for_selector("[data-probed] >> text=/200 OK/")
    assert "canary" not in page.content()
    tried = last_of(receiver, newcomer, "/ok/json", count=1)
    assert_is(shown, tried, url=url)
    assert tried.headers["x-api-key"] == "canary-5e"
    keys.follow("button[type=submit].btn-primary")
    page.wait_for_selector('text="By keyboard" is saved.')
    assert time.monotonic() - began < FIVE_MINUTES
    sent = last_of(receiver, newcomer, "/ok/json", count=2)
    assert (sent.line, sent.body) == (tried.line, tried.body)
    assert sent.headers["webhook-id"] != tried.headers["webhook-id"]
