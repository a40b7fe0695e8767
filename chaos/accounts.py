"""What was promised beside what came of it: the producers' notes, the receivers' notes, and the database."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from chaos.house import House
from chaos.producers import Accepted
from chaos.profiles import owed
from chaos.receivers import Heard, Receivers

# A try whose end nobody saw may have been sent again by libcurl, on a fresh connection: two requests at most.
DELIVERIES = """SELECT p.name, e.order_snapshot->>'clientOrderId', d.state,
        (SELECT coalesce(sum(t.requests), 0) FROM (SELECT greatest(count(*) FILTER (WHERE a.method IS NOT NULL),
            CASE WHEN bool_and(a.outcome = 'unknown') THEN 2 END) AS requests
            FROM attempts a WHERE a.delivery_id = d.id GROUP BY a.lease_token) t)
    FROM deliveries d JOIN profiles p ON p.id = d.profile_id JOIN events e ON e.id = d.event_id"""

OPEN = "SELECT count(*) FROM deliveries WHERE state IN ('pending', 'leased', 'held')"
STRAYS = "SELECT count(*) FROM events WHERE routed_at IS NULL"

# The reaper has told of this lease that nobody knows how it ended: what comes later must be late.
STALE = """SELECT count(*) FROM attempts a JOIN attempts lost ON lost.delivery_id = a.delivery_id
        AND lost.lease_token = a.lease_token AND lost.outcome = 'unknown' AND lost.method IS NULL
    WHERE a.method IS NOT NULL AND NOT a.late"""


@dataclass(slots=True)
class Account:
    """The count. Every list must be empty."""

    accepted: int = 0
    owed: int = 0
    delivered: int = 0
    good: int = 0
    requests: int = 0
    duplicates: int = 0
    lost: list[str] = field(default_factory=list)
    unproved: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    stale: int = 0

    def faults(self) -> dict[str, list[str]]:
        """Give what must not be."""
        return {
            "lost": self.lost,
            "delivered without proof": self.unproved,
            "requests without an attempt": self.untold,
            "copies that differ": self.changed,
            "stale results taken": [f"{self.stale} attempts"] if self.stale else [],
        }

    @property
    def rate(self) -> float:
        """Of all good answers, the part that went to a copy."""
        return self.duplicates / self.good if self.good else 0.0


def count(house: House, accepted: Accepted, receivers: Receivers) -> Account:
    """Count it."""
    with house.connect() as connection:
        rows = {(name, order): (state, tries) for name, order, state, tries in connection.execute(DELIVERIES)}
        (stale,) = connection.execute(STALE).fetchone() or (0,)
    heard = {
        (name, order): copies for name, all_ in receivers.heard.items() for order, copies in _by_order(all_).items()
    }
    account = Account(accepted=len(accepted.orders), stale=stale)
    for order in accepted.orders:
        for name in owed(int(order[1:])):
            account.owed += 1
            _look(account, f"{name} {order}", rows.get((name, order)), heard.get((name, order), []))
    for pair in heard.keys() - rows.keys():
        account.untold.append(f"{pair[0]} {pair[1]}: a request of no delivery")
    return account


def _look(account: Account, what: str, row: Any, copies: list[Heard]) -> None:
    state, tries = row or ("no delivery", 0)
    good = sum(copy.is_good for copy in copies)
    account.requests += len(copies)
    account.good += good
    account.duplicates += max(0, good - 1)
    account.delivered += state == "delivered"
    if state != "delivered" or not good:
        account.lost.append(f"{what}: {state}, {good} good answers of {len(copies)}")
    if state == "delivered" and not good:
        account.unproved.append(f"{what}: {[copy.behaviour for copy in copies]}")
    if len(copies) > tries:
        account.untold.append(f"{what}: {tries} told, {[copy.behaviour for copy in copies]}")
    if len({(copy.key, copy.digest) for copy in copies}) > 1:
        account.changed.append(f"{what}: copies differ: {Counter(copy.key for copy in copies)}")


def _by_order(heard: list[Heard]) -> dict[str, list[Heard]]:
    found: dict[str, list[Heard]] = {}
    for one in heard:
        found.setdefault(one.order, []).append(one)
    return found


def waiting(house: House) -> int:
    """Count what is not finished: open deliveries, and events that nobody has routed."""
    with house.connect() as connection:
        rows = [connection.execute(query).fetchone() for query in (OPEN, STRAYS)]
    return sum(int(row[0]) for row in rows if row)
