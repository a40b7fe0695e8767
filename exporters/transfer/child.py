"""The process that talks to one file server: `python -m exporters.transfer.child`, orders on its input, news on its output.

A process of its own, because a fault in libssh2 can abort it; it holds one profile's login and no database. It ends with
its input, so it never outlives whoever sent it.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import traceback
from typing import Any

from exporters.transfer import wire
from exporters.transfer.ftp import NOT_TOLD, FtpRemote
from exporters.transfer.guarding import guard_from
from exporters.transfer.place import HostKey, Place
from exporters.transfer.remote import Failed
from exporters.transfer.sftp import SftpRemote

Remote = FtpRemote | SftpRemote


class Inlet:
    """The bytes of one put, as libcurl asks for them."""

    def __init__(self, fd: int, size: int) -> None:
        self._fd = fd
        self._left = size

    def __call__(self, most: int) -> bytes:
        """Give at most so many bytes. That the sender is gone is no end of the file."""
        if self._left == 0:
            return b""
        found = os.read(self._fd, min(most, self._left))
        if not found:
            raise wire.Ended
        self._left -= len(found)
        return found


class Talk:
    """Takes orders from one descriptor, tells news on the other."""

    def __init__(self, orders: int, news: int) -> None:
        self._orders = orders
        self._news = news

    def hold(self) -> None:
        """Do what is ordered until something fails or nobody orders any more."""
        remote: Remote | None = None
        try:
            remote = self._open(wire.read_order(self._orders))
            while True:
                self._answer(remote, wire.read_order(self._orders))
        except Failed as failed:
            self._tell(trouble=failed.trouble.written())
        except wire.Ended:
            if remote is not None:
                remote.close()
        except Exception:  # noqa: BLE001 -- the edge of the process: a fault of ours is told with its trace
            self._tell(bug=traceback.format_exc())

    def _open(self, opening: dict[str, Any]) -> Remote:
        told = opening["place"]
        keys = tuple(HostKey(**key) for key in told.pop("host_keys"))
        place = Place(**told, host_keys=keys)
        kind = SftpRemote if place.protocol == "sftp" else FtpRemote
        remote: Remote = kind(place, guard_from(opening["egress_allow"]), lambda total: self._tell(sent=total))
        remote.open()
        self._tell(done=remote.steps())
        return remote

    def _answer(self, remote: Remote, order: dict[str, Any]) -> None:
        name = order["name"]
        match order["do"]:
            case "put":
                remote.put(name, order["size"], Inlet(self._orders, order["size"]))
                self._tell(done=remote.data_steps())
            case "read":
                remote.read(name, lambda some: self._send(wire.BYTES, some))
                self._tell(done=None)
            case "size":
                found = remote.size(name)
                self._tell(done=None if found is None else {"size": None if found == NOT_TOLD else found})
            case "rename":
                self._tell(done=remote.rename(name, order["new"]))
            case "remove":
                self._tell(done=remote.remove(name))
            case "make_folder":
                self._tell(done=remote.make_folder(name))
            case "has_folder":
                self._tell(done=remote.has_folder(name))

    def _tell(self, **news: Any) -> None:
        self._send(wire.NEWS, json.dumps(news).encode())

    def _send(self, kind: int, content: bytes) -> None:
        wire.write_whole(self._news, wire.frame(kind, content))


def main() -> None:
    """Talk over the standard descriptors, which nobody else may write to."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # hosts signal every process; whoever sent us decides when we end
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no password on a disk
    orders, news = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    Talk(orders, news).hold()
    sys.stdout.flush()


if __name__ == "__main__":
    main()
