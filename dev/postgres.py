"""A Postgres server of our own in one folder: made at the first start, attached to when it already runs.

By hand: `python -m dev.postgres start FOLDER`, `python -m dev.postgres stop FOLDER`.
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dev import postgres_binaries, processes
from dev.by_hand import by_hand
from dev.files import kept_port, locked, read_or_none, write_private

START_SECONDS = 60
STOP_SECONDS = 15.0
UNROOT = Path(__file__).with_name("unroot.py")

# Durability (fsync, full_page_writes, synchronous_commit) stays as Postgres has it: on. /readyz insists on it.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "''",
    "shared_preload_libraries": "pg_stat_statements",
    "password_encryption": "scram-sha-256",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    "log_min_duration_statement": "1s",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class PostgresError(Exception):
    """A Postgres program failed; the text holds what it said."""


@dataclass(frozen=True)
class _Postmaster:
    """What postmaster.pid says about a server that lives."""

    pid: int
    port: int
    is_ready: bool


class Postgres:
    """One server on one data folder. All methods may be called again at any time, by several processes at once."""

    def __init__(self, folder: Path, *, way: str | None = None) -> None:
        """Say where it lives; way (namespace, nobody, plain) is how to be somebody else than root, found out when None."""
        self.folder = folder.resolve()
        self._cluster = self.folder / "cluster"
        self._way = way

    @property
    def pid(self) -> int | None:
        """The postmaster's process id, None when the server is down."""
        postmaster = self._postmaster()
        return postmaster.pid if postmaster else None

    def start(self) -> str:
        """Bring the server up, or find it up, and give its URL. Raises PostgresError, NoPostgresError."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with locked(self.folder / "lock"):
            postmaster = self._settled()
            if postmaster is None:
                self._prepare()
                self._launch()
                postmaster = self._settled()
        if postmaster is None:
            message = f"Postgres started and died at once, see {self.folder / 'log'}"
            raise PostgresError(message)
        return f"postgresql://postgres:{read_or_none(self.folder / 'password')}@127.0.0.1:{postmaster.port}/postgres"

    def stop(self, *, patience: float = STOP_SECONDS) -> None:
        """Shut down: open transactions are rolled back; after so many seconds at once. Quiet when it is down already."""
        if not self.folder.exists():
            return
        with locked(self.folder / "lock"):
            postmaster = self._postmaster()
            if postmaster:  # not by pg_ctl: it refuses root
                processes.end(
                    postmaster.pid, str(self._cluster), first=signal.SIGINT, patience=patience, last=signal.SIGQUIT
                )

    def _postmaster(self) -> _Postmaster | None:
        lines = (read_or_none(self._cluster / "postmaster.pid") or "").splitlines()
        if not lines or not lines[0].isdigit() or not processes.runs_with(int(lines[0]), str(self._cluster)):
            return None
        port = int(lines[3]) if len(lines) > 3 else 0
        return _Postmaster(int(lines[0]), port, is_ready=lines[-1].strip() == "ready")

    def _settled(self) -> _Postmaster | None:
        """Wait while a server found running starts, recovers or stops."""
        end = time.monotonic() + START_SECONDS
        while (postmaster := self._postmaster()) and not postmaster.is_ready:
            if time.monotonic() > end:
                message = f"Postgres (pid {postmaster.pid}) does not get ready, see {self.folder / 'log'}"
                raise PostgresError(message)
            time.sleep(processes.POLL_SECONDS)
        return postmaster

    def _prepare(self) -> None:
        if (self._cluster / "PG_VERSION").exists() and read_or_none(self.folder / "made") is not None:
            return
        shutil.rmtree(self._cluster, ignore_errors=True)  # half made: the first start was killed
        self._cluster.mkdir(mode=0o700)
        password = self.folder / "password"
        write_private(password, secrets.token_urlsafe(24))
        if self._user_way() == "nobody":
            nobody = pwd.getpwnam("nobody")
            os.chown(self._cluster, nobody.pw_uid, nobody.pw_gid)
        locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")  # sorts alike on every system
        access = ("-U", "postgres", "-A", "scram-sha-256", f"--pwfile={password}")
        self._run("initdb", "-D", str(self._cluster), *access, "-E", "UTF8", *locale, "--no-instructions")
        write_private(self.folder / "made", "initdb came to its end\n")

    def _launch(self) -> None:
        port = kept_port(self.folder / "port")
        log = self.folder / "log"
        log.touch(mode=0o600)
        if self._user_way() == "nobody":
            nobody = pwd.getpwnam("nobody")
            os.chown(log, nobody.pw_uid, nobody.pw_gid)
        options = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items())
        how_long = ("-w", "-t", str(START_SECONDS))
        # We have seen that nobody runs here, Postgres might believe a zombie or a stranger's pid. Children of a postmaster
        # that was shot are still found: they hold the shared memory, whose key comes from the folder itself.
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        for tries_left in (2, 1, 0):
            try:
                self._run(
                    "pg_ctl", "-D", str(self._cluster), *how_long, "-l", str(log), "-o", f"-p {port} {options}", "start"
                )
            except PostgresError as error:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
                if "pre-existing shared memory" in tail and tries_left:
                    time.sleep(1)  # the children of a postmaster that was shot take a moment to notice
                    continue
                message = f"{error}\n{tail}"
                raise PostgresError(message) from error
            return

    def _run(self, program: str, *arguments: str) -> None:
        command: Sequence[str] = (str(postgres_binaries.find() / program), *arguments)
        if self._user_way() != "plain":
            command = (sys.executable, "-I", "-S", str(UNROOT), self._user_way(), *command)
        with (
            tempfile.TemporaryFile() as said
        ):  # a file, never a pipe: the daemon would keep a pipe open and we would wait
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd="/",
                env={**os.environ, "LC_ALL": "C"},
                check=False,
                start_new_session=True,  # Ctrl-C is for us: we stop the server after those who use it
            )
            said.seek(0)
            text = said.read().decode(errors="replace")
        if done.returncode:
            message = f"{program} failed ({done.returncode}):\n{text}"
            raise PostgresError(message)

    def _user_way(self) -> str:
        if self._way is None:
            self._way = self._find_way()
        return self._way

    def _find_way(self) -> str:
        if os.geteuid() != 0:
            return "plain"
        if self._cluster.exists() and self._cluster.stat().st_uid != 0:
            return "nobody"  # as it was made; Postgres insists that the folder is its own
        probe = subprocess.run([sys.executable, "-I", "-S", UNROOT, "probe"], capture_output=True, check=False)
        return "nobody" if probe.returncode else "namespace"


if __name__ == "__main__":
    by_hand(Postgres)
