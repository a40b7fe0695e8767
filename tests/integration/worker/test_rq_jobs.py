"""Jobs that somebody else wrote into Redis: refused, told of, removed; and nothing of them ever runs."""

import json
import pickle
import sys
import zlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from rq.exceptions import NoSuchJobError
from rq.job import Job

import worker.jobs
from tests.integration.worker.rig import Rig, wait_until
from tests.integration.worker.stand_ins import HERE, StandInJob
from worker.queues import JOB_SECONDS, JOBS
from worker.rq_job import JobRefused, WaybillJob

MARK = f"{HERE}.mark"
NEVER = "tests.integration.worker.never_imported"


def call(name: object = MARK, instance: object = None, arguments: object = (), by_name: object = None) -> bytes:
    return zlib.compress(json.dumps([name, instance, arguments, by_name or {}]).encode())


class Evil:
    def __reduce__(self):
        return __import__, (NEVER,)


FORGED: dict[str, dict[Any, Any]] = {
    "pickle": {"data": zlib.compress(pickle.dumps((MARK, None, (Evil(),), {})))},
    "bare_pickle": {"data": pickle.dumps((MARK, Evil(), ("x",), {}))},
    "os_system": {"data": call("os.system", arguments=["false"])},
    "other_module": {"data": call(NEVER + ".anything")},
    "method": {"data": call("mark", instance=HERE)},
    "attribute": {"data": call(MARK + ".__globals__")},
    "no_name": {"data": call(None)},
    "list_name": {"data": call([MARK])},
    "keywords": {"data": call(by_name={"word": "x"})},
    "nested": {"data": call(arguments=[{"a": 1}])},
    "long_argument": {"data": call(arguments=["x" * 65])},
    "corrupt_zlib": {"data": call()[:-5]},
    "torn_zlib": {"data": call()[:9] + b"\0\0\0" + call()[12:]},
    "bomb": {"data": zlib.compress(b" " * 100_000_000)},
    "huge": {"data": b"x" * 1_000_000},
    "no_call": {"data": zlib.compress(b"[1, 2, 3]")},
    "not_json": {"data": zlib.compress(b"\xff\xfe")},
    "deep_json": {"data": zlib.compress(b"[" * 4000)},
    "no_data": {"origin": "deliver"},
    "status": {"data": call(), "status": "elsewhere"},
    "number": {"data": call(), "ttl": "soon"},
    "time": {"data": call(), "created_at": b"\xff"},
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_a_forged_job_is_refused(forged: dict[Any, Any], empty_redis_url: str):
    with Redis.from_url(empty_redis_url) as redis:
        redis.hset("rq:job:forged", mapping=forged)
        with pytest.raises(JobRefused):
            StandInJob.read(b"forged", redis)
    assert NEVER not in sys.modules


@pytest.mark.parametrize("job_id", [b"", b"../x", b"a:b", b"\xff\xfe", b"x y"])
def test_an_id_that_is_none_is_refused(job_id: bytes, empty_redis_url: str):
    with Redis.from_url(empty_redis_url) as redis, pytest.raises(JobRefused):
        WaybillJob.read(job_id, redis)


def test_what_else_is_stored_with_a_job_is_dropped(empty_redis_url: str):
    webhook = [{"url": "http://127.0.0.1:1/", "job_status": "finished"}]
    extra = {
        "success_callback_name": "os.abort",
        "failure_callback_name": "os.abort",
        "stopped_callback_name": "os.abort",
        "webhooks": json.dumps(webhook),
        "dependency_ids": json.dumps(["other"]),
        "retries_left": 9,
        "repeats_left": 9,
        "rate_limit_key": "x",
        "rate_limit_concurrency": 1,
        "group_id": "g",
        "meta": pickle.dumps(Evil()),
        "result": pickle.dumps(Evil()),
        "exc_info": b"x",
        "description": "words of a stranger",
        "timeout": "-1",
    }
    with Redis.from_url(empty_redis_url) as redis:
        redis.hset("rq:job:odd", mapping={"data": call(instance="a.b", arguments=["ok", 1]), **extra})
        job = StandInJob.read(b"odd", redis)
    assert (job.func_name, job.instance, job.args, job.kwargs) == (MARK, None, ["ok", 1], {})
    assert job.success_callback is None
    assert job.failure_callback is None
    assert job.stopped_callback is None
    assert (job.webhooks, job._dependency_ids, job.meta) == ([], [], {})
    assert not any((job.should_retry, job.repeats_left, job.has_rate_limit, job.group_id))
    assert (job.timeout, job.description) == (JOB_SECONDS, MARK)
    assert NEVER not in sys.modules


NAMES = ["data", "status", "ttl", "result_ttl", "created_at", "started_at", "origin", "timeout", "meta", "x"]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stored=st.dictionaries(st.sampled_from(NAMES).map(str.encode), st.binary(max_size=60)), is_call=st.booleans())
def test_whatever_is_stored_is_a_good_job_or_refused(stored: dict[bytes, bytes], is_call: bool):
    job = StandInJob("any", Redis())
    raw: dict[bytes | str, bytes] = dict(stored.items())
    if is_call:
        raw[b"data"] = call()
    try:
        job.restore(raw)
    except (JobRefused, NoSuchJobError):
        return
    assert job.func_name == MARK


def test_a_worker_outlives_all_of_them(rig: Rig):
    process = rig.start("worker")
    for name, forged in FORGED.items():
        rig.redis.hset(f"rq:job:{name}", mapping=forged)
        rig.redis.rpush(rig.queue.key, name)
    rig.redis.set("rq:job:text", "x")
    rig.redis.rpush(rig.queue.key, "text", "gone", b"\xff", "a b")
    for name in ("success", "failure", "stopped"):
        rig.redis.hset(f"rq:job:{name}", mapping={"data": call(arguments=[name]), f"{name}_callback_name": "os.abort"})
        rig.redis.rpush(rig.queue.key, name)
    rig.enqueue("mark", "honest")
    wait_until(lambda: any(note.startswith("honest") for note in rig.notes("mark")))
    assert [note.split()[0] for note in rig.notes("mark")] == ["success", "failure", "stopped", "honest"]
    assert process.poll() is None
    assert not any(rig.redis.exists(f"rq:job:{name}") for name in [*FORGED, "text"])
    assert rig.events().count("job.refused") == len(FORGED) + 3


def test_a_worker_outlives_a_queue_that_is_no_list(rig: Rig):
    rig.redis.set(rig.queue.key, "x")
    rig.start("worker")
    wait_until(lambda: "queue.broken" in rig.events())
    wait_until(lambda: not rig.redis.exists(rig.queue.key))
    rig.enqueue("mark", "honest")
    rig.wait_for("mark")


def test_the_list_names_what_exists():
    assert WaybillJob.allowed == set(JOBS.values())
    for name in JOBS.values():
        module, _, function = name.rpartition(".")
        assert module == worker.jobs.__name__
        assert callable(getattr(worker.jobs, function))
    assert issubclass(WaybillJob, Job)
