"""Send one long file to an FTPS or SFTP server and print what it took as JSON: by our door, or by libcurl alone.

`python -m bench.uploader ours|libcurl` reads {"settings": {...}, "megabytes": n, "folder": ...} from its standard input.
"""

from __future__ import annotations

import itertools
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pycurl

from bench import memory
from exporters.base import Phase, RunFile, Sending
from exporters.ftp import Ftp
from exporters.ftp_settings import FtpSettings
from exporters.transfer import FileDoor, guard_from

BLOCK = bytes(range(256)) * 4096
"""1 MiB, the piece in which files are kept."""


class Deaf:
    """Nobody listens to the progress."""

    def begin(self, phase: Phase, name: str) -> None:
        """Hear of a step."""

    def sent(self, total: int) -> None:
        """Hear of bytes."""


def ours(document: dict[str, Any], megabytes: int) -> None:
    """Bring it to its place as a worker does: temporary name, size, rename, look again."""

    def chunks() -> Iterator[bytes]:
        return itertools.repeat(BLOCK, megabytes)

    file = RunFile("ours.csv", megabytes << 20, "", chunks)
    sending = Sending(1, 1, document["folder"], Deaf(), None, None)
    Ftp(FtpSettings.model_validate(document), []).place(file, sending, FileDoor(guard_from("127.0.0.1/32")))


def libcurl(document: dict[str, Any], megabytes: int) -> None:
    """Send it under its name, and look at nothing."""
    with tempfile.TemporaryDirectory() as folder:
        handle = pycurl.Curl()
        scheme = "sftp" if document["protocol"] == "sftp" else "ftp"
        way = f"{document['folder']}/libcurl.csv"
        handle.setopt(pycurl.URL, f"{scheme}://127.0.0.1:{document['port']}{'/~' if scheme == 'sftp' else ''}/{way}")
        handle.setopt(pycurl.USERNAME, document["user"])
        if scheme == "sftp":
            key = Path(folder) / "key"
            key.write_text(document["privateKey"])
            handle.setopt(pycurl.SSH_PRIVATE_KEYFILE, str(key))
        else:
            authority = Path(folder) / "authority.pem"
            authority.write_text(document["caCertificate"])
            handle.setopt(pycurl.PASSWORD, document["password"])
            handle.setopt(pycurl.CAINFO, str(authority))
            handle.setopt(pycurl.USE_SSL, pycurl.USESSL_ALL)
        handle.setopt(pycurl.UPLOAD, 1)
        handle.setopt(pycurl.UPLOAD_BUFFERSIZE, 1 << 20)
        handle.setopt(pycurl.INFILESIZE_LARGE, megabytes << 20)
        handle.setopt(pycurl.READFUNCTION, _reader(megabytes))
        handle.perform()


def _reader(megabytes: int) -> Callable[[int], bytes]:
    left, whole = megabytes << 20, memoryview(BLOCK)

    def read(most: int) -> bytes:
        nonlocal left
        piece = bytes(whole[: min(most, left, len(whole))])
        left -= len(piece)
        return piece

    return read


def main() -> None:
    """Do it once."""
    given = json.loads(sys.stdin.read())
    began = time.monotonic()
    {"ours": ours, "libcurl": libcurl}[sys.argv[1]](given["settings"], given["megabytes"])
    seconds = time.monotonic() - began
    peaks = [memory.peak(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024]
    print(json.dumps({"seconds": seconds, "megabytes": sum(peaks)}))


if __name__ == "__main__":
    main()
