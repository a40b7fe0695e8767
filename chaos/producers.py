"""Producers: they send events until the intake says 2xx, with the same keys again and again, and note what it said."""

from __future__ import annotations

import json
import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import psycopg
import requests

from chaos.house import House

PRODUCERS = 3
BY_SQL = 10
"""Of so many batches one is inserted by plain SQL, as by another program that shares the schema."""

AGAIN_SECONDS = 0.25
LATEST = 1000
INSERT = """INSERT INTO events (event_key, customer_type, order_snapshot)
    VALUES (%s, 'new_sale', %s) ON CONFLICT (event_key) DO NOTHING"""


@dataclass(slots=True)
class Accepted:
    """What was promised: orders, and of those sent over the API when the request that was answered 2xx began."""

    orders: set[str] = field(default_factory=set)
    by_api: list[tuple[str, float]] = field(default_factory=list)  # grows at its end, and others read it meanwhile
    tries: int = 0
    errors: list[str] = field(default_factory=list)

    def begun_since(self, moment: float) -> list[str]:
        """Give orders whose request began since then; of many, the latest."""
        return [order for order, began in self.by_api[-LATEST:] if began >= moment]


def document(number: int) -> dict[str, Any]:
    """Give one event; its campaign decides which receivers get it."""
    return {
        "eventId": f"ev-{number}",
        "customerType": "New Sale",
        "order": {
            "clientOrderId": f"C{number}",
            "campaignId": campaign_of(number),
            "customerId": number % 500,
            "firstName": "Zoë",
            "emailAddress": f"zoe{number}@example.com",
            "orderTotal": "49.95",
        },
    }


def campaign_of(number: int) -> int:
    """Give the campaign of an event."""
    return 1 + number % 4


class Producers:
    """Some threads. `stop` lets each finish the batch it is at."""

    def __init__(self, house: House, *, seed: int, rate: float) -> None:
        self.accepted = Accepted()
        self._house = house
        self._luck = random.Random(seed)
        self._rate = rate
        self._numbers = iter(range(1, 10**9))
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._produce, daemon=True) for _ in range(PRODUCERS)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin no new batch, and wait until the last ones are accepted."""
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _produce(self) -> None:
        with requests.Session() as session:
            while not self._is_over.is_set():
                with self._lock:
                    numbers = [next(self._numbers) for _ in range(self._luck.randint(1, 20))]
                    is_sql = self._luck.randrange(BY_SQL) == 0
                self._send(session, numbers, is_sql=is_sql)
                self._is_over.wait(len(numbers) * PRODUCERS / self._rate)

    def _send(self, session: requests.Session, numbers: list[int], *, is_sql: bool) -> None:
        """Send one batch until it is accepted, whatever happens meanwhile."""
        documents = [document(number) for number in numbers]
        while True:
            began = time.monotonic()
            self.accepted.tries += 1
            if self._insert(documents) if is_sql else self._post(session, documents):
                orders = [one["order"]["clientOrderId"] for one in documents]
                self.accepted.orders.update(orders)
                if not is_sql:
                    self.accepted.by_api += [(order, began) for order in orders]
                return
            time.sleep(AGAIN_SECONDS)

    def _post(self, session: requests.Session, documents: list[dict[str, Any]]) -> bool:
        headers = {"Authorization": f"Bearer {self._house.api_key}"}
        try:
            answer = session.post(f"{self._house.url}/api/v1/events", json=documents, headers=headers, timeout=10)
        except requests.RequestException:
            return False
        if answer.status_code >= 500:
            return False
        told = answer.json() if answer.ok else {}
        if told.get("accepted", 0) + told.get("duplicates", 0) != len(documents):
            self.accepted.errors.append(f"{answer.status_code} {answer.text[:200]}")
        return True

    def _insert(self, documents: list[dict[str, Any]]) -> bool:
        rows = [(one["eventId"], json.dumps(one["order"])) for one in documents]
        try:
            with psycopg.connect(self._house.database_url, connect_timeout=5) as connection:
                connection.cursor().executemany(INSERT, rows)
        except psycopg.Error:
            return False
        return True
