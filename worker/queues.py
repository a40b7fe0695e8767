"""The names of the queues, and the doorbell: the one thing here, beside the plan, that web may import.

Redis may lose all of it at any time. What is owed stands in Postgres; a ring only says "look now".
"""

from __future__ import annotations

import logging
import time
from typing import Final

from redis import Redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

log = logging.getLogger(__name__)

DELIVER: Final = "deliver"
FILES: Final = "files"
TICK: Final = "tick"
JOBS: Final = {DELIVER: "worker.jobs.deliver", FILES: "worker.jobs.files", TICK: "worker.jobs.tick"}
"""The only functions a stored job may name, by queue. To rename one breaks what is queued."""

BELL: Final = "waybill:bell"
FILES_BELL: Final = "waybill:bell:files"
BELL_TTL = 60
JOB_SECONDS = 400  # a last resort above the longest pump, nothing relies on it: it strikes at any line
LONG_JOB_SECONDS = 14 * 3600
"""The same for files, where one upload may take six hours, and begin six hours after the job; and for a pump, which goes
on while Redis is away, and has a watch on each of its boxes."""

JOB_TTL = 60
FAILURE_TTL = 3600
REST_SECONDS = 5.0


def patient_redis(url: str, *, retries: int = 1) -> Redis:
    """Give a client for workers. It may block in a pop, and tries again so often after a lost connection.

    A job's own client keeps the one retry, for the stale socket: work goes on without Redis. A worker's parent has
    nothing to do without Redis and waits for minutes.
    """
    return Redis.from_url(
        url,
        retry=Retry(ExponentialBackoff(cap=2, base=0.1), retries),
        socket_connect_timeout=2,
        socket_timeout=5,
        socket_keepalive=True,
        health_check_interval=30,
    )


def hasty_redis(url: str) -> Redis:
    """Give a client for web: it would rather not ring than keep somebody waiting. One retry, for the stale socket."""
    return Redis.from_url(
        url,
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        socket_connect_timeout=0.25,
        socket_timeout=0.25,
        socket_keepalive=True,
    )


class Doorbell:
    """Tells the pumps that something may be due. Ring after the commit, never before."""

    def __init__(self, redis: Redis, *, workers: int, queue: str = DELIVER, rest_seconds: float = REST_SECONDS) -> None:
        """Workers is how many workers the queue has: more waiting jobs than that would be of no use."""
        self._redis = redis
        self._workers = workers
        self._queue = queue
        self._bell = FILES_BELL if queue == FILES else BELL
        self._rest_seconds = rest_seconds
        self._rest_until = 0.0
        self._is_away = False

    def ring(self) -> None:
        """Wake a pump and see to it that one comes. Never raises; without Redis the tick finds what is due.

        After a failure it rests, so that an intake without Redis is as fast as one with it.
        """
        if time.monotonic() < self._rest_until:
            return
        try:
            waiting = self._touch_bell()
            if waiting < self._workers:
                enqueue(self._redis, self._queue)
        except (RedisError, OSError) as error:
            self._rest_until = time.monotonic() + self._rest_seconds
            if not self._is_away:
                log.warning("bell.away", extra={"error": str(error)})
            self._is_away = True
        else:
            self._is_away = False

    def _touch_bell(self) -> int:
        """Leave a token for the pumps; give how many jobs wait. Each token is taken by one pump, one look sees all."""
        with self._redis.pipeline(transaction=False) as commands:
            commands.lpush(self._bell, "1")
            commands.ltrim(self._bell, 0, self._workers - 1)
            commands.expire(self._bell, BELL_TTL)
            commands.llen(_queue_key(self._queue))
            return int(commands.execute()[-1])


def files_bell(redis: Redis) -> Doorbell:
    """Give the doorbell of the one worker that makes and uploads files."""
    return Doorbell(redis, workers=1, queue=FILES)


def ring_files(redis: Redis) -> None:
    """Say once that a file may be due, after the commit. Never raises."""
    files_bell(redis).ring()


def job_seconds(function: str | None) -> int:
    """Say how long a job may take before RQ would shoot it."""
    return LONG_JOB_SECONDS if function in {JOBS[DELIVER], JOBS[FILES]} else JOB_SECONDS


def enqueue(redis: Redis, queue: str) -> None:
    """Put the queue's job into it: no id of its own, no retry, no callback, nothing in it, soon forgotten."""
    job = Job.create(
        JOBS[queue],
        connection=redis,
        serializer=JSONSerializer,
        origin=queue,
        timeout=job_seconds(JOBS[queue]),
        result_ttl=0,
        failure_ttl=FAILURE_TTL,
        ttl=JOB_TTL,
    )
    Queue(queue, connection=redis, serializer=JSONSerializer).enqueue_job(job)


def keep_waiting(redis: Redis, queue: str, *, workers: int) -> None:
    """See to it that each worker of the queue finds a job; called by a worker before it waits. May raise RedisError."""
    if int(redis.llen(_queue_key(queue))) < workers:
        enqueue(redis, queue)


def is_there(redis: Redis) -> bool:
    """Say whether Redis answers."""
    try:
        return bool(redis.ping())
    except (RedisError, OSError):
        return False


def _queue_key(queue: str) -> str:
    return f"{Queue.redis_queue_namespace_prefix}{queue}"
