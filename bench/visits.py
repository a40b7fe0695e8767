"""Which pages and API lists the bench visits: busy and idle profiles, common and rare answers, first and later pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from bench.load_people import TESTER
from bench.subjects import Subjects

MARK, HOME_MARK = 250, 400
"""The milliseconds below which 95 of 100 answers stay."""

STATES = ("pending", "leased", "held", "delivered", "skipped", "cancelled")


@dataclass(frozen=True, slots=True)
class Visit:
    """One kind of page: several addresses of it, visited in turn."""

    name: str
    paths: Sequence[str]
    mark: int = MARK

    @property
    def is_api(self) -> bool:
        """Whether a program asks, with its key."""
        return self.paths[0].startswith("/api/")


def visits(of: Subjects) -> Iterator[Visit]:
    """Give every kind of page."""
    yield Visit("home", ["/admin/"], HOME_MARK)
    yield from _deliveries(of)
    yield from _customers(of)
    yield from _others(of)
    yield from _api(of)


def _list(path: str, name: str, **filters: object) -> Visit:
    return Visit(name, [f"{path}?{urlencode(filters)}"])


def _deliveries(of: Subjects) -> Iterator[Visit]:
    path, number = "/admin/deliveries/", {what: row[0] for what, row in of.profiles.items()}
    since, until = of.day
    yield Visit("deliveries: newest", [path])
    yield Visit("deliveries: older", [f"{path}?before={before}" for before in of.deliveries])
    for what, profile in number.items():
        yield _list(path, f"deliveries of a profile: {what}", profile=profile)
    for state in (*STATES, "failing"):
        yield _list(path, f"deliveries: {state}", state=state)
        yield _list(path, f"deliveries: {state}, middle profile", state=state, profile=number["middle"])
    for state, what in (("held", "paused"), ("held", "long off"), ("held", "few"), ("cancelled", "largest")):
        yield _list(path, f"deliveries: {state}, profile {what}", state=state, profile=number[what])
    yield Visit("deliveries of a customer", [f"{path}?customer={one}" for one in of.customers])
    yield _list(path, "deliveries of who tests", customer=TESTER)
    yield Visit("deliveries of an order", [f"{path}?order={one}" for one in of.orders])
    yield Visit("deliveries of an event", [f"{path}?event={one}" for one in of.events])
    for status in (503, 302, 418):
        yield _list(path, f"deliveries: refused {status}", status=status)
        for what in ("largest", "middle", "none"):
            yield _list(path, f"deliveries: refused {status}, {what}", status=status, profile=number[what])
    yield _list(path, "deliveries: refused 503, cancelled", status=503, state="cancelled")
    yield _list(path, "deliveries: a day", since=since, until=until)
    yield _list(path, "deliveries: since a day", since=since)
    yield _list(path, "deliveries: until a day", until=until)
    yield _list(path, "deliveries: a day, middle profile", since=since, until=until, profile=number["middle"])
    yield _list(path, "deliveries: a day, profile none", since=since, until=until, profile=number["none"])
    yield _list(path, "deliveries: a day, cancelled", since=since, until=until, state="cancelled")
    yield _list(path, "deliveries: a day, refused 503", since=since, until=until, status=503)
    yield Visit("a delivery", [f"{path}{one}" for one in of.deliveries])


def _customers(of: Subjects) -> Iterator[Visit]:
    path = "/admin/customers/"
    yield Visit("customers: of late", [path])
    for what, found in (("id", of.customers), ("e-mail", of.emails), ("phone", of.phones), ("order", of.orders)):
        yield Visit(f"customers by {what}", [f"{path}?{urlencode({'q': one})}" for one in found])
    yield _list(path, "customers: nobody", q="nobody at all")
    yield Visit("a customer", [f"{path}one?id={one}" for one in of.customers])
    yield Visit("who tests", [f"{path}one?id={TESTER}"])


def _others(of: Subjects) -> Iterator[Visit]:
    files, middle = of.profiles["files"][0], of.profiles["middle"][0]
    yield Visit("profiles", ["/admin/profiles/", "/admin/profiles/?page=5"])
    yield Visit("profiles by name", ["/admin/profiles/?q=leads", "/admin/profiles/?q=nothing"])
    yield Visit("a profile's form", [f"/admin/profile/{middle}"])
    yield Visit("files", ["/admin/runs/"])
    yield Visit("files of a profile", [f"/admin/runs/?profile={files}"])
    yield Visit("files: held", ["/admin/runs/?state=held", "/admin/runs/?upload=failing"])
    yield Visit("a file", [f"/admin/runs/{one}" for one in of.runs])
    yield Visit("replays", ["/admin/replays/", "/admin/replays/new"])
    yield Visit("a replay", [f"/admin/replays/{one}" for one in of.replays])
    yield Visit("campaigns, products", ["/admin/campaigns/?search=7", "/admin/products/?search=widget&page=3"])
    yield Visit("record", ["/admin/audit/", "/admin/audit/?before=2000"])
    yield Visit("record of a person", ["/admin/audit/?who=olga@example.com", "/admin/audit/?who=nobody"])
    yield Visit("record of a thing", ["/admin/audit/?what=delivery 17", "/admin/audit/?what=nothing"])
    yield Visit("record of an act", ["/admin/audit/?act=revoked", "/admin/audit/?act=changed"])
    yield Visit("people, keys, account", ["/admin/users/", "/admin/keys/", "/admin/account/"])


def _api(of: Subjects) -> Iterator[Visit]:
    path, name = "/api/v1/deliveries", {what: row[1] for what, row in of.profiles.items()}
    yield Visit("API: deliveries", [path])
    yield Visit("API: 1,000 deliveries", [f"{path}?limit=1000"])
    yield Visit("API: deliveries, after", [f"{path}?after={after}" for after in of.deliveries])
    for what in ("largest", "middle", "few", "none", "paused"):
        yield _list(path, f"API: deliveries of a profile: {what}", profile=name[what])
    for state in STATES:
        yield _list(path, f"API: deliveries: {state}", state=state)
    yield _list(path, "API: deliveries: cancelled, largest", state="cancelled", profile=name["largest"])
    yield _list(path, "API: deliveries: held, long off", state="held", profile=name["long off"])
    yield Visit("API: deliveries of a customer", [f"{path}?customerId={one}" for one in of.customers])
    yield _list(path, "API: deliveries of who tests", customerId=TESTER)
    yield Visit("API: deliveries of an event", [f"{path}?eventId={one}" for one in of.events])
    yield Visit("API: a customer's history", [f"/api/v1/customers/{one}/history" for one in of.customers])
    yield Visit("API: history of who tests", [f"/api/v1/customers/{TESTER}/history"])
    yield Visit("API: profiles", ["/api/v1/profiles"])
    yield Visit("API: a profile", [f"/api/v1/profiles/{quote(name['middle'])}"])
    yield Visit(
        "API: runs", ["/api/v1/runs", f"/api/v1/runs?profile={quote(name['files'])}", "/api/v1/runs?state=held"]
    )
    yield Visit("API: a run", [f"/api/v1/runs/{one}" for one in of.runs])
    yield Visit("API: a job", [f"/api/v1/jobs/{one}" for one in of.replays])
    yield Visit("metrics", ["/metrics"])
