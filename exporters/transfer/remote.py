"""A session with a file server over libcurl, as the process of its own has it. What differs is in `ftp` and `sftp`.

Every order is one libcurl transfer; the connection stays open between them. After any failure the session is over: a
server's later replies may then belong to earlier commands.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import certifi
import pycurl

from exporters.guard import Guard, Ports
from exporters.transfer.place import Place
from exporters.transfer.wire import PIECE, Trouble

WHOLE_SECONDS = 6 * 3600
TELL_SECONDS = 0.5
MOST_LINES = 500

_FAMILIES = (socket.AF_INET, socket.AF_INET6)
_REPLY = re.compile(r"([1-5][0-9]{2})[ ]")


class Failed(Exception):
    """An order failed; the session is over."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.text)
        self.trouble = trouble


class Remote:
    """What FTP and SFTP share. told is given the bytes sent so far, now and then, also while nothing moves."""

    ports: Ports
    protocols: int

    def __init__(self, place: Place, guard: Guard, told: Callable[[int], None]) -> None:
        self.place = place
        self.lines: list[str] = []
        self.address: str | None = None
        self.sockets = 0
        self.guard = guard
        self._told = told
        self._told_at = 0.0
        self._seen: tuple[int, ...] = ()
        self._moved_at = 0.0
        self._is_stalled = False
        self._handle: Any = pycurl.Curl()
        self._parent = os.getppid()

    # ---- what each protocol says in its own way ----------------------------------------------------------------------

    def open(self) -> None:
        """Connect, verify, log in."""
        raise NotImplementedError

    def url(self, name: str) -> str:
        """Give the address of a file."""
        raise NotImplementedError

    def options(self) -> Iterator[tuple[int, Any]]:
        """Yield the options that this protocol always has."""
        raise NotImplementedError

    def stage(self, code: int, doing: str) -> str:
        """Say how far it had come when it failed."""
        raise NotImplementedError

    # ---- orders --------------------------------------------------------------------------------------------------------

    def put(self, name: str, size: int, read: Callable[[int], bytes]) -> None:
        """Send a file; read gives at most so many bytes of it."""
        self.run(
            "write",
            (pycurl.URL, self.url(name)),
            (pycurl.UPLOAD, 1),
            (pycurl.INFILESIZE_LARGE, size),
            (pycurl.READFUNCTION, read),
            *self.long(),
        )

    def read(self, name: str, write: Callable[[bytes], None]) -> None:
        """Read a file; write is given its bytes."""
        self.run("read", (pycurl.URL, self.url(name)), (pycurl.WRITEFUNCTION, write), *self.long())

    def steps(self) -> list[tuple[str, int, str]]:
        """Tell what opening the session took, as far as it came: stage, milliseconds, words."""
        handle, found = self._handle, list[tuple[str, int, str]]()
        looked_up, connected, secured = (
            handle.getinfo(what) for what in (pycurl.NAMELOOKUP_TIME, pycurl.CONNECT_TIME, pycurl.APPCONNECT_TIME)
        )
        if looked_up or connected or self.sockets:
            found.append(("DNS", _ms(looked_up), f"{self.place.host} is found"))
        if connected:
            peer = f"{handle.getinfo(pycurl.PRIMARY_IP)} port {handle.getinfo(pycurl.PRIMARY_PORT)}"
            found.append(("TCP", _ms(connected - looked_up), f"{peer} answers"))
        if secured:
            found.append((self.security(), _ms(secured - connected), self.security_words()))
        if self.is_in():
            found.append(("login", _ms(handle.getinfo(pycurl.TOTAL_TIME) - (secured or connected)), "logged in"))
        return found

    def data_steps(self) -> list[tuple[str, int, str]]:
        """Tell how the last transfer's own connection came about, where it had one."""
        return []

    def security(self) -> str:
        """Name the step that makes the line safe."""
        raise NotImplementedError

    def security_words(self) -> str:
        """Say by what the server proved who it is."""
        raise NotImplementedError

    def is_in(self) -> bool:
        """Say whether the login was taken."""
        raise NotImplementedError

    def close(self) -> None:
        """Say goodbye."""
        self._handle.close()

    # ---- one libcurl transfer ------------------------------------------------------------------------------------------

    def run(self, doing: str, *options: tuple[int, Any]) -> None:
        """Do one transfer. Raises Failed."""
        code, text = self.attempt(*options)
        if code != pycurl.E_OK:
            raise Failed(self.trouble(code, text, doing))

    def attempt(self, *options: tuple[int, Any]) -> tuple[int, str]:
        """Do one transfer and give libcurl's code and words, for failures that are answers."""
        handle = self._handle
        handle.reset()  # forgets the options, keeps the connection
        for option, value in (*self._always(), *self.options(), *options):
            handle.setopt(option, value)
        self.lines.clear()
        self.sockets = 0
        self._moved_at = monotonic()
        self._is_stalled = False
        try:
            handle.perform()
        except pycurl.error as error:
            code, text = error.args[:2]
            if self._is_stalled:
                return int(pycurl.E_OPERATION_TIMEDOUT), f"nothing moved for {self.place.timeout_seconds} seconds"
            return int(code), str(text)
        return self.success(str(handle.errstr()))

    def success(self, text: str) -> tuple[int, str]:  # noqa: ARG002 -- for those that know better
        """Say what a transfer came to that libcurl calls a success, whatever it has said meanwhile."""
        return pycurl.E_OK, ""

    def trouble(self, code: int, text: str, doing: str) -> Trouble:
        """Write down how a transfer failed."""
        stage = self.stage(code, doing)
        return Trouble(
            stage=stage,
            code=code,
            text=text,
            reply=self.refusal(),
            address=self.address,
            steps=tuple(step for step in self.steps() if step[0] != stage) if doing == "login" else (),
        )

    def info(self, what: int) -> Any:
        """Ask libcurl about the last transfer."""
        return self._handle.getinfo(what)

    def refusal(self) -> str:
        """Give the server's last reply if it says no. Earlier ones say nothing: EPSV may be refused, and PASV taken."""
        last = next((line for line in reversed(self.lines) if _REPLY.match(line)), "")
        return last if last[:1] in {"4", "5"} else ""

    def long(self) -> Iterator[tuple[int, Any]]:
        """Yield the limits of a transfer that may take hours as long as bytes move."""
        yield pycurl.TIMEOUT_MS, WHOLE_SECONDS * 1000
        yield pycurl.LOW_SPEED_LIMIT, 1
        yield pycurl.LOW_SPEED_TIME, self.place.timeout_seconds

    def _always(self) -> Iterator[tuple[int, Any]]:
        place = self.place
        yield pycurl.NOSIGNAL, 1
        yield pycurl.PROTOCOLS, self.protocols
        yield pycurl.PROXY, ""
        yield pycurl.NOPROXY, "*"
        yield pycurl.NETRC, pycurl.NETRC_IGNORED
        yield pycurl.FOLLOWLOCATION, 0
        yield pycurl.PATH_AS_IS, 1
        yield pycurl.USERNAME, place.user
        yield pycurl.PASSWORD, place.password or ""
        yield pycurl.CONNECTTIMEOUT_MS, place.timeout_seconds * 1000
        yield pycurl.TIMEOUT_MS, (2 * place.timeout_seconds + 5) * 1000
        yield pycurl.FTP_RESPONSE_TIMEOUT, place.timeout_seconds  # SFTP, too
        yield pycurl.TCP_KEEPALIVE, 1
        yield pycurl.TCP_KEEPIDLE, 30
        yield pycurl.TCP_KEEPINTVL, 30
        yield pycurl.UPLOAD_BUFFERSIZE, PIECE
        yield pycurl.BUFFERSIZE, 256 * 1024
        yield pycurl.OPENSOCKETFUNCTION, self._on_open_socket
        yield pycurl.PREREQFUNCTION, self._on_connected
        yield pycurl.HEADERFUNCTION, self._on_line
        yield pycurl.WRITEFUNCTION, _forget
        yield pycurl.NOPROGRESS, 0
        yield pycurl.XFERINFOFUNCTION, self._on_progress
        yield pycurl.CAINFO, certifi.where()
        yield pycurl.SSL_VERIFYPEER, 1
        yield pycurl.SSL_VERIFYHOST, 2
        newest = pycurl.SSLVERSION_MAX_TLSv1_2 if place.tls_max == "1.2" else 0
        yield pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2 | newest
        if place.ca_certificate is not None:
            yield pycurl.CAINFO_BLOB, place.ca_certificate

    def _on_open_socket(self, _purpose: int, address: Any) -> Any:
        """Judge an address before a packet goes there: of the control connection and of every data connection."""
        target, port = str(address.addr[0]), int(address.addr[1])
        if self.address is not None or address.family not in _FAMILIES:
            return pycurl.SOCKET_BAD
        if not self.guard.may_dial(target, port, ports=self.ports):
            self.address = target
            return pycurl.SOCKET_BAD
        self.sockets += 1
        return socket.socket(address.family, address.socktype, address.protocol)

    def _on_connected(self, address: str, _own: str, port: int, _own_port: int) -> int:
        if self.address is None and self.guard.may_dial(address, port, ports=self.ports):
            return int(pycurl.PREREQFUNC_OK)
        self.address = self.address or address
        return int(pycurl.PREREQFUNC_ABORT)

    def _on_line(self, line: bytes) -> None:
        if len(self.lines) < MOST_LINES:
            self.lines.append(line.decode("utf-8", "replace").strip())
        else:
            self.lines[-1] = line.decode("utf-8", "replace").strip()

    def _on_progress(self, _down_all: int, down: int, _up_all: int, up: int) -> int:
        now = monotonic()
        seen = (down, up, len(self.lines), self.sockets)
        if seen != self._seen:
            self._seen, self._moved_at = seen, now
        elif now - self._moved_at > self.place.timeout_seconds:
            self._is_stalled = True  # libcurl itself waits minutes for a data connection that nobody answers
            return 1
        if now - self._told_at >= TELL_SECONDS:
            self._told_at = now
            if os.getppid() != self._parent:
                return 1  # whoever sent us is gone
            self._told(up)
        return 0


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _forget(_bytes: bytes) -> None:
    """Take what nobody reads: listings of the login's folder, for one."""
