"""Numbers for Prometheus, counted when asked, by queries that stay cheap with millions of rows. Profiles go by number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from models.base import utc_now
from models.waiting import MOST_COUNTED, WAITING

# The planner's own statistics: a real count would read the whole table.
BY_STATE = sa.text(
    """/* metrics: about how many deliveries are in which state */
    SELECT s.state, round(greatest(c.reltuples, 0) * s.share) AS about
    FROM pg_class c CROSS JOIN LATERAL (
        SELECT unnest(t.most_common_vals::text::text[]) AS state, unnest(t.most_common_freqs) AS share
        FROM pg_stats t WHERE t.schemaname = current_schema() AND t.tablename = 'deliveries' AND t.attname = 'state') AS s
    WHERE c.oid = to_regclass('deliveries')"""
)

BEATS = sa.text(
    """/* metrics: signs of life */
    SELECT (SELECT extract(epoch FROM now() - at) FROM heartbeats WHERE name = 'tick') AS tick_age,
        (SELECT count(*) FROM heartbeats WHERE name LIKE 'deliver:%' AND at > now() - interval '60 s') AS workers,
        (SELECT count(*) FROM (SELECT FROM events WHERE routed_at IS NULL LIMIT 100000) AS counted) AS unrouted"""
)

# By the partial indexes of what is open; the gates are few.
FILES = sa.text(
    """/* metrics: files to be made and sent */
    SELECT (SELECT count(*) FROM runs WHERE state IN ('planned', 'claimed') AND due_at <= now()) AS due,
        (SELECT count(*) FROM uploads WHERE state = 'pending') AS uploads,
        (SELECT count(*) FROM uploads WHERE state = 'pending' AND failures >= 3) AS failing,
        (SELECT count(*) FROM gates WHERE fault IN ('upload', 'making')) AS stopped"""
)


class Metrics(Collector):
    """Asks Postgres at each scrape."""

    def __init__(self, engine: Callable[[], sa.Engine]) -> None:
        self._engine = engine

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield every number."""
        with self._engine().connect() as connection:
            waiting = connection.execute(WAITING).all()
            states = connection.execute(BY_STATE).all()
            beats = connection.execute(BEATS).one()
            files = connection.execute(FILES).one()
        yield from _profiles(waiting)
        about = GaugeMetricFamily(
            "waybill_deliveries_estimate", "Deliveries by stored state, by the planner's estimate", labels=["state"]
        )
        for row in states:
            about.add_metric([row.state], float(row.about))
        yield about
        yield _one("waybill_workers", "Deliver workers that gave a sign of life in the last minute", beats.workers)
        yield _one("waybill_events_unrouted", "Events that no tick has taken up yet", beats.unrouted)
        yield _one("waybill_files_due", "Files that are to be made now", files.due)
        yield _one("waybill_uploads_waiting", "Uploads that wait", files.uploads)
        yield _one("waybill_uploads_failing", "Of those, uploads that failed three times or more", files.failing)
        yield _one("waybill_file_profiles_stopped", "File profiles that wait for a person", files.stopped)
        if beats.tick_age is not None:
            yield _one("waybill_tick_age_seconds", "Time since the last tick", beats.tick_age)


def _profiles(rows: Sequence[sa.Row[Any]]) -> Iterator[GaugeMetricFamily]:
    numbers = {
        "pending": GaugeMetricFamily(
            "waybill_waiting", f"Deliveries that wait, counted up to {MOST_COUNTED}", labels=["profile"]
        ),
        "leased": GaugeMetricFamily("waybill_in_flight", "Deliveries under way", labels=["profile"]),
        "oldest": GaugeMetricFamily(
            "waybill_oldest_waiting_seconds", "How long the delivery that is due first has been due", labels=["profile"]
        ),
        "is_closed": GaugeMetricFamily(
            "waybill_gate_closed", "1 while a profile is off, paused or its receiver at fault", labels=["profile"]
        ),
        "alert": GaugeMetricFamily(
            "waybill_alert_hours",
            "1, 6 or 24: the profile's exports have waited or failed for so long; 0 without an alert",
            labels=["profile"],
        ),
    }
    for row in rows:
        for name, family in numbers.items():
            value = _age(row.oldest) if name == "oldest" else getattr(row, name)
            family.add_metric([str(row.id)], max(0.0, float(value or 0)))
    yield from numbers.values()


def _age(moment: datetime | None) -> float:
    return 0.0 if moment is None else (utc_now() - moment).total_seconds()


def _one(name: str, words: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, words, value=float(value))
