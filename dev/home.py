"""The data folder of one `make run`: keys, ports, servers' data, and the environment its processes get."""

import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from cryptography.fernet import Fernet

from dev.files import kept_port, read_or_none, write_private


class Home:
    """One data folder. Everything in it is readable by its owner only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.postgres = self.folder / "postgres"
        self.redis = self.folder / "redis"
        self.lock = self.folder / "run.lock"
        self.run_file = self.folder / "run.json"
        self.children_file = self.folder / "children.json"
        self.login_file = self.folder / "first_login.json"

    def make(self) -> None:
        """Make the folder when it is not there."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def receiver_port(self) -> int:
        """Give the port of the sample receiver, the same one at every start if nobody took it."""
        return kept_port(self.folder / "receiver.port")

    def environment(
        self, given: Mapping[str, str], *, database_url: str, redis_url: str, port: int, receiver_port: int
    ) -> dict[str, str]:
        """Give the environment of all processes: what was given, and what we add to it."""
        receiver = f"127.0.0.1/32:{receiver_port}"
        allowed = given.get("EGRESS_ALLOW", "").strip()
        return {
            "GUNICORN_CMD_ARGS": f"--bind=127.0.0.1:{port}",  # nobody from outside, unless somebody says so
            **given,
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), given.get("PATH", os.defpath))),
            "PYTHONUNBUFFERED": "1",  # lines are to be seen when they are printed
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "PORT": str(port),
            "DATA_DIR": str(self.folder),
            "EGRESS_ALLOW": f"{allowed},{receiver}" if allowed else receiver,
            "SECRET_KEY": given.get("SECRET_KEY") or self._kept("secret_key", secrets.token_hex(32)),
            "ENCRYPTION_KEYS": given.get("ENCRYPTION_KEYS")
            or self._kept("encryption_keys", Fernet.generate_key().decode()),
        }

    def _kept(self, name: str, fresh: str) -> str:
        kept = read_or_none(self.folder / name)
        if kept:
            return kept
        write_private(self.folder / name, f"{fresh}\n")
        return fresh
