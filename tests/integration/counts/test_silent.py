"""A receiver that never answers with 100,000 waiting for it: it costs no more than with 1,000, and is fed slowly once it is back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest

from tests.factories import route
from tests.integration.counts.ledger import Ledger
from tests.integration.worker.works import Works, wait_until
from tests.receivers import Receiver
from worker import record

FEW, MANY = 1_000, 100_000
FLAT_BYTES = 60 * 1024 * 1024
AFTER_HEALING = 100

CUSTOMER = """INSERT INTO customers (customer_id, last_seen_at) VALUES ('heap', now()) ON CONFLICT DO NOTHING"""
EVENTS = """INSERT INTO events (event_key, customer_type, occurred_at, customer_id, product_ids, order_snapshot, routed_at)
    SELECT 'heap-' || n, 'lead', now(), 'heap', '{}', '{}', now() FROM generate_series(:first + 1, :last) AS n"""
WAITING = """INSERT INTO deliveries (event_id, profile_id, due_at)
    SELECT id, :profile, now() - interval '1 minute' FROM events WHERE customer_type = 'lead' AND id > :known"""
PAGES = """SELECT sum(shared_blks_hit + shared_blks_read)::int AS read FROM pg_stat_statements
    WHERE query NOT LIKE '%pg_stat_statements%' AND query NOT LIKE '%pg_current_wal%'"""


class Doors(ThreadingHTTPServer):
    request_queue_size = 512  # with the usual 5 the kernel turns away who comes in a crowd
    daemon_threads = True


class Moody:
    """A receiver that is silent until it is healed. concurrent: how many were with it as each request came, since then."""

    def __init__(self) -> None:
        self.is_healed = False
        self.silenced = 0
        self.concurrent: list[int] = []
        self._inside = 0
        self._lock = threading.Lock()
        self._ends = threading.Event()
        moody = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", "0")))
                if moody.answers():
                    self.send_response(200)
                    self.send_header("Content-Length", "0")
                    moody.leave()
                    self.end_headers()

            do_GET = do_POST  # noqa: N815 -- http.server's name

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = Doors(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answers(self) -> bool:
        if not self.is_healed:
            self.silenced += 1
            self._ends.wait(60)
            return False
        with self._lock:
            self._inside += 1
            self.concurrent.append(self._inside)
        time.sleep(0.02)
        return True

    def leave(self) -> None:
        """Before the answer is written: who reads it may send the next at once."""
        with self._lock:
            self._inside -= 1

    def close(self) -> None:
        self._ends.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def moody() -> Iterator[Moody]:
    made = Moody()
    yield made
    made.close()


def pile_up(works: Works, profile: int, *, first: int, last: int) -> None:
    """Let the rows from `first` to `last` wait for a profile, and the planner know of them."""
    (known,) = works.rows("SELECT coalesce(max(event_id), 0) AS id FROM deliveries WHERE profile_id = :p", p=profile)
    works.run(CUSTOMER)
    works.run(EVENTS, first=first, last=last)
    works.run(WAITING, profile=profile, known=known.id)
    works.run("ANALYZE deliveries")


def cost_of_a_claim(ledger: Ledger, works: Works) -> tuple[int, int]:
    """Claim and give back. Gives the statements of the claim, and the pages they read."""
    record.give_back(works.engine, works.claim(100))  # what is compiled once is compiled now
    with ledger.counted(works.engine) as bill:
        leases = works.claim(100)
    assert len(leases) == 32
    (pages,) = works.rows(PAGES)
    record.give_back(works.engine, leases)
    return bill.statements.total(), pages.read


def test_with_100000_waiting_a_claim_reads_no_more_and_a_receiver_that_is_back_is_not_flooded(
    ledger: Ledger, works: Works, moody: Moody
):
    profile = works.profile(
        moody.url, routes=[route(campaign="nobody")], settings={"timeoutSeconds": 1, "maxInFlight": 32}
    )
    pile_up(works, profile, first=0, last=FEW)
    statements, pages = cost_of_a_claim(ledger, works)
    pile_up(works, profile, first=FEW, last=MANY)
    assert works.states(profile) == {"pending": MANY}
    many_statements, many_pages = cost_of_a_claim(ledger, works)
    assert many_statements == statements
    assert many_pages < 2 * pages + 100  # one level more of an index, not a hundred times the rows

    before = psutil.Process().memory_info().rss
    with Receiver() as good, works.pumping():
        wait_until(lambda: works.gate(profile).fault == "breaker", 30)
        assert moody.silenced <= 32
        well = works.profile(good.url(), routes=[route(campaign="well")])
        works.events(20, campaignId="well")
        wait_until(lambda: works.is_done(well))
        moody.is_healed = True
        works.open_gate(profile)
        wait_until(lambda: len(moody.concurrent) >= AFTER_HEALING, 30)
    assert psutil.Process().memory_info().rss - before < FLAT_BYTES
    # One, one, two, four: as many at once as have succeeded before, and never more than the profile allows.
    for number, at_once in enumerate(moody.concurrent[:AFTER_HEALING]):
        assert at_once <= min(32, max(1, number))
