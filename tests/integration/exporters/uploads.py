"""Hands for tests of uploads: files to send, an ear for progress, and one call for a try."""

from __future__ import annotations

import hashlib
import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from exporters.base import Phase, Receipt, RunFile, Sending
from exporters.ftp import Ftp
from exporters.transfer import FileDoor, guard_from
from tests.file_servers import FileServer, OpenSsh, ProFtpd, Vsftpd

LOOPBACK = "127.0.0.1/32"

_runs = itertools.count(1)


@dataclass
class Ear:
    """What an upload tells, as the database would keep it. acts is called with the bytes gone so far."""

    phase: Phase | None = None
    name: str | None = None
    total: int = 0
    acts: Callable[[int], None] = lambda _total: None

    def begin(self, phase: Phase, name: str) -> None:
        self.phase, self.name = phase, name

    def sent(self, total: int) -> None:
        self.total = total
        self.acts(total)


def door(allow: str = LOOPBACK) -> FileDoor:
    """Give the real door."""
    return FileDoor(guard_from(allow))


def content_file(content: bytes, name: str = "orders.csv", companions: tuple[tuple[str, bytes], ...] = ()) -> RunFile:
    """Make a finished file of this content."""
    return RunFile(name, len(content), hashlib.sha256(content).hexdigest(), lambda: iter((content,)), companions)


def long_file(megabytes: int, name: str = "orders.csv") -> RunFile:
    """Make a long file that nobody holds as a whole."""
    block = bytes(range(256)) * 4096

    def chunks() -> Iterator[bytes]:
        return itertools.repeat(block, megabytes)

    digest = hashlib.sha256()
    for chunk in chunks():
        digest.update(chunk)
    return RunFile(name, megabytes << 20, digest.hexdigest(), chunks)


class Upload:
    """One upload over its tries, as the worker drives it."""

    def __init__(
        self, server: Any, file: RunFile, *, allow: str = LOOPBACK, folder: str = "in", **settings: Any
    ) -> None:
        self.server = server
        self.file = file
        self.ear = Ear()
        self.tries = 0
        self.run = next(_runs)
        self._folder = folder
        self._allow = allow
        self._settings = settings

    def go(self, **settings: Any) -> Receipt:
        """Try once, with today's settings."""
        self.tries += 1
        way = Ftp(self.server.settings(**{**self._settings, **settings}), [])
        sending = Sending(self.run, self.tries, self._folder, self.ear, self.ear.phase, self.ear.name)
        return way.place(self.file, sending, door(self._allow))


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Give the authority that signs the servers' certificates."""
    return trustme.CA()


@contextmanager
def a_folder() -> Iterator[Path]:
    """Lend a folder that a server without root can reach: pytest's own belong to whoever runs the tests alone."""
    with tempfile.TemporaryDirectory(prefix="waybill-server-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="module")
def vsftpd(authority: trustme.CA) -> Iterator[Vsftpd]:
    """Lend vsftpd, which refuses data connections without session reuse."""
    with a_folder() as folder, Vsftpd(folder, authority) as server:
        yield server


@pytest.fixture(scope="module")
def proftpd(authority: trustme.CA) -> Iterator[ProFtpd]:
    """Lend ProFTPD with mod_tls."""
    with a_folder() as folder, ProFtpd(folder, authority) as server:
        yield server


@pytest.fixture(scope="module")
def openssh() -> Iterator[OpenSsh]:
    """Lend OpenSSH's internal-sftp."""
    with a_folder() as folder, OpenSsh(folder) as server:
        yield server


@pytest.fixture(params=["vsftpd", "proftpd", "openssh"])
def server(request: pytest.FixtureRequest) -> FileServer:
    """Lend each of the three in turn, with an empty folder."""
    return emptied(request.getfixturevalue(request.param))


def emptied(server: FileServer) -> FileServer:
    """Take away what earlier tests have sent."""
    for path in (server.root / "in").iterdir():
        path.unlink()
    return server
