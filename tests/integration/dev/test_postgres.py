"""Our owner of the Postgres wheel, against everything that can happen to it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from dev import postgres_binaries, processes
from dev.postgres import Postgres
from dev.postgres_binaries import NoPostgresError

IS_ROOT = os.geteuid() == 0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Postgres]:
    """A server that is down and has no data yet."""
    server = Postgres(tmp_path / "postgres")
    yield server
    server.stop()


def _ask(url: str, question: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        answer = connection.execute(question.encode())
        row = answer.fetchone() if answer.description else None
        return row[0] if row else None


def _shoot(server: Postgres) -> None:
    pid = server.pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    assert processes.wait_gone(pid, str(server.folder), 5)


def test_it_starts_durable_with_statistics_and_is_attached_to_afterwards(server: Postgres) -> None:
    url = server.start()
    names = ("fsync", "full_page_writes", "synchronous_commit", "shared_preload_libraries", "TimeZone")
    assert [_ask(url, f"SHOW {name}") for name in names] == ["on", "on", "on", "pg_stat_statements", "UTC"]
    pid = server.pid
    assert Postgres(server.folder).start() == url
    assert server.pid == pid


def test_the_password_is_private_and_needed(server: Postgres) -> None:
    url = server.start()
    password = server.folder / "password"
    assert password.stat().st_mode & 0o777 == 0o600
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url.replace(password.read_text(), "wrong"))


def test_after_a_shot_the_rows_and_the_url_are_as_before(server: Postgres) -> None:
    url = server.start()
    _ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    _shoot(server)
    assert server.pid is None
    assert server.start() == url
    assert _ask(url, "SELECT answer FROM kept") == 42


def test_several_first_starts_at_once_make_one_server(server: Postgres) -> None:
    with ThreadPoolExecutor(4) as pool:
        urls = set(pool.map(lambda _: Postgres(server.folder).start(), range(4)))
    assert len(urls) == 1


def test_a_half_made_cluster_is_made_anew(server: Postgres) -> None:
    cluster = server.folder / "cluster"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("18\n")  # initdb writes it early
    assert _ask(server.start(), "SELECT 1") == 1


def test_a_strangers_pid_in_the_pid_file_is_not_taken_for_the_server(server: Postgres) -> None:
    server.start()
    server.stop()
    pid_file = server.folder / "cluster" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{server.folder}/cluster\n0\n5432\n\n127.0.0.1\n\nready\n")
    assert server.pid is None
    assert _ask(server.start(), "SELECT 1") == 1


def test_a_port_taken_meanwhile_is_replaced(server: Postgres, tmp_path: Path) -> None:
    server.start()
    server.stop()
    other = Postgres(tmp_path / "other")
    other.folder.mkdir()
    shutil.copy(server.folder / "port", other.folder / "port")
    try:
        assert other.start().rpartition("@")[2] == f"127.0.0.1:{(server.folder / 'port').read_text().strip()}/postgres"
        assert _ask(server.start(), "SELECT 1") == 1
        assert (server.folder / "port").read_text() != (other.folder / "port").read_text()
    finally:
        other.stop()


def test_stopping_ends_open_sessions_and_may_be_repeated(server: Postgres) -> None:
    with psycopg.connect(server.start()) as connection:
        connection.execute("CREATE TABLE never_committed (x int)")
        server.stop()
        server.stop()
        assert server.pid is None
        connection.close()


@pytest.mark.skipif(not IS_ROOT or sys.platform != "linux", reason="only root of Linux must become somebody else")
@pytest.mark.parametrize("way", ["namespace", "nobody"])
def test_root_can_own_a_server_in_a_closed_folder(tmp_path: Path, way: str) -> None:
    probe = [sys.executable, "-I", "-S", "dev/unroot.py", "probe"]
    if way == "namespace" and subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("user namespaces are forbidden here")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = Postgres(closed / "postgres", way=way)
    try:
        url = server.start()
        assert _ask(url, "SELECT 1") == 1
        _shoot(server)
        assert Postgres(server.folder).start() == url  # finds out by itself how it was made
    finally:
        server.stop()


def test_without_any_postgres_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_binaries, "OLDEST", 1000)
    with pytest.raises(NoPostgresError, match="set DATABASE_URL"):
        postgres_binaries.find()
