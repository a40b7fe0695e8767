"""Every list, search and detail page, and the API's lists, over a database of millions of rows (bench.loader).

An admin is signed in, a program has a key; gunicorn answers as it does for people. Every so often the login page is
asked for: what the web stack takes before the first statement, on this machine, at this moment.
"""

from __future__ import annotations

import re
import secrets
import statistics
import time

import requests

from bench.api import Api
from bench.rows import Row, at_most
from bench.stage import Stage
from bench.subjects import Subjects
from bench.visits import Visit, visits

TIMES = 40
DELIVERIES = 5_000_000
PATIENCE = 20.0
"""The seconds after which a kind of page that is far beyond its mark is visited no more."""


class NoAnswer(Exception):
    """A page that cannot be shown, such as one whose statement took too long."""


class Visitor:
    """A browser of a signed-in admin, and a program with a key."""

    def __init__(self, web: str, key: str, email: str, password: str) -> None:
        self._web = web
        self._browser, self._program = requests.Session(), requests.Session()
        self._program.headers["Authorization"] = f"Bearer {key}"
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self._browser.get(f"{web}/login", timeout=60).text)
        assert token is not None
        signed = {"csrf_token": token[1], "email": email, "password": password}
        self._browser.post(f"{web}/login", data=signed, timeout=60).raise_for_status()

    def open(self, path: str, *, is_api: bool) -> float:
        """Get one page. Returns the milliseconds it took."""
        session = self._program if is_api else self._browser
        began = time.perf_counter()
        answer = session.get(self._web + path, allow_redirects=False, timeout=120)
        took = 1000 * (time.perf_counter() - began)
        if answer.status_code != 200:
            raise NoAnswer(f"HTTP {answer.status_code} after {took:,.0f} ms: {path}")
        return took

    def floor(self) -> float:
        """Get a page that nobody is signed in for. Returns the milliseconds it took."""
        began = time.perf_counter()
        requests.get(f"{self._web}/login", timeout=60).raise_for_status()
        return 1000 * (time.perf_counter() - began)


def rows(stage: Stage, _api: Api) -> list[Row]:
    """Fill a database unless one is given, then visit."""
    with stage.working_on(stage.loaded or stage.filled("pages", DELIVERIES)):
        email = f"bench-{secrets.token_hex(4)}@example.com"
        told = stage.run("flask", "--app", "wsgi", "user", "create", email, "--role", "admin")
        key = stage.run("flask", "--app", "wsgi", "api-key", "create", email).split()[-1]
        with stage.engine.connect() as connection:
            subjects = Subjects.find(connection)
        visitor = Visitor(stage.web, key, email, told.split()[-1])
        return [_row(visitor, visit) for visit in visits(subjects) if stage.only in visit.name]


def _row(visitor: Visitor, visit: Visit) -> Row:
    try:
        first, *took = _times(visitor, visit)
    except NoAnswer as error:
        return Row(visit.name, "no answer", must=f"p95 {visit.mark} ms", note=str(error))
    reference = [visitor.floor() for _ in range(5)]
    cuts = statistics.quantiles(took, n=20, method="inclusive")
    return Row(
        visit.name,
        f"p50 {cuts[9]:.0f} ms, p95 {cuts[18]:.0f} ms",
        f"login page: {statistics.median(reference):.0f} ms",
        ratio=cuts[9] / statistics.median(reference),
        must=f"p95 {visit.mark} ms",
        note=f"the first one {first:.0f} ms",
        share=at_most(cuts[18], visit.mark),
        figures={"p50_ms": cuts[9], "p95_ms": cuts[18]},
    )


def _times(visitor: Visitor, visit: Visit) -> list[float]:
    ends = time.monotonic() + PATIENCE
    took: list[float] = []
    for turn in range(TIMES + 1):
        took.append(visitor.open(visit.paths[turn % len(visit.paths)], is_api=visit.is_api))
        if turn >= 2 and time.monotonic() > ends:
            break
    return took
