"""Claim and write the one run that is due, as the worker of files does, and print what it took as JSON."""

from __future__ import annotations

import json
import time

import sqlalchemy as sa
from sqlalchemy.orm import Session

from bench import memory
from config import Config
from models.run import Run
from worker import run_claim, runs
from worker.app import open_workplace
from worker.heart import Heart


def main() -> None:
    """Do it once."""
    place = open_workplace(Config.from_env())
    began = time.monotonic()
    lease = run_claim.claim(place.engine, name="bench", account_time_zone="UTC")
    claimed = time.monotonic()
    if lease is None:
        raise SystemExit("no run is due")
    heart = Heart(place.engine, stopping=lambda: False)
    with heart.beating():
        if not runs.make(place.engine, lease, heart=heart):
            raise SystemExit("the run was not written")
    written = time.monotonic()
    with Session(place.engine) as session:
        size = session.scalars(sa.select(Run.bytes).where(Run.id == lease.run_id)).one()
    peak = memory.peak()
    print(json.dumps({"claim": claimed - began, "seconds": written - claimed, "bytes": size, "megabytes": peak}))


if __name__ == "__main__":
    main()
