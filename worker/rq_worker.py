"""Our kind of RQ worker: the parent waits for jobs and forks; the horse works, drains when asked to, and ends.

The parent opens no database connection: sockets that cross a fork break. SIGTERM is a flag in both; only while the
parent merely waits does it end at once. RQ's own opinion about jobs counts nowhere, so most of its housekeeping is left
out: no commands over pub/sub, no suspension, no retries, no stuck-job hunt.
"""

from __future__ import annotations

import logging
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any, NoReturn, cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry
from rq import Queue, Worker, worker_registration
from rq.exceptions import InvalidJobOperation, NoSuchJobError, StopRequested
from rq.executions import Execution
from rq.job import Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry, StartedJobRegistry
from rq.utils import now
from rq.worker import WorkerStatus

from config import Config
from worker.horse import Horse, at_work
from worker.queues import FAILURE_TTL, job_seconds
from worker.rq_job import JobRefused, WaybillJob

log = logging.getLogger(__name__)

LOOK_SECONDS = 2
HORSE_SECONDS = 22.5
"""A horse that was asked to end is gone by then, whatever it waits for: hosts kill after 30 s."""
REST_AFTER_FAILURE = 1.0
SEEN_IN_REDIS = "the worker's log has the traceback"


class WaybillWorker(Worker):
    """A worker on one queue. Its name is unique; a horse has its worker's name."""

    def __init__(
        self,
        queue: str,
        *,
        config: Config,
        connection: Redis,
        name: str,
        job_class: type[WaybillJob] = WaybillJob,
        before_waiting: Callable[[], None] = lambda: None,
        boss: int = 0,
    ) -> None:
        """Boss is the parent's process id: when it is gone, so are we, after the job. 0: there is none."""
        super().__init__(
            [queue],
            name=name,
            connection=connection,
            job_class=job_class,
            serializer="json",
            worker_ttl=20,
            job_monitoring_interval=10,
        )
        self._config = config
        self._before_waiting = before_waiting
        self._boss = boss
        self._may_leave = False
        self._has_failed = False
        self._is_done = False

    # --- the parent

    def bootstrap(self, *_: Any, **__: Any) -> None:
        """Say that we are here. RQ would set up its own logging and listen for commands, kill-horse among them."""
        self.register_birth()  # type: ignore[no-untyped-call] # RQ
        self.set_state(WorkerStatus.STARTED)

    def check_for_suspension(self, burst: bool) -> None:  # noqa: FBT001 - RQ's signature
        """Take no orders from a key in Redis: who wants to pause does so at a profile."""

    def _install_signal_handlers(self) -> None:
        signal.signal(signal.SIGTERM, self.request_stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; who started us passes it on

    def request_stop(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a signal handler
        """End after the job under way. Repeats change nothing: hosts signal every process, and so does our parent."""
        self._stop_requested = True
        self._lose_patience()
        if self.horse_pid:
            with suppress(ProcessLookupError):
                os.kill(self.horse_pid, signal.SIGTERM)
        if self._may_leave:
            self._may_leave = False
            raise StopRequested

    def dequeue_job_and_maintain_ttl(
        self,
        timeout: int | None,  # noqa: ARG002 - RQ's signature
        max_idle_time: int | None = None,  # noqa: ARG002
    ) -> tuple[Job, Queue]:
        """Wait for a job that may be run. Raises StopRequested.

        RQ's own way ends the worker at the first job it cannot read.
        """
        queue = self.queues[0]
        try:
            self._may_leave = True
            while not self._stop_requested and not self._is_orphan():
                self._show_life()
                self._before_waiting()
                job = self._next(queue)
                if job:
                    return job, queue
        finally:
            self._may_leave = False
        raise StopRequested

    def _is_orphan(self) -> bool:
        return self._boss != 0 and os.getppid() != self._boss

    def _show_life(self) -> None:
        with self.connection.pipeline(transaction=False) as commands:
            self.heartbeat(pipeline=commands)
            commands.hset(self.key, "state", WorkerStatus.IDLE)
            commands.execute()
        self._state = WorkerStatus.IDLE

    def _next(self, queue: Queue) -> Job | None:
        """Pop an id and read its job. A plain pop: a job lost with us carried nothing, and another follows."""
        try:
            popped = self.connection.blpop([queue.key], timeout=LOOK_SECONDS)
        except ResponseError as error:
            self._remove_wrong_type(queue.key, error)
            return None
        if not popped:
            return None
        job_id = cast(bytes, popped[1])  # text only if the client were told to decode
        try:
            return self.job_class.read(job_id, self.connection)  # type: ignore[attr-defined, no-any-return] # RQ's Job
        except NoSuchJobError:
            return None  # its time was over, or Redis was flushed
        except (JobRefused, ResponseError) as error:
            log.warning("job.refused", extra={"job_id": repr(job_id[:64]), "reason": str(error)})
            self.connection.delete(self.job_class.redis_job_namespace_prefix.encode() + job_id)
            return None

    def _remove_wrong_type(self, key: str, error: ResponseError) -> None:
        """Take away what cannot be a queue. Any other refusal (no memory, read only) passes: try again later."""
        log.error("queue.broken", extra={"key": key, "error": str(error)})
        if "WRONGTYPE" in str(error):
            self.connection.delete(key)
        time.sleep(REST_AFTER_FAILURE)

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run a job in a horse. After a failure there is a rest, so that a fault that stays does not eat a core."""
        self._has_failed = False
        try:
            super().execute_job(job, queue)
        except RedisError:
            if not self._stop_requested:
                raise
        if self._stop_requested:
            raise StopRequested
        if self._has_failed:
            time.sleep(REST_AFTER_FAILURE)

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:  # noqa: ARG002 - RQ's signature
        """Give how long RQ's notes about a job at work last: to its end, for nobody prolongs them."""
        return job_seconds(job.func_name) + 60

    def maintain_heartbeats(self, job: Job, execution: Execution) -> None:
        """Say nothing while a horse works: nobody acts on it, and without Redis the horse's end would be missed."""

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        """Fork. A signal that came during the fork is passed on."""
        super().fork_work_horse(job, queue)
        if self._stop_requested:
            self.request_stop(signal.SIGTERM, None)

    def wait_for_horse(self) -> Any:
        """Wait for the horse's end, and remember whether it was a good one."""
        pid, status, usage = super().wait_for_horse()
        self._has_failed = status != 0
        return pid, status, usage

    def handle_work_horse_killed(self, job: Job, retpid: int, ret_val: int, rusage: Any) -> None:  # noqa: ARG002
        """Tell of a horse that died. The next one has the same name and frees its leases."""
        log.error("horse.died", extra={"worker": self.name, "job": job.description, "status": ret_val})

    def run_maintenance_tasks(self) -> None:
        """Forget what is over. RQ would fetch the jobs of its registries; ours hold nothing worth looking at."""
        queue = self.queues[0]
        for registry in (StartedJobRegistry, FinishedJobRegistry, FailedJobRegistry):
            key = registry(queue=queue).key
            try:
                self.connection.zremrangebyscore(key, 0, time.time())
            except ResponseError as error:
                self._remove_wrong_type(key, error)
        worker_registration.clean_worker_registry(queue)
        self.last_cleaned_at = now()  # type: ignore[assignment] # RQ begins with None

    def teardown(self) -> None:
        """Say good-bye if Redis is there; the key ends by itself otherwise."""
        if self.is_horse:
            return
        self._lose_patience()
        with suppress(RedisError):
            self.register_death()  # type: ignore[no-untyped-call] # RQ

    def _lose_patience(self) -> None:
        """Wait no more for a Redis that is away."""
        self.connection.set_retry(Retry(NoBackoff(), 0))

    # --- the horse

    def main_work_horse(self, job: Job, queue: Queue) -> NoReturn:
        """Work, and leave at once: libcurl's resolver threads would be waited for otherwise."""
        code = 1
        try:
            random.seed()
            self._is_horse = True
            self.setup_work_horse_signals()
            execution = self.execution
            if execution and self.perform_job(job, queue, execution):
                code = 0
        finally:
            os._exit(code)

    def setup_work_horse_signals(self) -> None:
        """Let SIGTERM be a flag that the work looks at: an exception at any line would tear it."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._ask_horse_to_end)
        if self._stop_requested:
            self._end_by_force_later()

    def _ask_horse_to_end(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a signal handler
        if self._is_done:
            os._exit(0)  # only the book-keeping is left, which may be waiting for Redis
        if not self._stop_requested:
            self._stop_requested = True
            self._end_by_force_later()

    @staticmethod
    def _end_by_force_later() -> None:
        timer = threading.Timer(HORSE_SECONDS, os._exit, [1])
        timer.daemon = True
        timer.start()

    def horse_is_stopping(self) -> bool:
        """Say whether the horse was asked to end, or lost its parent (killed -9, it leaves its horse alive)."""
        return self._stop_requested or os.getppid() != self.pid

    def prepare_job_execution(self, job: Job, remove_from_intermediate_queue: bool = False) -> None:  # noqa: FBT001, FBT002, ARG002
        """Mark the job as begun. RQ takes its end of life away, and a horse that is killed would leave it for ever."""
        super().prepare_job_execution(job)
        if job.ttl:
            self.connection.expire(job.key, FAILURE_TTL)

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """Run the job's function, which may ask for its horse."""
        with at_work(Horse(self._config, self.name, self.horse_is_stopping)):
            return super().perform_job(job, queue, execution)

    def handle_execution_ended(self, job: Job, queue: Queue, heartbeat_ttl: int) -> None:
        """Turn to the book-keeping: the work is done."""
        self._is_done = True
        if self._stop_requested:
            self._lose_patience()
        super().handle_execution_ended(job, queue, heartbeat_ttl)

    def handle_job_success(self, job: Job, queue: Queue, started_job_registry: Any, execution: Execution) -> None:
        """Forget a job that is done. If Redis was flushed meanwhile, the most part of it is forgotten already."""
        try:
            super().handle_job_success(job, queue, started_job_registry, execution)
        except (InvalidJobOperation, ValueError):  # the latter: the execution is gone
            self.connection.delete(job.key)

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """Log what a job raised, once."""
        log.error("job.failed", exc_info=exc_info, extra={"job": job.description, "worker": self.name})

    def handle_job_failure(
        self,
        job: Job,
        queue: Queue,
        started_job_registry: Any = None,
        exc_string: str = "",  # noqa: ARG002 - a traceback may hold customers' data, which has no place in Redis
        execution: Execution | None = None,
    ) -> None:
        """Note the failure in Redis without its text."""
        super().handle_job_failure(job, queue, started_job_registry, SEEN_IN_REDIS, execution)
