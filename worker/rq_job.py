"""RQ's job, believed only as far as it can be checked.

RQ imports and calls whatever dotted name a job holds, so whoever can write to Redis could run anything here. A job may
name one of our few functions and hand over numbers and short words; everything else stored with it is ignored.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any, ClassVar

from redis import Redis
from rq.exceptions import NoSuchJobError
from rq.job import JOB_ID_PATTERN, Job
from rq.serializers import JSONSerializer
from rq.utils import decode_redis_hash

from worker.queues import JOBS, job_seconds

LONGEST = 4096
KEPT = ("created_at", "enqueued_at", "started_at", "ended_at", "origin", "status", "ttl", "result_ttl", "failure_ttl")
"""What is read back besides the call. Not callbacks, webhooks, dependencies, retries, repeats, rate limits, meta."""


class JobRefused(Exception):
    """A stored job is none of ours. Says why, without its content."""


class WaybillJob(Job):
    """A job that names one of `allowed` and carries ids only; always JSON."""

    allowed: ClassVar[frozenset[str]] = frozenset(JOBS.values())

    def __init__(self, id: str | None = None, connection: Redis | None = None, serializer: Any = None) -> None:  # noqa: A002, ARG002 - RQ's signature; a serializer handed in is what we guard against
        super().__init__(id, connection, JSONSerializer)

    @classmethod
    def read(cls, job_id: bytes, connection: Redis) -> WaybillJob:
        """Fetch a job by an id from a queue. Raises JobRefused, or NoSuchJobError when it is gone."""
        name = job_id.decode("ascii", "replace")
        if not JOB_ID_PATTERN.fullmatch(name):
            raise JobRefused("its id is none")
        job = cls(name, connection)
        job.refresh()  # type: ignore[no-untyped-call] # RQ
        return job

    def restore(self, raw_data: Mapping[bytes | str, Any]) -> None:
        """Take over what may be believed. Raises JobRefused. RQ has not imported or unpacked anything before this."""
        try:
            stored = decode_redis_hash(dict(raw_data))
            believed = {name: stored[name] for name in KEPT if name in stored}
            # RQ unpacks what it can and takes all else as it is: JSON text is no zlib stream
            believed["data"] = self._checked_call(stored.get("data", b""))
            super().restore(believed)
        except NoSuchJobError:
            raise
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise JobRefused("it cannot be read") from error
        self.timeout = job_seconds(self.func_name)
        self.description = self.func_name

    def _checked_call(self, data: bytes) -> bytes:
        """Give the call as JSON written anew, so that what was checked is what will be run."""
        call = json.loads(_unpacked(data))
        if not isinstance(call, list) or len(call) != 4:
            raise JobRefused("it is no call")
        name, _, arguments, by_name = call
        if not isinstance(name, str) or name not in self.allowed:
            raise JobRefused("its function is not on the list")
        if by_name or not isinstance(arguments, list) or not all(_is_id(value) for value in arguments):
            raise JobRefused("its arguments are no ids")
        return JSONSerializer.dumps((name, None, arguments, {}))  # type: ignore[no-untyped-call, no-any-return] # RQ


def _unpacked(data: bytes) -> bytes:
    """Unpack no more than a job of ours can be: a small text may unpack to gigabytes."""
    if len(data) > LONGEST:
        raise JobRefused("it is too long")
    packed = zlib.decompressobj()
    try:
        text = packed.decompress(data, LONGEST)
    except zlib.error as error:
        raise JobRefused("it cannot be unpacked") from error
    if not packed.eof:
        raise JobRefused("it is cut off or too long")
    return text


def _is_id(value: object) -> bool:
    return type(value) is int or (isinstance(value, str) and len(value) <= 64)
