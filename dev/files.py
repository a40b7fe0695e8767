"""Small files that must survive a kill at any line: private, whole, locked."""

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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

    Kept, so that URLs survive a restart.
    """
    noted = read_or_none(path)
    if noted and noted.isdigit() and is_free(int(noted)):
        return int(noted)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    write_private(path, f"{port}\n")
    return port
