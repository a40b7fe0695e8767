"""Whom the measured pages are about: chosen from what the loader made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from bench.load_people import TESTER

MANY = 20
"""So many different ones of a kind are visited in turn, so that no page is simply the last one again."""


@dataclass(frozen=True, slots=True)
class Subjects:
    """Profiles by what is special about them, as number and name; customers and so on from all over the table."""

    profiles: dict[str, tuple[int, str]]
    customers: Sequence[str]
    emails: Sequence[str]
    phones: Sequence[str]
    orders: Sequence[str]
    events: Sequence[str]
    deliveries: Sequence[int]
    runs: Sequence[int]
    replays: Sequence[int]
    day: tuple[str, str]

    @classmethod
    def find(cls, connection: sa.Connection) -> Subjects:
        """Choose them."""
        events = connection.execute(_spread("events", "id, event_key, order_key, customer_id, accepted_at")).all()
        customers = [row.customer_id for row in events if row.customer_id != TESTER]
        people = connection.execute(
            sa.text("SELECT email, phone FROM customers WHERE customer_id = ANY(:ids)"), {"ids": customers}
        ).all()
        middle = sorted(row.accepted_at for row in events)[len(events) // 2]
        return cls(
            profiles=_profiles(connection),
            customers=customers,
            emails=[row.email for row in people],
            phones=[row.phone for row in people],
            orders=[row.order_key for row in events],
            events=[row.event_key for row in events],
            deliveries=[row.id for row in connection.execute(_spread("deliveries", "id"))],
            runs=[row.id for row in connection.execute(_spread("runs", "id"))],
            replays=list(connection.scalars(sa.text("SELECT id FROM jobs WHERE kind = 'replay' ORDER BY id LIMIT 20"))),
            day=(f"{middle:%Y-%m-%dT00:00}", f"{middle:%Y-%m-%dT23:59}"),
        )


def _spread(table: str, columns: str) -> sa.TextClause:
    return sa.text(
        f"SELECT {columns} FROM {table} WHERE id IN (SELECT n * (SELECT max(id) FROM {table}) / {MANY + 1}"
        f" FROM generate_series(1, {MANY}) n)"
    )


_PROFILES = sa.text(
    """WITH counts AS (SELECT profile_id, count(*) AS deliveries FROM deliveries GROUP BY profile_id),
    counted AS (SELECT p.id, p.name, p.enabled, p.paused, p.deleted_at, g.fault, coalesce(c.deliveries, 0) AS deliveries
        FROM profiles p JOIN gates g ON g.profile_id = p.id LEFT JOIN counts c ON c.profile_id = p.id
        WHERE p.export_type = 'postback'),
    open AS (SELECT * FROM counted WHERE enabled AND NOT paused AND fault IS NULL AND deleted_at IS NULL)
    (SELECT 'largest' AS what, id, name FROM counted ORDER BY deliveries DESC LIMIT 1)
    UNION ALL (SELECT 'middle', id, name FROM open WHERE deliveries > 7
        ORDER BY abs(id - (SELECT max(id) / 2 FROM counted)) LIMIT 1)
    UNION ALL (SELECT 'few', id, name FROM open WHERE deliveries BETWEEN 1 AND 7 LIMIT 1)
    UNION ALL (SELECT 'none', id, name FROM open WHERE deliveries = 0 LIMIT 1)
    UNION ALL (SELECT 'paused', id, name FROM counted WHERE paused LIMIT 1)
    UNION ALL (SELECT 'down', id, name FROM counted WHERE fault = 'breaker' ORDER BY deliveries DESC LIMIT 1)
    UNION ALL (SELECT 'long off', id, name FROM counted WHERE NOT enabled ORDER BY id DESC LIMIT 1)
    UNION ALL (SELECT 'files', id, name FROM profiles WHERE export_type = 'csv' LIMIT 1)"""
)


def _profiles(connection: sa.Connection) -> dict[str, tuple[int, str]]:
    return {row.what: (row.id, row.name) for row in connection.execute(_PROFILES)}
