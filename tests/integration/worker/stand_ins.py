"""Jobs and workers to be shot at: `python -m tests.integration.worker.stand_ins WHAT` runs one in a process of its own."""

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

from config import Config
from logs import start_logging
from worker.horse import current
from worker.queues import patient_redis
from worker.rq_job import WaybillJob
from worker.rq_worker import WaybillWorker
from worker.supervisor import Supervisor

QUEUE = "stand-ins"
HERE = "tests.integration.worker.stand_ins"


class StandInJob(WaybillJob):
    allowed = frozenset(f"{HERE}.{name}" for name in ("mark", "pump", "nap", "fail", "die"))


def note(*words: object) -> None:
    with Path(os.environ["NOTES"]).open("a") as file:
        file.write(" ".join(map(str, words)) + "\n")


def mark(word: str) -> None:
    note("mark", word, current().name, os.getpid())


def pump() -> None:
    """Like a pump: works until asked to end, then needs a moment to drain."""
    note("pump", os.getpid(), current().name)
    while not current().is_stopping():
        time.sleep(0.02)
    time.sleep(0.5)
    note("drained", os.getpid())


def nap() -> None:
    note("nap", os.getpid())
    time.sleep(1)


def fail() -> None:
    raise RuntimeError("canary-4711")


def die() -> None:
    note("die", current().name, os.getpid())
    os.kill(os.getpid(), signal.SIGKILL)


def work(boss: int = 0) -> None:
    config = Config.from_env()
    redis = patient_redis(config.redis_url, retries=100)
    WaybillWorker(
        QUEUE, config=config, connection=redis, name=f"worker-{os.getpid()}", job_class=StandInJob, boss=boss
    ).work()
    note("left", os.getpid())


def live(name: str) -> None:
    note(name, os.getpid())
    time.sleep(0.1 if name == "short" else 60)


if __name__ == "__main__":
    start_logging()
    note("begun", os.getpid())
    if sys.argv[1] == "worker":
        work()
    elif sys.argv[1] == "team":
        Supervisor({"worker": partial(work, os.getpid())}).go()
    else:
        Supervisor({"short": partial(live, "short"), "long": partial(live, "long")}).go()
