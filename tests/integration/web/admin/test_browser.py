"""The pages in a real browser: what the script does, and that wide tables fit a phone."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Page, sync_playwright
from sqlalchemy.orm import Session
from werkzeug.serving import make_server

from models.base import db
from tests.file_rows import add_file_profile, add_run, add_try, add_upload, forget_everything
from web.profile_documents import document_of, find

from .conftest import PASSWORD

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
    # The development server leaves a file open when the browser breaks off in the middle of it.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    with app.app_context():
        forget_everything(db.session())  # a preview shows the latest order there is
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest.fixture
def page(address: str) -> Iterator[Page]:
    """Edda's browser, signed in; it fails on any message of the console and on any request that leaves."""
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda made: None if made.url.startswith(address) else complaints.append(made.url))
        page.goto(f"{address}/")
        page.fill("[name=email]", "edda@example.com")
        page.fill("[name=password]", PASSWORD)
        page.click("button[type=submit]")
        yield page
        browser.close()
    assert complaints == []


@pytest.fixture
def run_with_long_words(app: Flask, address: str) -> int:
    """A file whose name, folder and server's words have no place to break, on a profile whose uploads stopped."""
    with app.app_context():
        engine = db.engine
    with Session(engine) as session:
        profile = add_file_profile(session, "ftp", name="W" * 100)
        run = add_run(session, profile, content=b"a\r\n", file_name=f"{'n' * 116}.csv")
        add_try(
            session, add_upload(session, run, state="held", error="e" * 300, remote_name="r" * 300), message="m" * 300
        )
        return run.id


def pick(page: Page, row: str, text: str) -> None:
    """Choose in a picker as a person does: open, type, take the first."""
    page.locator(row).locator(".select2-choice").first.click()
    page.locator("#select2-drop input").fill(text)
    page.locator("#select2-drop .select2-result-selectable").first.click()


def test_a_profile_is_written_moved_and_saved(app: Flask, address: str, page: Page) -> None:
    page.goto(f"{address}/admin/profiles/")
    page.click("text=+ New profile")
    page.fill("[name=name]", "Written in a browser")
    page.fill("[name=settings-url]", "https://receiver.example/in")
    page.fill("[name=mappings-0-name]", "first_name")
    pick(page, "[data-rows=mappings] [data-row]:nth-child(1)", "first")
    page.click("text=+ Field mapping")
    page.fill("[name=mappings-1-name]", "list_id")
    page.select_option("[name=mappings-1-source]", "static")
    page.fill("[name=mappings-1-value]", "400")
    page.click("text=+ Field mapping")
    page.fill("[name=mappings-2-name]", "colour")
    pick(page, "[data-rows=mappings] [data-row]:nth-child(3)", "custom:colour")
    page.click("text=+ Field mapping")
    page.locator("[data-rows=mappings] [data-row]:nth-child(4) [data-remove]").click()
    page.locator("[data-rows=mappings] [data-row]:nth-child(2) [data-move=up]").click()
    page.select_option("[name=routes-0-customer_type]", "partial")
    pick(page, "[data-rows=routes] [data-row] [data-label=Product]", "4711")
    page.select_option("[name=settings-successBody-kind]", "contains")
    page.fill("[name=settings-successBody-contains-contains]", "ok")
    page.wait_for_selector("text=receiver.example/in?list_id=400&first_name=Jane&colour=")
    page.click("button >> text=/^Save$/")
    page.wait_for_url(f"{address}/admin/profiles/")
    with app.app_context():
        profile = find(db.session(), "Written in a browser")
        assert profile
        document = document_of(profile)
    assert document["mappings"] == [
        {"exportName": "list_id", "static": "400"},
        {"exportName": "first_name", "field": "firstName"},
        {"exportName": "colour", "field": "custom:colour"},
    ]
    assert document["routes"] == [{"customerType": "Partial", "campaign": "all", "product": 4711}]
    assert document["settings"]["successBody"] == {"contains": "ok"}


def test_a_file_profile_shows_what_it_would_make_while_it_is_written(app: Flask, address: str, page: Page) -> None:
    page.goto(f"{address}/admin/profile/new?type=csv")
    page.wait_for_selector("[data-spot=times] li:nth-child(5)")
    page.fill("[name=settings-schedule]", "daily 25:00")
    page.wait_for_selector("[data-spot=times] >> text=is no time of day")
    page.fill("[name=settings-schedule]", "weekdays mon 06:00")
    page.fill("[name=name]", "Accounting")
    page.fill("[name=mappings-0-name]", "order")
    pick(page, "[data-rows=mappings] [data-row]:nth-child(1)", "clientOrderId")
    page.click("text=+ Column")
    page.fill("[name=mappings-1-name]", "name")
    pick(page, "[data-rows=mappings] [data-row]:nth-child(2)", "firstName")
    page.select_option("[name=routes-0-customer_type]", "partial")
    page.wait_for_selector("[data-spot=names] >> text=Accounting_Partial_all_all_")
    page.wait_for_selector("[data-spot=sentence] >> text=Writes each Partial once, on Monday at 06:00 UTC")
    page.select_option("[name=settings-preset]", "excel-semicolon")
    assert page.input_value("[name=settings-delimiter]") == ";"
    page.wait_for_selector("[data-spot=lines] >> text=order;name")
    assert page.is_hidden("text=Custom: a setting differs")
    page.select_option("[name=settings-delimiter]", "|")
    page.wait_for_selector("text=Custom: a setting differs")
    page.wait_for_selector("[data-spot=lines] >> text=order|name")
    page.click("button >> text=/^Save$/")
    page.wait_for_url(f"{address}/admin/profiles/")
    with app.app_context():
        profile = find(db.session(), "Accounting")
        assert profile
        assert (profile.settings["delimiter"], profile.settings["decimalSign"]) == ("|", ",")


def test_the_form_of_a_server_shows_what_its_protocol_needs(address: str, page: Page) -> None:
    page.goto(f"{address}/admin/profile/new?type=ftp")
    assert page.is_visible("[name=settings-hostKeys]")
    assert page.is_hidden("[name=settings-caCertificate]")
    page.select_option("[name=settings-protocol]", "ftp")
    assert page.is_hidden("[name=settings-hostKeys]")
    page.wait_for_selector("small >> text=/^clear text$/")
    page.click("text=Test connection")
    page.wait_for_selector("[data-probed] >> text=No connection can be tried yet")


@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_is_wider_than_the_screen(address: str, page: Page, width: int, run_with_long_words: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    for path in (
        "",
        "profiles/",
        "profile/new",
        "profile/new?type=ftp",
        "profile/new?type=csv",
        "deliveries/",
        "runs/",
        f"runs/{run_with_long_words}",
        "customers/",
        "campaigns/",
    ):
        page.goto(f"{address}/admin/{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_home_says_when_it_can_no_longer_renew_itself_and_goes_on_asking(page: Page, address: str) -> None:
    assert page.context.browser is not None  # the other page may complain of the answer that fails
    other = page.context.browser.new_context(storage_state=page.context.storage_state()).new_page()
    other.clock.install()
    other.goto(f"{address}/admin/")
    other.route("**/admin/", lambda route: route.fulfill(status=502, body="bad gateway"))
    other.clock.fast_forward(15_000)
    other.wait_for_selector("text=Waybill has not answered since")
    other.unroute("**/admin/")
    other.clock.fast_forward(15_000)
    other.wait_for_selector(".wb-stale", state="detached")
    assert other.is_visible("text=Needs attention")
