"""The tick: every few seconds, what nobody else is sure to do. Each step is safe to do twice, and by two at once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from models import heartbeat, jobs, partitions, run_plans
from models.base import utc_now
from models.strays import MOST, route_strays
from worker import alerts, file_check, prune, reaper
from worker.app import Workplace
from worker.queues import Doorbell, ring_files

log = logging.getLogger(__name__)

TICK_SECONDS = 20.0
"""Back-fills and replays go on for so long in one tick; the next one carries on."""

# Ordered with LIMIT, not EXISTS: for that Postgres would read every due row of all profiles.
DUE = sa.text(
    """/* tick: is anything due? */
    SELECT coalesce((SELECT true FROM gates g JOIN profiles p ON p.id = g.profile_id
        CROSS JOIN LATERAL (SELECT FROM deliveries d WHERE d.profile_id = g.profile_id AND d.state = 'pending'
            AND d.due_at <= now() ORDER BY d.retried, d.due_at, d.id LIMIT 1) AS due
        WHERE g.opens_at <= now() AND g.fault IS DISTINCT FROM 'settings'
          AND p.enabled AND NOT p.paused AND p.deleted_at IS NULL LIMIT 1), false)"""
)

# Behind a closed gate a run or an upload waits without a bell. An upload's own gate is shut by both faults.
FILES_DUE = sa.text(
    """/* tick: is a file to be made or sent? */
    SELECT EXISTS (SELECT FROM runs w JOIN profiles p ON p.id = w.profile_id JOIN gates g ON g.profile_id = p.id
        WHERE w.state IN ('planned', 'claimed') AND w.due_at <= now()
          AND (w.lease_until IS NULL OR w.lease_until <= now())
          AND p.enabled AND NOT p.paused AND p.deleted_at IS NULL AND g.fault IS DISTINCT FROM 'making')
      OR EXISTS (SELECT FROM uploads u JOIN profiles p ON p.id = u.profile_id JOIN gates g ON g.profile_id = p.id
        WHERE u.state = 'pending' AND u.due_at <= now()
          AND p.enabled AND NOT p.paused AND p.deleted_at IS NULL AND g.fault IS DISTINCT FROM 'upload')
      OR EXISTS (SELECT FROM uploads WHERE state = 'leased' AND lease_until <= now())"""
)


def run_tick(place: Workplace) -> None:
    """Do one tick.

    Free lost leases, route strays, plan files, ring if work is due, carry jobs on, tell of what waits for long, look
    after the tables.

    A step that fails must not keep the others from their work, tick after tick. The tick then fails at its end, so that
    it is seen.
    """
    ends = monotonic() + TICK_SECONDS
    steps: tuple[Callable[[Workplace, float], None], ...] = (
        _beat,
        _reap,
        _route,
        _plan,
        _ring,
        _ring_files,
        _carry_on,
        _ring,
        _alert,
        _keep,
        _check,
    )
    faults: list[Exception] = []
    for step in steps:
        try:
            step(place, ends)
        except Exception as fault:
            log.exception("tick.step_failed", extra={"step": step.__name__.strip("_")})
            faults.append(fault)
    if faults:
        raise faults[0]


def _beat(place: Workplace, _ends: float) -> None:
    heartbeat.beat(place.engine, "tick")


def _reap(place: Workplace, _ends: float) -> None:
    while reaper.reap(place.engine) == reaper.REAP_MOST:
        pass


def _route(place: Workplace, ends: float) -> None:
    zone = ZoneInfo(place.config.account_time_zone)
    taken = MOST
    while taken == MOST and monotonic() < ends:
        with place.engine.begin() as connection:
            taken, _ = route_strays(connection, zone, place.config.card_scan_exempt)
        if taken:
            log.info("strays.routed", extra={"events": taken})


def _ring(place: Workplace, _ends: float) -> None:
    with place.engine.connect() as connection:
        is_due = bool(connection.scalar(DUE))
    if is_due:
        Doorbell(place.redis, workers=place.config.worker_processes).ring()


def _plan(place: Workplace, _ends: float) -> None:
    run_plans.plan_runs(place.engine, utc_now(), place.config.account_time_zone)


def _ring_files(place: Workplace, _ends: float) -> None:
    with place.engine.connect() as connection:
        is_due = bool(connection.scalar(FILES_DUE))
    if is_due:
        ring_files(place.redis)


def _carry_on(place: Workplace, ends: float) -> None:
    while monotonic() < ends and jobs.run_one_batch(place.engine):
        pass


def _alert(place: Workplace, _ends: float) -> None:
    alerts.look(place.engine, utc_now())


def _keep(place: Workplace, _ends: float) -> None:
    partitions.make(place.engine, utc_now().date())
    prune.prune_hourly(place.engine, utc_now())


def _check(place: Workplace, _ends: float) -> None:
    file_check.check_daily(place.engine, utc_now(), place.config.account_time_zone)
