"""The tick: every few seconds, what nobody else is sure to do. Each step is safe to do twice, and by two at once."""

from __future__ import annotations

import logging
from time import monotonic
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from models import heartbeat, jobs, partitions
from models.base import utc_now
from models.strays import MOST, route_strays
from worker import prune, reaper
from worker.app import Workplace
from worker.queues import Doorbell

log = logging.getLogger(__name__)

TICK_SECONDS = 20.0
"""Back-fills and replays go on for so long in one tick; the next one carries on."""

DUE = sa.text(
    """/* tick: is anything due? */
    SELECT EXISTS (SELECT FROM gates g JOIN profiles p ON p.id = g.profile_id
        WHERE g.opens_at <= now() AND p.enabled AND NOT p.paused AND p.deleted_at IS NULL
          AND EXISTS (SELECT FROM deliveries d WHERE d.profile_id = g.profile_id AND d.state = 'pending'
              AND d.retried IN (false, true) AND d.due_at <= now()))"""
)


def run_tick(place: Workplace) -> None:
    """Do one tick: route strays, carry jobs on, free lost leases, make and drop partitions, ring if work is due."""
    ends = monotonic() + TICK_SECONDS
    heartbeat.beat(place.engine, "tick")
    _route(place, ends)
    while reaper.reap(place.engine) == reaper.REAP_MOST:
        pass
    while monotonic() < ends and jobs.run_one_batch(place.engine):
        pass
    partitions.make(place.engine, utc_now().date())
    prune.prune_hourly(place.engine, utc_now())
    with place.engine.connect() as connection:
        is_due = bool(connection.scalar(DUE))
    if is_due:
        Doorbell(place.redis, workers=place.config.worker_processes).ring()


def _route(place: Workplace, ends: float) -> None:
    zone = ZoneInfo(place.config.account_time_zone)
    taken = MOST
    while taken == MOST and monotonic() < ends:
        with place.engine.begin() as connection:
            taken, _ = route_strays(connection, zone)
        if taken:
            log.info("strays.routed", extra={"events": taken})
