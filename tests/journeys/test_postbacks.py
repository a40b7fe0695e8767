"""The main job through real parts: events in over the API, requests out to a real receiver, whatever happens between."""

import gzip
import json
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from dev.files import kept_port
from tests.journeys.newcomer import Newcomer, newcomer_in
from tests.receivers import Receiver

PROFILE: dict[str, Any] = {
    "name": "Call centre partials",
    "exportType": "postback",
    "intervalMinutes": 0,
    "mappings": [
        {"exportName": "first_name", "field": "firstName"},
        {"exportName": "order_date", "field": "orderDate"},
        {"exportName": "list_id", "static": "400"},
        {"exportName": "email_address", "field": "emailAddress"},
        {"exportName": "campaign_number", "field": "campaignId"},
    ],
    "routes": [{"customerType": "Partial", "campaign": 1, "product": "all"}],
}


def partial(number: int) -> dict[str, Any]:
    order = {
        "clientOrderId": f"B{number}",
        "campaignId": 1,
        "customerId": 77,
        "dateCreated": "2026-11-23 09:58:12",
        "firstName": "Zoë & Søn",
        "emailAddress": f"a+{number}@example.com",
    }
    return {"eventId": f"ev-{number}", "customerType": "Partial", "order": order}


def line(number: int) -> str:
    return (
        "GET /ok/partials.php?first_name=Zo%C3%AB%20%26%20S%C3%B8n&order_date=2026-11-23%2009%3A58%3A12&list_id=400"
        f"&email_address=a%2B{number}%40example.com&campaign_number=1 HTTP/1.1"
    )


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> int:
    return kept_port(tmp_path_factory.mktemp("receiver") / "port")


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Newcomer]:
    folder = tmp_path_factory.mktemp("newcomer")
    with newcomer_in(folder, EGRESS_ALLOW=f"127.0.0.1/32:{port}") as newcomer:
        settings = {
            "url": f"http://127.0.0.1:{port}/ok/partials.php",
            "retryFirstSeconds": 1,
            "retryCapSeconds": 2,
            "timeoutSeconds": 2,
        }
        newcomer.call("PUT", f"/profiles/{PROFILE['name']}", json={**PROFILE, "settings": settings})
        yield newcomer


def post(newcomer: Newcomer, numbers: range) -> dict[str, Any]:
    lines = "\n".join(json.dumps(partial(number)) for number in numbers)
    headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
    told: dict[str, Any] = newcomer.call("POST", "/events", data=gzip.compress(lines.encode()), headers=headers).json()
    return told


def delivered(newcomer: Newcomer, count: int) -> bool:
    query = f"/deliveries?profile={PROFILE['name']}&state=delivered&limit=1000"
    return len(newcomer.call("GET", query).json()["items"]) == count


class TestPostbacks:
    """One installation and one receiver; each test goes on where the one before ended."""

    def test_an_event_arrives_byte_for_byte_within_a_moment(self, newcomer: Newcomer, port: int) -> None:
        with Receiver(port=port) as receiver:
            assert post(newcomer, range(1)) == {"accepted": 1, "duplicates": 0, "errors": []}
            newcomer.until(lambda: len(receiver.seen) == 1, seconds=10)
            assert receiver.seen[0].line == line(0)
            newcomer.until(lambda: delivered(newcomer, 1), seconds=10)
            told = newcomer.call("GET", "/deliveries").json()["items"][0]
            assert receiver.seen[0].headers["webhook-id"] == told["webhookId"]
            assert post(newcomer, range(1)) == {"accepted": 0, "duplicates": 1, "errors": []}
            time.sleep(1.5)
            assert len(receiver.seen) == 1

    def test_a_killed_worker_and_a_receiver_that_was_down_lose_nothing(self, newcomer: Newcomer, port: int) -> None:
        assert post(newcomer, range(1, 301))["accepted"] == 300
        time.sleep(2)  # the receiver is down: tries fail, the breaker opens
        with Receiver(port=port) as receiver:
            newcomer.until(lambda: len(receiver.seen) > 20, seconds=60)
            worker = psutil.Process(newcomer.told()["pids"]["worker"])
            for process in [worker, *worker.children(recursive=True)]:
                os.kill(process.pid, signal.SIGKILL)
            newcomer.until(lambda: delivered(newcomer, 301), seconds=120)
            lines = [one.line for one in receiver.seen]
            assert set(lines) == {line(number) for number in range(1, 301)}
            keys = {one.line: one.headers["webhook-id"] for one in receiver.seen}
            assert all(keys[one.line] == one.headers["webhook-id"] for one in receiver.seen)

    def test_the_customers_history_says_what_was_sent(self, newcomer: Newcomer) -> None:
        history = newcomer.call("GET", "/customers/77/history").json()["items"]
        exported = [one for one in history if one["kind"] == "export"]
        assert exported[0]["result"] == "delivered"
        assert 'exported to "Call centre partials"' in exported[0]["message"]
