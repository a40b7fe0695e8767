"""The world of the attacks once more: every page has something to show in it. And a real browser to look with."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Page, sync_playwright
from werkzeug.serving import make_server

from tests.integration.web.admin.conftest import PASSWORD
from tests.integration.web.admin.test_browser import CHROMIUM
from tests.integration.web.attacks.conftest import app, browsers, world

__all__ = ["app", "browsers", "world"]


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest.fixture
def page(address: str, world: object) -> Iterator[Page]:
    """Ada's browser, signed in."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(f"{address}/login")
        page.fill("[name=email]", "ada@example.com")
        page.fill("[name=password]", PASSWORD)
        page.click("button[type=submit]")
        yield page
        browser.close()
