"""`python -m worker.scheduler`: rq-scheduler with the guards it lacks. Several may run; one tick comes of it.

The schedule is one short table (`worker.schedule`). At each turn what Redis holds is made like it: a lost entry
comes back, a stranger's goes to quarantine, a time far off (the clock was set) is put right.
"""

from __future__ import annotations

import logging
import secrets
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from types import FrameType
from typing import Final

from redis import Redis
from redis.exceptions import RedisError, ResponseError
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer
from rq_scheduler import Scheduler

from config import Config, ConfigError
from logs import start_logging
from worker.queues import JOB_SECONDS, patient_redis
from worker.rq_job import JobRefused, WaybillJob
from worker.schedule import PERIODIC, Periodic

log = logging.getLogger(__name__)

TURN_SECONDS = 1.0
LONGEST_WAIT = 8.0
LOCK_SECONDS = 10
QUARANTINE: Final = "waybill:quarantine"
QUARANTINE_SECONDS = 7 * 86_400
UNLOCK: Final = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


class SafeScheduler(Scheduler):  # type: ignore[misc] # rq-scheduler ships no types
    """rq-scheduler, in its own keys. Its loop ends at the first fault and enqueues in three steps (rq-scheduler#121)."""

    job_class = WaybillJob

    def __init__(self, connection: Redis, *, table: Sequence[Periodic] = PERIODIC) -> None:
        super().__init__(interval=TURN_SECONDS, connection=connection)
        self._table = {periodic.id.encode(): periodic for periodic in table}
        self._token = secrets.token_hex(8)
        self._unlock = connection.register_script(UNLOCK)
        self._is_stopping = False

    def run(self, burst: bool = False) -> None:  # noqa: FBT001, FBT002 - rq-scheduler's signature
        """Take turns until SIGTERM or SIGINT; burst: take one. Outlives a Redis that is away."""
        self._install_signal_handlers()
        wait = TURN_SECONDS
        while not self._is_stopping:
            try:
                self.turn()
                wait = TURN_SECONDS
            except (RedisError, OSError, JobRefused, NoSuchJobError) as error:  # the latter: changed under our hands
                log.warning("scheduler.turn_failed", extra={"error": str(error)})
                wait = min(LONGEST_WAIT, wait * 2)
            if burst:
                break
            self._sleep(wait)
        with suppress(RedisError, OSError):
            self.register_death()

    def turn(self) -> None:
        """Make the schedule right and enqueue what is due, unless another scheduler is at it. May raise RedisError."""
        if not self.connection.exists(self.key):
            self.register_birth()
        self.heartbeat()
        if not self.acquire_lock():
            return
        try:
            self.reconcile()
            self.enqueue_jobs()
        finally:
            self.remove_lock()

    def acquire_lock(self) -> bool:
        """Take the lock with a token of ours: rq-scheduler would later delete whoever's lock is there."""
        self._lock_acquired = bool(self.connection.set(self.scheduler_lock_key, self._token, ex=LOCK_SECONDS, nx=True))
        return self._lock_acquired

    def remove_lock(self) -> None:
        """Give the lock back if it is still ours."""
        if self._lock_acquired:
            self._lock_acquired = False
            self._unlock(keys=[self.scheduler_lock_key], args=[self._token])

    def reconcile(self) -> None:
        """Make the stored schedule equal to the table."""
        stored = self._stored()
        for job_id in stored.keys() - self._table.keys():
            self._quarantine(job_id)
        now = time.time()
        for periodic in self._table.values():
            due = stored.get(periodic.id.encode())
            if due is None or due > now + 2 * periodic.every or not self._is_sound(periodic):
                log.info("schedule.written", extra={"job": periodic.id})
                self._write(periodic)

    def enqueue_jobs(self) -> Sequence[Job]:
        """Enqueue what is due; gives it."""
        due = self.connection.zrangebyscore(self.scheduled_jobs_key, 0, time.time())
        jobs = [WaybillJob.read(job_id, self.connection) for job_id in due]
        for job in jobs:
            self.enqueue_job(job)
        return jobs

    def enqueue_job(self, job: Job) -> None:
        """Enqueue and set the next time in one step, unless one waits in the queue already.

        The job's status does not matter: it stays "started" for minutes when its worker was killed. And a late turn
        makes up for one tick, not for all it missed.
        """
        periodic = self._table[job.id.encode()]
        queue = Queue(periodic.queue, connection=self.connection, job_class=WaybillJob, serializer=JSONSerializer)
        waits = self.connection.llen(queue.key)
        with self.connection.pipeline() as step:
            step.zadd(self.scheduled_jobs_key, {job.id: time.time() + periodic.every})
            if not waits:
                # enqueue_job refuses a pipeline that already has commands; this is what rq's own scheduler calls
                queue._enqueue_job(job, pipeline=step)  # noqa: SLF001
            step.execute()

    def _stored(self) -> dict[bytes, float]:
        """Give the stored schedule: ids and times. Something else under its key is taken away."""
        try:
            return dict(self.connection.zrange(self.scheduled_jobs_key, 0, -1, withscores=True))
        except ResponseError as error:
            if "WRONGTYPE" not in str(error):
                raise
            log.warning("schedule.broken", extra={"error": str(error)})
            self.connection.delete(self.scheduled_jobs_key)
            return {}

    def _is_sound(self, periodic: Periodic) -> bool:
        try:
            job = WaybillJob.read(periodic.id.encode(), self.connection)
        except (NoSuchJobError, JobRefused, ResponseError):
            return False
        return job.func_name == periodic.function and job.origin == periodic.queue

    def _write(self, periodic: Periodic) -> None:
        self.connection.delete(WaybillJob.key_for(periodic.id))
        self.schedule(
            datetime.now(UTC),
            periodic.function,
            id=periodic.id,
            interval=periodic.every,
            queue_name=periodic.queue,
            timeout=JOB_SECONDS,
        )

    def _quarantine(self, job_id: bytes) -> None:
        """Take an entry that is none of ours out of the schedule, and keep its id for a week."""
        log.warning("schedule.stranger", extra={"job_id": repr(job_id[:64])})
        with self.connection.pipeline() as step:
            step.zrem(self.scheduled_jobs_key, job_id)
            step.lpush(QUARANTINE, job_id[:64])
            step.ltrim(QUARANTINE, 0, 99)
            step.expire(QUARANTINE, QUARANTINE_SECONDS)
            step.execute()

    def _install_signal_handlers(self) -> None:
        signal.signal(signal.SIGTERM, self._ask_to_stop)
        signal.signal(signal.SIGINT, self._ask_to_stop)

    def _ask_to_stop(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a signal handler
        self._is_stopping = True

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._is_stopping and (left := end - time.monotonic()) > 0:
            time.sleep(min(0.25, left))


def main() -> None:
    """Run the scheduler until SIGTERM or SIGINT."""
    try:
        config = Config.from_env()
    except ConfigError as error:
        sys.exit(str(error))
    start_logging()
    SafeScheduler(patient_redis(config.redis_url)).run()


if __name__ == "__main__":
    main()
