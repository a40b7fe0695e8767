"""`make screenshots`: pictures of every page of the running Waybill, on a desk and on a phone, in the light and in the dark."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import Page, sync_playwright

WIDTHS = (1280, 390)
HEIGHT = 900
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")

PAGES = {
    "home": "/admin/",
    "profiles": "/admin/profiles/",
    "profile-new-postback": "/admin/profile/new",
    "profile-new-csv": "/admin/profile/new?type=csv",
    "profile-new-ftp": "/admin/profile/new?type=ftp",
    "deliveries": "/admin/deliveries/",
    "deliveries-none": "/admin/deliveries/?order=none",
    "files": "/admin/runs/",
    "replays": "/admin/replays/",
    "replay-new": "/admin/replays/new",
    "customers": "/admin/customers/",
    "campaigns": "/admin/campaigns/",
    "products": "/admin/products/",
    "keys": "/admin/keys/",
    "key-new": "/admin/keys/new",
    "people": "/admin/users/",
    "person-new": "/admin/users/new",
    "record": "/admin/audit/",
    "account": "/admin/account/",
    "second-factor": "/admin/account/second-factor",
    "no-page": "/admin/nothing",
    "api-docs": "/api/docs",
}
OF_ONE = {
    "profile": ("/admin/profiles/", r"/admin/profile/\d+"),
    "profile-delete": ("/admin/profiles/", r"/admin/profiles/\d+/delete"),
    "preview": ("/admin/profiles/", r"/admin/preview/\d+"),
    "delivery": ("/admin/deliveries/", r"/admin/deliveries/\d+"),
    "file": ("/admin/runs/", r"/admin/runs/\d+"),
    "replay": ("/admin/replays/", r"/admin/replays/\d+"),
    "customer": ("/admin/customers/", r"/admin/customers/one\?id=[^\"]+"),
    "person": ("/admin/users/", r"/admin/users/\d+"),
}
"""Pages of one thing: on which list the first of them is found."""


def main() -> None:
    """Sign in with the first login, and take the pictures."""
    parser = argparse.ArgumentParser(prog="make screenshots")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("screenshots"))
    folder: Path = parser.parse_args().folder
    told = _told()
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if told is None or not requests.get(f"{told['url']}/healthz", timeout=5).ok:
        sys.exit("No Waybill is running here. Say `make run`, then `make demo`, and then this again.")
    if told["password"] is None:
        sys.exit("The first admin has another password now: these pictures are made with a fresh Waybill.")
    if chromium is None:
        sys.exit("There is no Chromium. On Debian and Ubuntu: apt-get install chromium.")
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=chromium).new_page()
        page.emulate_media(reduced_motion="reduce")
        page.goto(f"{told['url']}/login")
        _shoot(page, folder, "login")
        page.fill("[name=email]", told["email"])
        page.fill("[name=password]", told["password"])
        page.click("button[type=submit]")
        for name, path in _addresses(page, told["url"]):
            page.goto(f"{told['url']}{path}")
            _shoot(page, folder, name)
    print(f"{len(list(folder.glob('*.png')))} pictures in {folder}/")


def _told() -> dict[str, Any] | None:
    """Read what `make run` has written down."""
    try:
        told: dict[str, Any] = json.loads((Path(os.environ.get("DATA_DIR", ".data")) / "run.json").read_text())
    except FileNotFoundError:
        return None
    return told


def _addresses(page: Page, url: str) -> Iterator[tuple[str, str]]:
    yield from PAGES.items()
    for name, (there, pattern) in OF_ONE.items():
        page.goto(f"{url}{there}")
        if found := re.search(f'(?:href|action)="({pattern})"', page.content()):
            yield name, found[1]
        else:
            print(f"{name}: there is none to show yet")


def _shoot(page: Page, folder: Path, name: str) -> None:
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            page.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=True)


if __name__ == "__main__":
    main()
