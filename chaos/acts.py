"""Faults that must fall into one moment, so that they are played, not left to luck. Each says what must not be."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil
import redis as client
import requests

from chaos import profiles
from chaos.accounts import STALE
from chaos.clerk import Clerk
from chaos.house import House
from chaos.receivers import Receivers
from chaos.servers import FileServers

COMMIT_LOCK = 7_001
GRACE_SECONDS = 1.0  # as long as a request is left to its answer when its process wakes up
LEASED = (
    "SELECT leased_by FROM deliveries WHERE state = 'leased' AND profile_id = (SELECT id FROM profiles WHERE name = %s)"
)

# What happens at the commit of this event takes a lock that we hold: the commit lasts until we let go.
SLOW_COMMIT = f"""
    CREATE OR REPLACE FUNCTION chaos_wait() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_advisory_xact_lock({COMMIT_LOCK}); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER chaos_slow_commit AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW WHEN (NEW.event_key = 'slow-commit') EXECUTE FUNCTION chaos_wait()"""
WAITS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted"


class NotPlayed(Exception):
    """The moment did not come: the run says nothing."""


class NotFreed(Exception):
    """A lease was over, and nobody did anything about it."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Whom the acts play with."""

    house: House
    receivers: Receivers
    servers: FileServers
    clerk: Clerk


def bell_during_commit(on: Stage) -> int:
    """Hold the commit of one event, and give how often the bell was rung meanwhile. Nothing else may be going on."""
    with on.house.connect() as connection:
        connection.execute(SLOW_COMMIT)
        connection.execute("SELECT pg_advisory_lock(%s)", (COMMIT_LOCK,))
        before = _rings(on.house)
        sender = threading.Thread(target=_post, args=(on.house, _event("slow-commit", 0)), daemon=True)
        sender.start()
        _wait(lambda: _one(connection, WAITS, COMMIT_LOCK) > 0, 10, "the event was never committed")
        time.sleep(0.5)
        rings = _rings(on.house) - before
        connection.execute("SELECT pg_advisory_unlock(%s)", (COMMIT_LOCK,))
        sender.join(10)
        connection.execute("DROP TRIGGER chaos_slow_commit ON events")
    _wait(lambda: "C0" in on.receivers.arrived, 10, "the event never arrived")
    return rings


def stop_past_the_lease(on: Stage) -> int:
    """Stop a work horse until another has taken over its request, and let it tell its late result then.

    Gives how many results of a lease that was over were taken for good. Raises NotFreed.
    """
    order = "C-patient"
    profiles.put(on.house, profiles.PATIENT, on.receivers.url(profiles.PATIENT), 99)
    _post(on.house, _event("patient", 99, order))
    _wait(lambda: on.receivers.count(profiles.PATIENT) == 1, 20, "the patient receiver saw nothing")
    horse = _horse_of(on.house)
    horse.send_signal(signal.SIGSTOP)
    try:
        _wait(lambda: on.receivers.count(profiles.PATIENT) == 2, profiles.LEASE_SECONDS + 30, "nobody took over")
    except NotPlayed as reason:
        on.receivers.release()
        raise NotFreed(str(reason)) from reason
    finally:
        with suppress(psutil.Error):
            horse.send_signal(signal.SIGCONT)
    # Its deadline was over long ago: it listens for one more second, then records, while the other waits for the answer.
    time.sleep(GRACE_SECONDS + 1.5)
    on.receivers.release()
    with on.house.connect() as connection:
        return _one(connection, STALE)


def two_runs_at_once(on: Stage) -> None:
    """Have both workers claim a run of the same route at the same time."""
    for _ in range(2):
        _wait(lambda: on.clerk.ask("ftp"), 10, "nobody heard *Run now*")


def _horse_of(house: House) -> psutil.Process:
    with house.connect() as connection:
        row = connection.execute(LEASED, (profiles.PATIENT,)).fetchone()
    if row is None:
        raise NotPlayed("the request was over before its horse was found")
    worker = psutil.Process(int(row[0].split(":")[1]))
    for horse in worker.children():
        return horse
    raise NotPlayed("its horse is gone")


def _event(key: str, campaign: int, order: str = "C0") -> dict[str, Any]:
    return {
        "eventId": key,
        "customerType": "New Sale",
        "order": {"clientOrderId": order, "campaignId": campaign, "customerId": 1},
    }


def _post(house: House, event: dict[str, Any]) -> None:
    """Send an event until it is accepted: web may be shot meanwhile."""
    headers = {"Authorization": f"Bearer {house.api_key}"}
    _wait(lambda: _is_accepted(house, event, headers), 30, "an event was never accepted")


def _is_accepted(house: House, event: dict[str, Any], headers: dict[str, str]) -> bool:
    try:
        return requests.post(f"{house.url}/api/v1/events", json=event, headers=headers, timeout=20).ok
    except requests.RequestException:
        return False


def _rings(house: House) -> int:
    """Give how often the bell was touched: nobody else pushes from the left."""
    with client.Redis.from_url(house.redis_url) as redis:
        told: dict[str, Any] = redis.info("commandstats")
    return int(told.get("cmdstat_lpush", {}).get("calls", 0))


def _one(connection: Any, query: str, *values: Any) -> int:
    return int(connection.execute(query, values).fetchone()[0])


def _wait(is_so: Callable[[], bool], seconds: float, otherwise: str) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise NotPlayed(otherwise)
        time.sleep(0.02)
