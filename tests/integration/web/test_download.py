"""A large file through a real web process: it is streamed, so the process stays small (F31)."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import requests
import sqlalchemy as sa
from cryptography.fernet import Fernet
from sqlalchemy.orm import Session

from dev.files import kept_port
from models import chunks
from models.account import ApiKey, Scope
from models.run import Run, RunState
from tests.factories import engine_on
from tests.file_rows import add_file_profile, add_run

PIECES = 200
MOST_BYTES = 150 * 1024 * 1024
PATIENCE_SECONDS = 60

pytestmark = pytest.mark.slow


@dataclass
class Web:
    """A gunicorn with one worker, as the Procfile starts it."""

    address: str
    process: subprocess.Popen[bytes]

    def peak(self) -> int:
        """Give the most memory that any of its processes ever held, in bytes."""
        pids = [self.process.pid, *(child.pid for child in psutil.Process(self.process.pid).children(recursive=True))]
        texts = [Path(f"/proc/{pid}/status").read_text() for pid in pids]
        return max(int(found[1]) * 1024 for text in texts if (found := re.search(r"VmHWM:\s+(\d+) kB", text)))


@pytest.fixture
def web(fresh_database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Web]:
    port = kept_port(tmp_path / "port")
    environ = os.environ | {
        "DATABASE_URL": fresh_database_url,
        "REDIS_URL": redis_url,
        "SECRET_KEY": secrets.token_hex(32),
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "PORT": str(port),
        "WEB_CONCURRENCY": "1",
    }
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "wsgi:app"]
    process = subprocess.Popen(command, env=environ)
    try:
        yield Web(_once_alive(f"http://127.0.0.1:{port}"), process)
    finally:
        process.terminate()
        process.wait(30)


def _once_alive(address: str) -> str:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        try:
            if requests.get(f"{address}/healthz", timeout=5).ok:
                return address
        except requests.ConnectionError:
            time.sleep(0.1)
    raise AssertionError("the web process does not answer")


def _big_run(session: Session) -> tuple[int, str]:
    """Store a file of 200 MiB. It packs well: what is measured is the web process, not the database."""
    run = add_run(session, add_file_profile(session), state="claimed")
    digest, connection = hashlib.sha256(), session.connection()
    for number in range(PIECES):
        piece = (f"{number:06},Jane,jane@example.com\r\n".encode() * (chunks.PIECE // 20))[: chunks.PIECE]
        digest.update(piece)
        chunks.add(connection, run.id, number, piece, is_packed=False)
    values = {"file_name": "big.csv", "bytes": PIECES * chunks.PIECE, "sha256": digest.hexdigest()}
    session.execute(sa.update(Run).where(Run.id == run.id).values(state=RunState.WRITTEN, snapshot={}, **values))
    session.commit()
    return run.id, digest.hexdigest()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_download_of_200_mib_leaves_the_web_process_small(web: Web, fresh_database_url: str) -> None:
    with engine_on(fresh_database_url) as engine, Session(engine) as session:
        number, wanted = _big_run(session)
        texts = {}
        for scope in (Scope.OPERATE, Scope.READ):
            key, texts[scope] = ApiKey.issue(scope.value, [scope])
            session.add(key)
        session.commit()
        address = f"{web.address}/api/v1/runs/{number}/file"
        refused = requests.get(address, headers={"Authorization": f"Bearer {texts[Scope.READ]}"}, timeout=30)
        assert refused.status_code == 403
        digest = hashlib.sha256()
        headers = {"Authorization": f"Bearer {texts[Scope.OPERATE]}"}
        with requests.get(address, headers=headers, timeout=60, stream=True) as answer:
            assert answer.headers["Content-Length"] == str(PIECES * chunks.PIECE)
            for piece in answer.iter_content(1 << 20):
                digest.update(piece)
        assert digest.hexdigest() == wanted
        assert web.peak() < MOST_BYTES
        session.expire_all()
        assert session.get_one(Run, number).downloaded_at is not None
