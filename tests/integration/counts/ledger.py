"""What some work asked of Postgres: statements and log as the server counts them, round trips as they went over the wire."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.pq import Trace
from sqlalchemy.pool import ConnectionPoolEntry

from tests.integration.counts.budgets import Budget

_CALLS = """SELECT left(query, 60), sum(calls)::int FROM pg_stat_statements
    WHERE query NOT LIKE '%pg_stat_statements%' AND query NOT LIKE '%pg_current_wal%' GROUP BY 1"""

BYTES_MARGIN = 0.1
"""Pages split at other places from run to run; statements and round trips are exact."""

_ANSWER = re.compile(rb"^B\t\d+\t(?:ReadyForQuery|CopyInResponse)\b", re.MULTILINE)
"""With these the server gives the word back to us: each is one round trip."""


@dataclass
class Bill:
    """What it came to. statements: how often each was run, by how it begins; BEGIN, COPY and COMMIT are statements, too."""

    statements: Counter[str] = field(default_factory=Counter)
    round_trips: int = 0
    wal_bytes: int = 0

    def keeps(self, budget: Budget, *, of: int) -> bool:
        """Say whether it is within a budget for `of` events or deliveries, and not so far below that the budget is void."""
        spent = Budget(self.statements.total(), self.round_trips, round(self.wal_bytes / of))
        most = replace(budget, bytes_each=int(budget.bytes_each * (1 + BYTES_MARGIN)))
        assert spent.statements == most.statements, self.statements
        assert spent.round_trips == most.round_trips, spent
        assert budget.bytes_each / 2 < spent.bytes_each <= most.bytes_each, spent
        return True


class Ledger:
    """Counts on one server that nobody else uses."""

    def __init__(self, url: str, trace: Path) -> None:
        self.url = url
        self._trace = trace

    @contextmanager
    def counted(self, engine: sa.Engine) -> Iterator[Bill]:
        """Count what goes on in this block; round trips are those of the engine's connections. The bill is there afterwards."""
        bill = Bill()
        with psycopg.connect(self.url, autocommit=True) as outside, self._trace.open("wb") as trace:

            def follow(driver: Any, record: ConnectionPoolEntry, _lent: object) -> None:
                if not record.info.get("is_followed"):
                    record.info["is_followed"] = True
                    driver.pgconn.trace(trace.fileno())
                    driver.pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)

            engine.connect().close()  # a new connection's own questions are none of the batch's
            sa.event.listen(engine, "checkout", follow)
            try:
                outside.execute("SELECT pg_stat_statements_reset()")
                before = _written(outside)
                yield bill
                bill.wal_bytes = _written(outside) - before
                bill.statements = Counter(dict(outside.execute(_CALLS).fetchall()))
            finally:
                sa.event.remove(engine, "checkout", follow)
                engine.dispose()  # libpq writes the end of its trace
        bill.round_trips = len(_ANSWER.findall(self._trace.read_bytes()))


def cheapest(bills: Callable[[], Bill], rounds: int = 3) -> Bill:
    """Give the lowest bill: the server logs something of its own now and then, and on a slow machine a pool asks its connections how they are."""
    return min((bills() for _ in range(rounds)), key=lambda bill: (bill.round_trips, bill.wal_bytes))


def _written(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone()
    assert row is not None
    return int(row[0])
