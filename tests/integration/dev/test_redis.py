"""Our owner of the Redis wheel."""

import os
import signal

import pytest
import redis

from dev import processes
from dev.redis import Redis


def test_it_keeps_what_it_has_and_evicts_nothing(own_redis: Redis) -> None:
    with redis.Redis.from_url(own_redis.start()) as client:
        names = ("appendonly", "appendfsync", "maxmemory-policy", "bind")
        assert [client.config_get(name)[name] for name in names] == ["yes", "everysec", "noeviction", "127.0.0.1"]


def test_nobody_gets_in_without_the_password(own_redis: Redis) -> None:
    url = own_redis.start()
    password = own_redis.folder / "password"
    assert password.stat().st_mode & 0o777 == 0o600
    bare = redis.Redis.from_url(url.replace(f":{password.read_text()}@", ""))
    with bare, pytest.raises(redis.AuthenticationError):
        bare.ping()


def test_the_password_is_in_no_command_line(own_redis: Redis) -> None:
    assert own_redis.pid
    assert not processes.runs_with(own_redis.pid, (own_redis.folder / "password").read_text())


def test_a_second_start_attaches(own_redis: Redis) -> None:
    pid = own_redis.pid
    assert Redis(own_redis.folder).start() == own_redis.start()
    assert own_redis.pid == pid


def test_after_a_shot_keys_and_url_are_as_before(own_redis: Redis) -> None:
    url = own_redis.start()
    with redis.Redis.from_url(url) as client:
        client.set("kept", "yes")
    pid = own_redis.pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    assert processes.wait_gone(pid, str(own_redis.folder), 5)
    assert own_redis.pid is None
    assert own_redis.start() == url
    with redis.Redis.from_url(url) as client:
        assert client.get("kept") == b"yes"


def test_stopping_may_be_repeated(own_redis: Redis) -> None:
    own_redis.stop()
    own_redis.stop()
    assert own_redis.pid is None
