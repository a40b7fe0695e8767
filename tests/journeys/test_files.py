"""The daily file through real parts: events in over the API, files out to a real SFTP server, today and tomorrow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from models import run_plans
from models.base import utc_now
from tests.factories import engine_on
from tests.file_servers import OpenSsh
from tests.journeys.newcomer import Newcomer, newcomer_in

NAME = "Daily partners"

PROFILE: dict[str, Any] = {
    "name": NAME,
    "exportType": "ftp",
    "timeZone": "America/New_York",
    "mappings": [
        {"exportName": "Order", "field": "clientOrderId"},
        {"exportName": "First name", "field": "firstName"},
        {"exportName": "E-mail", "field": "emailAddress", "modifiers": ["lower"]},
        {"exportName": "Total", "field": "orderTotal", "type": "number"},
    ],
    "routes": [
        {"customerType": "Partial", "campaign": 1, "product": "all"},
        {"customerType": "New Sale", "campaign": 1, "product": "all"},
    ],
}

HEAD = "Order,First name,E-mail,Total\r\n"


def event(key: str, customer_type: str, **order: Any) -> str:
    document = {
        "eventId": f"ev-{key}",
        "customerType": customer_type,
        "order": {"clientOrderId": key, "campaignId": 1, "campaignName": "Lander", "customerId": 77, **order},
    }
    return json.dumps(document)


TODAY = [
    event("P1", "Partial", firstName='Zoë "Z"', emailAddress="ZOE@example.com"),
    event("P2", "Partial", firstName="Smith, Jane", emailAddress="jane@example.com"),
    event("P3", "Partial", firstName="Gone", emailAddress="gone@example.com"),
    event("P3", "New Sale", firstName="Gone", emailAddress="gone@example.com", orderTotal="49.90").replace(
        "ev-P3", "ev-P3b"
    ),
    event("S1", "New Sale", firstName="=1+1", emailAddress="s1@example.com", orderTotal="-5.00"),
]
TOMORROW = [
    event("P4", "Partial", firstName="two\nlines", emailAddress="p4@example.com"),
    event("S2", "New Sale", firstName="Łukasz", emailAddress="s2@example.com", orderTotal="1234.50"),
]

PARTIALS_TODAY = HEAD + 'P1,"Zoë ""Z""",zoe@example.com,\r\nP2,"Smith, Jane",jane@example.com,\r\n'
SALES_TODAY = HEAD + "P3,Gone,gone@example.com,49.90\r\nS1,'=1+1,s1@example.com,-5.00\r\n"
PARTIALS_TOMORROW = HEAD + 'P4,"two\nlines",p4@example.com,\r\n'
SALES_TOMORROW = HEAD + "S2,Łukasz,s2@example.com,1234.50\r\n"
"""Written by hand: what the partner must find. P3 was completed before its partial was exported."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSsh]:
    with OpenSsh(tmp_path_factory.mktemp("sftp")) as server:
        yield server


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory, server: OpenSsh) -> Iterator[Newcomer]:
    folder = tmp_path_factory.mktemp("newcomer")
    with newcomer_in(folder, EGRESS_ALLOW=f"127.0.0.1/32:{server.port}") as newcomer:
        yield newcomer


def post(newcomer: Newcomer, events: list[str]) -> None:
    headers = {"Content-Type": "application/x-ndjson"}
    told = newcomer.call("POST", "/events", data="\n".join(events).encode(), headers=headers).json()
    assert told["accepted"] == len(events)


def runs(newcomer: Newcomer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = newcomer.call("GET", f"/runs?profile={NAME}").json()["items"]
    return found


def are_delivered(newcomer: Newcomer, count: int) -> bool:
    return [run["uploadState"] for run in runs(newcomer)] == ["delivered"] * count


@pytest.mark.slow
def test_each_route_has_its_file_each_day_and_they_are_what_the_partner_expects(newcomer: Newcomer, server: OpenSsh):
    schedule = {"schedule": "daily 06:00", "fileName": "{route}_{date}", "companion": "sha256"}
    newcomer.call("PUT", f"/profiles/{NAME}", json={**PROFILE, "settings": server.document(**schedule)})
    with engine_on(newcomer.told()["database_url"]) as engine:
        post(newcomer, TODAY)
        with engine.begin() as connection:  # as if it had been made yesterday: a slot is missed by now
            connection.execute(sa.text("UPDATE profiles SET planned_until = now() - interval '25 hours'"))
        newcomer.until(lambda: are_delivered(newcomer, 2), 30)
        first = {run["period"] for run in runs(newcomer)}
        post(newcomer, TOMORROW)
        run_plans.plan_runs(engine, utc_now() + timedelta(hours=25), "UTC")  # the clock is handed in
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE runs SET due_at = now() WHERE state = 'planned'"))
    newcomer.until(lambda: are_delivered(newcomer, 4), 30)
    (today,), (tomorrow,) = first, {run["period"] for run in runs(newcomer)} - first
    wanted = {
        f"Partial_Lander_all_{today}.csv": PARTIALS_TODAY,
        f"New_Sale_Lander_all_{today}.csv": SALES_TODAY,
        f"Partial_Lander_all_{tomorrow}.csv": PARTIALS_TOMORROW,
        f"New_Sale_Lander_all_{tomorrow}.csv": SALES_TOMORROW,
    }
    for name, content in wanted.items():
        assert (server.root / "in" / name).read_bytes() == content.encode(), name
    assert server.names() == sorted([*wanted, *(f"{name}.sha256" for name in wanted)])
    for run in runs(newcomer):
        assert newcomer.call("GET", f"/runs/{run['id']}/file").content == wanted[run["fileName"]].encode()
        hashed = (server.root / "in" / f"{run['fileName']}.sha256").read_text()
        assert hashed == f"{run['sha256']}  {run['fileName']}\n"
    told = newcomer.call("GET", "/customers/77/history").json()["items"]
    exports = [entry for entry in told if entry["kind"] == "export"]
    assert sorted(entry["result"] for entry in exports) == ["delivered"] * 6 + ["skipped"]
