"""Waits until all is delivered, or until something waits that nothing is in the way of."""

from __future__ import annotations

import time

import psycopg

from chaos import accounts
from chaos.acts import Stage

STILL_SECONDS = 30.0
"""The promise: what is due is claimed within so long. What waits longer without a lease or a breaker is lost."""

LONGEST_SECONDS = 400.0

# The reaper, a probe and a back-off have some seconds to act once the time has come.
HAS_A_WAY_ON = """SELECT EXISTS (SELECT FROM deliveries WHERE state = 'leased' AND lease_until > now() - interval '10 s')
    OR EXISTS (SELECT FROM runs WHERE state = 'claimed' AND lease_until > now() - interval '10 s')
    OR EXISTS (SELECT FROM uploads WHERE state = 'leased' AND lease_until > now() - interval '10 s')
    OR EXISTS (SELECT FROM deliveries d JOIN gates g USING (profile_id)
        WHERE d.state = 'pending' AND g.opens_at > now() - interval '10 s')"""


def wait(on: Stage) -> int:
    """Wait; give how much is open in the end."""
    began = still_since = time.monotonic()
    lowest = float("inf")
    while time.monotonic() < min(still_since + STILL_SECONDS, began + LONGEST_SECONDS):
        time.sleep(0.5)
        try:
            open_now = accounts.waiting(on.house) + on.clerk.open_files()
            has_a_way_on = _has_a_way_on(on)
        except psycopg.OperationalError:
            continue
        if not open_now:
            return 0
        if open_now < lowest or has_a_way_on:
            lowest, still_since = min(lowest, open_now), time.monotonic()
    return open_now


def _has_a_way_on(on: Stage) -> bool:
    with on.house.connect() as connection:
        row = connection.execute(HAS_A_WAY_ON).fetchone()
    return bool(row and row[0])
