"""The real servers that tests run on: one Postgres and one Redis per work tree, shared by all test runs going on in it.

Who uses them holds a shared lock, which the kernel drops even on kill -9. The first user starts from an empty folder (and
ends what a killed run left behind), the last one stops the servers and removes the folder.
"""

import fcntl
import hashlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from dev.files import locked
from dev.postgres import Postgres
from dev.redis import Redis

ROOT = Path(__file__).resolve().parent.parent
MEMORY = Path("/dev/shm")
ROOM_NEEDED = 2 * 1024**3
REDIS_DATABASES = 128


def _home() -> Path:
    """Give the folder of this tree's servers: in memory where there is room, so that fsync can stay on and costs nothing."""
    in_memory = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM_NEEDED
    base = MEMORY if in_memory else Path(tempfile.gettempdir())
    tree = hashlib.sha256(str(ROOT).encode()).hexdigest()[:10]
    return base / f"waybill-tests-{os.geteuid()}-{tree}"


class Servers:
    """What a test session was given: a Postgres server, and databases of a Redis server."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.postgres = Postgres(home / "postgres")
        self.redis = Redis(home / "redis")

    def postgres_url(self) -> str:
        """Give the URL of the server's own database, starting the server when it is not up."""
        return os.environ.get("WAYBILL_TEST_DATABASE_URL") or self.postgres.start()

    @contextmanager
    def redis_url(self) -> Iterator[str]:
        """Lend one numbered database of the Redis server, emptied."""
        base = self.redis.start().rsplit("/", 1)[0]
        for number in range(1, REDIS_DATABASES):
            with (self.home / f"redis-{number}.lock").open("a") as file:
                if not _try_exclusive(file):
                    continue
                url = f"{base}/{number}"
                _flush(url)
                yield url
                return
        message = f"all {REDIS_DATABASES} test databases of Redis are lent"
        raise RuntimeError(message)

    def template(self) -> str:
        """Give the name of a migrated database to copy; made once for each state of the migrations."""
        name = f"template_{_migrations_state()}"
        server = self.postgres_url()
        with locked(self.home / "template.lock"), psycopg.connect(server, autocommit=True) as connection:
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).rowcount:
                return name
            half_made = f"making_{secrets.token_hex(4)}"
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(half_made)))
            migrate(named(server, half_made))
            connection.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(half_made), sql.Identifier(name))
            )
        return name

    @contextmanager
    def database(self, *, migrated: bool = True) -> Iterator[str]:
        """Lend a database of its own, dropped afterwards; gives its URL."""
        server = self.postgres_url()
        source = self.template() if migrated else "template0"
        name = f"test_{secrets.token_hex(6)}"
        make = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(source))
        drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(make)
        try:
            yield named(server, name)
        finally:
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute(drop)


@contextmanager
def in_use() -> Iterator[Servers]:
    """Be one of the users of this tree's servers."""
    home = _home()
    home.mkdir(mode=0o700, exist_ok=True)
    servers = Servers(home)
    gate = home.with_name(f"{home.name}.lock")  # beside the folder: it outlives it
    with home.with_name(f"{home.name}.users").open("a") as users:
        with locked(gate):
            if _try_exclusive(users):
                _sweep(servers)
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield servers
        finally:
            with locked(gate):
                if _try_exclusive(users):
                    _sweep(servers)
                    home.rmdir()


def named(url: str, database: str) -> str:
    """Give the same server's URL with another database."""
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def _try_exclusive(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sweep(servers: Servers) -> None:
    servers.postgres.stop()
    servers.redis.stop()
    shutil.rmtree(servers.home)
    servers.home.mkdir(mode=0o700)


def _flush(url: str) -> None:
    import redis

    with redis.Redis.from_url(url) as client:
        client.flushdb()


def _migrations_state() -> str:
    state = hashlib.sha256()
    for file in sorted((ROOT / "migrations").glob("**/*.py")):
        state.update(file.name.encode() + file.read_bytes())
    return state.hexdigest()[:12]


def migrate(url: str) -> None:
    """Run the migrations as the release line of the Procfile does; without any the database stays empty."""
    if not any((ROOT / "migrations" / "versions").glob("*.py")):
        return
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=app_environment(url),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        message = f"the migrations failed:\n{done.stdout}\n{done.stderr}"
        raise RuntimeError(message)


def app_environment(database_url: str, redis_url: str = "redis://127.0.0.1:1/0") -> dict[str, str]:
    """Give an environment in which Waybill's commands start, with keys for tests."""
    return os.environ | {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SECRET_KEY": "only-for-tests-0123456789abcdef0123456789abcdef",
        "ENCRYPTION_KEYS": "b25seS1mb3ItdGVzdHMtMDEyMzQ1Njc4OWFiY2RlZjA=",
    }
