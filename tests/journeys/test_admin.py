"""The admin by mouse in a real browser: first login, a receiver that fails and is mended, a replay, a file, a viewer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from dev.files import kept_port
from tests.integration.web.admin.test_browser import CHROMIUM
from tests.journeys.newcomer import Newcomer, newcomer_in
from tests.receivers import Receiver

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")]

ROUTES = [{"customerType": "Partial", "campaign": "all", "product": "all"}]
MAPPINGS = [{"exportName": "first_name", "field": "firstName"}]
PATIENCE_MS = 30_000


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> int:
    return kept_port(tmp_path_factory.mktemp("receiver") / "port")


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Newcomer]:
    with newcomer_in(tmp_path_factory.mktemp("newcomer"), EGRESS_ALLOW=f"127.0.0.1/32:{port}") as newcomer:
        settings = {"url": f"http://127.0.0.1:{port}/ok", "retryFirstSeconds": 600, "retryCapSeconds": 600}
        calls: dict[str, Any] = {"exportType": "postback", "intervalMinutes": 0, "settings": settings}
        newcomer.call("PUT", "/profiles/Calls", json=calls | {"name": "Calls", "mappings": MAPPINGS, "routes": ROUTES})
        files = {"name": "Orders", "exportType": "csv", "mappings": MAPPINGS, "routes": ROUTES}
        newcomer.call("PUT", "/profiles/Orders", json=files)
        order = {"clientOrderId": "B1", "customerId": 77, "firstName": "Jane"}
        newcomer.call("POST", "/events", json={"eventId": "e1", "customerType": "Partial", "order": order})
        yield newcomer


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page(newcomer: Newcomer, browser: Browser) -> Page:
    """The first admin's browser."""
    page = browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    return page


class TestAdmin:
    """One installation; each test goes on where the one before ended."""

    def test_the_first_admin_signs_in_with_what_make_run_told(self, newcomer: Newcomer, page: Page) -> None:
        told = newcomer.told()
        page.goto(told["url"])
        page.fill("[name=email]", told["email"])
        page.fill("[name=password]", "not this one at all")
        page.click("text=Sign in")
        expect(page.get_by_role("alert")).to_contain_text("is wrong")
        page.fill("[name=email]", told["email"])
        page.fill("[name=password]", told["password"])
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text("Home")

    def test_a_receiver_that_fails_is_seen_and_mended(self, newcomer: Newcomer, page: Page, port: int) -> None:
        newcomer.until(lambda: newcomer.call("GET", "/deliveries").json()["items"][0]["attemptCount"] > 0, seconds=60)
        page.click("nav >> text=Deliveries")
        page.locator("tbody tr", has_text="Calls").locator("a").first.click()
        expect(page.locator(".wb-error").first).to_contain_text("Could not connect")
        expect(page.get_by_text("Next try")).to_be_visible()
        with Receiver(port=port) as receiver:
            page.click("text=Send again")
            newcomer.until(lambda: bool(receiver.seen), seconds=60)
            self._until_shown(page, "delivered")
        assert receiver.seen[0].line.startswith("GET /ok?first_name=Jane ")
        page.click("dd >> text=77")
        expect(page.locator(".wb-history")).to_contain_text('exported to "Calls"')

    def test_all_that_match_are_sent_again_as_a_job(self, newcomer: Newcomer, page: Page, port: int) -> None:
        page.click("nav >> text=Deliveries")
        page.select_option("[name=state]", "delivered")
        page.click("text=Filter")
        page.click("text=Do something to all that match")
        page.click("text=Count")
        expect(page.get_by_role("status")).to_contain_text("1 delivery matches")
        with Receiver(port=port) as receiver:
            page.click("text=Send again: 1")
            expect(page.get_by_text("1 of 1 are done")).to_be_visible(timeout=PATIENCE_MS)
            newcomer.until(lambda: bool(receiver.seen), seconds=60)

    def test_a_file_is_made_and_downloaded(self, page: Page, tmp_path: Path) -> None:
        page.click("nav >> text=Profiles")
        page.locator("tbody tr", has_text="Orders").get_by_role("button", name="Run now").click()
        expect(page.get_by_role("status")).to_be_visible()
        page.get_by_role("link", name="Files", exact=True).click()
        page.locator("tbody td[data-label=Run] a").first.click()
        self._until_shown(page, "written")
        with page.expect_download() as coming:
            page.get_by_role("button", name="Download", exact=True).click()
        coming.value.save_as(tmp_path / "file")
        assert "Jane" in (tmp_path / "file").read_text("utf-8-sig")

    def test_a_viewer_comes_by_a_link_and_may_only_look(self, page: Page, browser: Browser) -> None:
        page.click("nav >> text=People")
        page.click("text=New person")
        page.fill("[name=email]", "vera@example.com")
        page.select_option("[name=role]", "viewer")
        page.click("text=Save")
        link = page.inner_text(".wb-key").strip()
        vera = browser.new_page()
        vera.goto(link)
        vera.fill("[name=password]", "correct horse battery")
        vera.click("text=Keep it")
        vera.fill("[name=email]", "vera@example.com")
        vera.fill("[name=password]", "correct horse battery")
        vera.click("text=Sign in")
        expect(vera.locator("nav")).not_to_contain_text(re.compile("People|API keys|Record"))
        vera.click("nav >> text=Deliveries")
        expect(vera.locator("input[type=checkbox]")).to_have_count(0)
        vera.locator("tbody a").first.click()
        expect(vera.locator("main button")).to_have_count(0)
        for path in ("users/", "keys/", "audit/", "replays/new", "profile/new"):
            answer = vera.goto(vera.url.partition("/admin/")[0] + f"/admin/{path}")
            assert answer is not None
            assert answer.status == 403, path
            expect(vera.locator("main")).to_contain_text("Your role does not allow this")

    @staticmethod
    def _until_shown(page: Page, state: str) -> None:
        """Load the page again until its state is this."""
        for _ in range(60):
            page.reload()
            if page.locator(".wb-facts .badge").first.inner_text() == state:
                return
            page.wait_for_timeout(500)
        raise AssertionError(page.inner_text("main"))
