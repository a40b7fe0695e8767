"""Small files that must survive a kill at any line: private, whole, locked."""

import fcntl
import os
import random
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PORTS = range(20_000, 30_000)
CLAIMS = Path(tempfile.gettempdir()) / f"waybill-ports-{os.getuid()}"
LET_GO_SECONDS = 2.0


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step; only the owner may read it, at no moment anybody else."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_or_none(path: Path) -> str | None:
    """Give the stripped text of a file, None when it does not exist."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock, waiting for it. The kernel drops it when the process dies."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_free(port: int) -> bool:
    """Say whether nobody on this machine listens on the loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def kept_port(path: Path) -> int:
    """Give the port noted in the file, a new free one when there is none or somebody else took it.

    Kept, so that URLs survive a restart. New ones lie below the range from which systems lend ports to outgoing connections, and
    are claimed for the file: of two runs that start at once, one would pick what the other has picked and not opened yet.
    """
    noted = read_or_none(path)
    if noted and noted.isdigit() and _gets_free(int(noted)):
        return int(noted)
    CLAIMS.mkdir(mode=0o700, exist_ok=True)
    with locked(CLAIMS / "lock"):
        port = random.choice(PORTS)
        while _is_claimed(port) or not is_free(port):
            port = random.choice(PORTS)
        write_private(CLAIMS / str(port), str(path.resolve()))
        write_private(path, f"{port}\n")
    return port


def _is_claimed(port: int) -> bool:
    """Say whether a file that is still there notes this port; with its file goes the claim."""
    claimer = read_or_none(CLAIMS / str(port))
    return claimer is not None and read_or_none(Path(claimer)) == str(port)


def _gets_free(port: int) -> bool:
    """Say whether the port is free, giving a process that was just killed a moment to let go of it."""
    end = time.monotonic() + LET_GO_SECONDS
    while not is_free(port):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
