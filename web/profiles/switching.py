"""Switching profiles and routes: alone, so that no event falls between the switch and the back-fill."""

from __future__ import annotations

import random
import time

import sqlalchemy as sa
from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from models.routing import lock_routing
from web.profiles.faults import Busy

TRIES = 5
LONGEST_WAIT = "2s"
"""A waiting exclusive lock stalls the intake, so it never waits longer than this at a stretch."""


def lock_alone(session: Session) -> None:
    """Hold the routing lock alone to the end of the transaction. Raises Busy when it cannot be had in some seconds."""
    for left in reversed(range(TRIES)):
        try:
            with session.begin_nested():
                session.execute(sa.text(f"SET LOCAL lock_timeout = '{LONGEST_WAIT}'"))
                lock_routing(session, exclusive=True)
                session.execute(sa.text("SET LOCAL lock_timeout TO DEFAULT"))
        except OperationalError as error:
            if not isinstance(error.orig, LockNotAvailable | DeadlockDetected):
                raise
            if not left:
                raise Busy("Too many events are coming in at this moment; try again.") from error
            time.sleep(random.uniform(0.05, 0.3))
        else:
            return
