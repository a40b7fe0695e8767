"""Every page, in the light and in the dark: nothing that axe-core calls serious or critical; and its times."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Page

from models.account import User
from models.base import db
from tests.integration.web.admin.conftest import Browser
from tests.integration.web.admin.test_browser import CHROMIUM
from tests.integration.web.attacks.addresses import path_of
from tests.integration.web.attacks.world import World

A_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d")
IN_AN_ELEMENT = re.compile(r"<time datetime=\"[^\"]+Z\" title=\"[^\"]+ UTC\">[^<]*</time>")
RAW = re.compile(r"<pre.*?</pre>|<input[^>]*>", re.DOTALL)
"""What others wrote, and what is written into a form, in the person's zone, too."""
PART = {"exclude": [["section ~ section ~ section ~ section ~ section"]]}
"""The manual of the API has a hundred sections, all drawn by one macro."""
ELSEWHERE = {"api_docs.page", "preview.one", "profile.edit", "profile.new"}
"""Schedules are in the profile's zone, and say so."""


def pages(app: Flask, world: World, ada: Browser) -> dict[str, str]:
    """The addresses of all pages, out of the application's own list: a new one is not forgotten."""
    found = {}
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and not rule.endpoint.endswith("static"):
            path = path_of(rule, world)
            if rule.endpoint == "customers.one":
                path = "/admin/customers/one?id=" + re.sub(r"\W", lambda sign: f"%{ord(sign[0]):02x}", world.customer)
            answer = ada.client.get(path, buffered=True)
            if answer.mimetype == "text/html" and answer.status_code == 200:
                found[rule.endpoint] = path
    assert len(found) > 25
    return found


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # as in test_browser
def test_no_page_keeps_anybody_out(
    app: Flask, world: World, browsers: dict[str, Browser], address: str, page: Page
) -> None:
    axe, found = Axe(), []
    for path in [*pages(app, world, browsers["ada"]).values(), "/admin/profile/new?type=ftp", "/admin/nothing"]:
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        page.goto(f"{address}{path}")
        found += [f"{path}: {line}" for line in _violations(axe, page)]
        page.emulate_media(color_scheme="dark")
        found += [f"{path} (dark): {line}" for line in _violations(axe, page, "color-contrast")]
    assert not found, "\n".join(found)


def _violations(axe: Axe, page: Page, *rules: str) -> list[str]:
    options = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
    return [
        f"{one['id']} ({one['impact']}): {node['html'][:150]} {node['failureSummary'].splitlines()[1:2]}"
        for one in axe.run(page, PART, options=options).response["violations"]
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]


def test_every_time_is_in_the_persons_zone_with_utc_beside_it(
    app: Flask, world: World, browsers: dict[str, Browser]
) -> None:
    with app.app_context():
        db.session.execute(sa.update(User).values(time_zone="Pacific/Chatham"))
        db.session.commit()
    shown = 0
    for endpoint, path in pages(app, world, browsers["ada"]).items():
        text = browsers["ada"].client.get(path).text
        times = IN_AN_ELEMENT.findall(text)
        assert not [one for one in times if "+1" not in one and "ago" not in one], path
        shown += len(times)
        if endpoint not in ELSEWHERE:
            left = RAW.sub("", IN_AN_ELEMENT.sub("", text))
            assert not A_TIME.search(left), (path, A_TIME.search(left))
    assert shown > 20
