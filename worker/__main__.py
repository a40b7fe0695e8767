"""`python -m worker`: WORKER_PROCESSES workers on the queue `deliver`, one on `files`, and one on `tick`.

Each worker before it waits sees to it that a job is there, so pumps are in their time boxes practically always, and
come back by themselves after a lost queue, a flushed Redis or a killed process.
"""

from __future__ import annotations

import gc
import logging
import os
import socket
import sys
import time
from collections.abc import Callable
from functools import partial

from redis.exceptions import RedisError

import worker.jobs  # noqa: F401 - loaded once, before the forks: a horse is at work in milliseconds
from config import Config, ConfigError
from logs import start_logging
from worker.queues import DELIVER, FILES, TICK, keep_waiting, patient_redis
from worker.rq_worker import WaybillWorker
from worker.supervisor import Supervisor

log = logging.getLogger(__name__)

PATIENCE = 150  # tries of at most two seconds: five minutes without Redis, then a fresh process


def main() -> None:
    """Run all workers until SIGTERM or SIGINT."""
    try:
        config = Config.from_env()
    except ConfigError as error:
        sys.exit(str(error))
    start_logging()
    logging.getLogger("rq.worker").setLevel(logging.ERROR)  # what matters we say ourselves
    boss = os.getpid()
    tasks = {f"{DELIVER}:{number}": partial(deliver, config, number, boss) for number in range(config.worker_processes)}
    tasks[FILES] = partial(files, config, boss)
    tasks[TICK] = partial(tick, config, boss)
    gc.freeze()  # leaves the shared pages of the modules alone
    Supervisor(tasks).go()


def deliver(config: Config, number: int, boss: int) -> None:
    """Be a worker whose horses are pumps. It feeds itself; rings only add what is there already."""
    redis = patient_redis(config.redis_url, retries=PATIENCE)
    feed = partial(keep_waiting, redis, DELIVER, workers=config.worker_processes)
    _work(
        lambda: WaybillWorker(
            DELIVER, config=config, connection=redis, name=_name(str(number)), before_waiting=feed, boss=boss
        )
    )


def files(config: Config, boss: int) -> None:
    """Be the worker whose horses make and upload files. It feeds itself, too."""
    redis = patient_redis(config.redis_url, retries=PATIENCE)
    feed = partial(keep_waiting, redis, FILES, workers=1)
    _work(
        lambda: WaybillWorker(FILES, config=config, connection=redis, name=_name(FILES), before_waiting=feed, boss=boss)
    )


def tick(config: Config, boss: int) -> None:
    """Be the worker whose horses find what is due; the scheduler feeds it."""
    redis = patient_redis(config.redis_url, retries=PATIENCE)
    _work(lambda: WaybillWorker(TICK, config=config, connection=redis, name=_name(TICK), boss=boss))


def _name(part: str) -> str:
    """Give a name that no other worker ever had: a pid comes again soon where each start is a new container."""
    return f"{socket.gethostname()}:{os.getpid()}:{int(time.time())}:{part}"


def _work(make: Callable[[], WaybillWorker]) -> None:
    try:
        make().work()
    except RedisError as error:
        log.warning("worker.redis_away", extra={"error": str(error)})


if __name__ == "__main__":
    main()
