"""The fixtures that all other tests stand on."""

import psycopg
import redis

from tests.servers import Servers


def test_a_database_is_its_workers_own(database_url: str, fresh_database_url: str, empty_database_url: str) -> None:
    assert len({database_url, fresh_database_url, empty_database_url}) == 3


def test_the_test_server_keeps_its_durability_on(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        names = ("fsync", "full_page_writes", "synchronous_commit")
        assert {name: connection.execute(f"SHOW {name}").fetchone() for name in names} == dict.fromkeys(names, ("on",))


def test_redis_is_lent_empty_and_to_one_only(servers: Servers) -> None:
    with servers.redis_url() as url, servers.redis_url() as other, redis.Redis.from_url(url) as client:
        assert other != url
        assert client.dbsize() == 0
