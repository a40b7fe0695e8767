"""Many HTTP requests at once over libcurl, in one thread.

Sockets are watched by our own epoll (`socket_action`), because `perform` looks at all transfers again for each answer:
with 256 in flight and slow receivers that took twice the processor time per request.
"""

from __future__ import annotations

import math
import os
import re
import select
import socket
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain
from time import monotonic
from typing import Any, Generic, TypeVar

import certifi
import pycurl

from exporters.base import BEFORE_ANSWER, Failing, Reply, Request, Timing
from exporters.errors import AddressBlocked, Unsendable
from exporters.guard import Guard
from exporters.headers import CONTROL, name_fault
from exporters.masking import mask_text

USER_AGENT = "Waybill/0.1.0"

HEADER_CAP = 64 * 1024
BODY_CAP = 1024 * 1024
BODY_KEPT = 16 * 1024
NAME_RESTS_SECONDS = 30

ABSENT_SECONDS = 1.0
"""When nobody has looked after the transfers for longer, be it that the process was stopped or busy elsewhere, what ends
then says nothing about the receiver."""

GRACE_SECONDS = 1.0
"""After an absence a transfer has at least so long left: its answer may wait in our own socket."""

T = TypeVar("T")


class Flights(Generic[T]):
    """Up to `limit` requests in the air, each with a tag of the caller's. One thread; make it after a fork.

    A host name that was never found gets one transfer at a time, the others wait behind it: libcurl looks names up in
    some twenty threads, and dead names would take them all. A name that was not found rests for 30 seconds.
    """

    def __init__(self, guard: Guard, limit: int = 256, *, is_timed: bool = False) -> None:
        self._is_timed = is_timed  # not for hundreds at once: it takes time itself
        # A dead name server is given up after two seconds (glibc reads this when it first looks up a name).
        os.environ.setdefault("RES_OPTIONS", "timeout:1 attempts:2")
        self._limit = limit
        self._guard = guard
        self._cleared: set[tuple[str, int]] = set()
        self._cleared_until = 0.0
        self._names: dict[str, _Name] = {}
        self._opened: list[_Name] = []
        self._copied: list[socket.socket] = []
        self._idle: list[_Flight] = []
        self._flying: dict[Any, _Flight] = {}
        self._waiting = 0
        self._landed: list[tuple[T, Reply]] = []
        self._timer_at = math.inf
        self._attended_at = monotonic()
        self._graced: list[_Flight] = []
        self._watched: set[int] = set()
        self._epoll = select.epoll()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._bell, select.EPOLLIN)
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, limit + limit // 2)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)

    @property
    def room(self) -> int:
        """How many more requests may be started."""
        return self._limit - len(self._flying) - self._waiting

    def start(self, tag: T, request: Request) -> None:
        """Send a request. Raises Unsendable when it would not be one clean HTTP request."""
        lines = _header_lines(request)
        host = _checked_host(request)
        name = self._names.get(host)
        if name is None:
            name = self._names[host] = _Name()
        flight = self._idle.pop() if self._idle else _Flight(self)
        flight.board(tag, request, lines, name)
        if name.is_found:
            self._launch(flight)
        elif flight.began < name.rests_until:
            self._land(flight, Failing.DNS, "host name not found a moment ago; it is looked up again soon")
        elif name.is_tried:
            name.queue.append(flight)
            self._waiting += 1
        else:
            name.is_tried = True
            self._launch(flight)

    def older_than(self, seconds: float) -> list[T]:
        """Give the tags of what has been in the air for longer, or waits that long for its host's name."""
        since = monotonic() - seconds
        waiting = (flight for name in self._names.values() for flight in name.queue)
        return [flight.tag for flight in chain(self._flying.values(), waiting) if flight.began < since]

    def finished(self, wait: float, heeding: int | None = None) -> list[tuple[T, Reply]]:
        """Return what has ended since, as soon as there is something, and at the latest after `wait` seconds.

        heeding: a file of the caller's; that it can be read is a reason to return as well. An empty list means that, or
        that the time is over, or that `wake` was called.
        """
        if heeding is not None:
            self._epoll.register(heeding, select.EPOLLIN)
        try:
            return self._finished(monotonic() + wait, heeding)
        finally:
            if heeding is not None:  # not kept: once its owner closes it, its number may be a transfer's
                self._epoll.unregister(heeding)

    def _finished(self, ends: float, heeded: int | None) -> list[tuple[T, Reply]]:
        is_woken = False
        while True:
            is_woken = self._turn(0.0 if self._landed else ends - monotonic(), heeded) or is_woken
            self._collect()
            if self._landed or is_woken or monotonic() >= ends:
                landed, self._landed = self._landed, []
                return landed

    def wake(self) -> None:
        """Make `finished` return at once. May be called from a signal handler or another thread."""
        os.eventfd_write(self._bell, 1)

    def cut(self) -> list[T]:
        """Break off all that is in the air and return its tags; whether it arrived is unknown."""
        tags = [flight.tag for flight in self._flying.values()]
        for handle in list(self._flying):
            self._multi.remove_handle(handle)
        for name in self._names.values():
            tags.extend(flight.tag for flight in name.queue)
            name.queue.clear()
        self._flying.clear()
        self._names.clear()
        self._waiting = 0
        return tags

    def close(self) -> None:
        """Cut what is left and free all. May take seconds while a name is being looked up: at an exit, do not call it."""
        self.cut()
        self._multi.close()
        self._epoll.close()
        os.close(self._bell)

    def clears(self, address: str, port: int) -> bool:
        """Judge an address that a kept connection leads to; asked for each request, so remembered for a minute."""
        now = monotonic()
        if now > self._cleared_until:
            self._cleared.clear()
            self._cleared_until = now + 60
        if (address, port) in self._cleared:
            return True
        if not self._guard.may_dial(address, port):
            return False
        self._cleared.add((address, port))
        return True

    def opens(self, name: _Name, address: str, port: int) -> bool:
        """Judge an address before a socket is made. That there is one shows that the name was found."""
        if not name.is_found:
            name.is_found = True
            self._opened.append(name)
        return self._guard.may_dial(address, port)

    def socket_for(self, address: Any) -> socket.socket:
        """Make a socket for libcurl, which takes a copy of it: ours is closed at the end of the turn."""
        made = socket.socket(address.family, address.socktype, address.protocol)
        self._copied.append(made)
        return made

    def _watch(self, what: int, fd: int, _multi: object, _data: object) -> None:
        if what == pycurl.POLL_REMOVE:
            self._watched.discard(fd)
            with suppress(OSError):  # closed before
                self._epoll.unregister(fd)
        elif fd in self._watched:
            self._epoll.modify(fd, _EVENTS[what])
        else:
            self._watched.add(fd)
            self._epoll.register(fd, _EVENTS[what])

    def _set_timer(self, milliseconds: int) -> None:
        self._timer_at = math.inf if milliseconds < 0 else monotonic() + milliseconds / 1000

    def _turn(self, wait: float, heeded: int | None) -> bool:
        """Let libcurl work once, at most `wait` seconds from now; True when woken, or when the heeded file can be read."""
        is_rung = False
        until_grace_ends = min((flight.grace_ends for flight in self._graced), default=math.inf)
        wait = max(0.0, min(wait, min(self._timer_at, until_grace_ends) - monotonic()))
        act = self._multi.socket_action
        ready = self._epoll.poll(wait, 1024)
        absent = monotonic() - self._attended_at - wait
        if absent > ABSENT_SECONDS:
            self._forgive(absent)
        for fd, events in ready:
            if fd == self._bell:
                os.eventfd_read(fd)
                is_rung = True
            elif fd == heeded:
                is_rung = True
            else:
                act(fd, _ACTIONS[events & 31])
        if self._timer_at <= monotonic():
            self._timer_at = math.inf
            act(pycurl.SOCKET_TIMEOUT, 0)
        if self._graced:
            self._end_graces()
        while self._copied:
            self._copied.pop().close()
        while self._opened:
            self._release(self._opened.pop())
        self._attended_at = monotonic()
        return is_rung

    def _forgive(self, absent: float) -> None:
        """Note that nobody was there for what is in the air, and let what is overdue be read once before it ends."""
        now = monotonic()
        for flight in self._flying.values():
            if flight.launched <= self._attended_at and flight.forgive(now, absent):
                self._graced.append(flight)

    def _end_graces(self) -> None:
        """End what is over in spite of its grace. libcurl would not: its own timer has run out before."""
        now, graced = monotonic(), self._graced
        self._graced = []
        for flight in graced:
            if self._flying.get(flight.handle) is not flight or flight.grace_ends == math.inf:
                continue
            if flight.grace_ends > now:
                self._graced.append(flight)
            else:
                self._end(flight.handle, pycurl.E_OPERATION_TIMEDOUT, "no answer in time")

    def _collect(self) -> None:
        left = 1
        while left:
            left, whole, broken = self._multi.info_read()
            for handle in whole:
                self._end(handle, pycurl.E_OK, "")
            for handle, code, text in broken:
                self._end(handle, code, text)

    def _launch(self, flight: _Flight) -> None:
        flight.prepare()
        self._flying[flight.handle] = flight
        self._multi.add_handle(flight.handle)

    def _release(self, name: _Name) -> None:
        """Start what waited behind a name: all when it was found, else the next one."""
        while name.queue and (name.is_found or not name.is_tried):
            name.is_tried = True
            self._waiting -= 1
            self._launch(name.queue.popleft())

    def _end(self, handle: Any, code: int, text: str) -> None:
        flight = self._flying.pop(handle)
        self._multi.remove_handle(handle)
        flight.read_head()
        failing = flight.failing(code)
        name = flight.name
        if failing is Failing.DNS or (failing is Failing.TIMEOUT and not name.is_found):
            name.is_found = name.is_tried = False
            name.rests_until = monotonic() + NAME_RESTS_SECONDS
            self._waiting -= len(name.queue)
            while name.queue:
                self._land(name.queue.popleft(), failing, text)
        elif not name.is_found:
            name.is_tried = False
            self._release(name)
        self._land(flight, failing, text)

    def _land(self, flight: _Flight, failing: Failing | None, text: str) -> None:
        reply = flight.reply(failing, text)
        self._landed.append((flight.tag, replace(reply, timing=flight.timing()) if self._is_timed else reply))
        flight.leave()
        self._idle.append(flight)


def send(guard: Guard, request: Request) -> Reply:
    """Send one request and wait for its reply, which also tells of every failure. Raises Unsendable."""
    flights: Flights[None] = Flights(guard, limit=1, is_timed=True)
    try:
        flights.start(None, request)
        while True:
            for _, reply in flights.finished(wait=1.0):
                return reply
    finally:
        flights.close()


@dataclass(slots=True)
class _Name:
    """What is known of a host name: found, being tried, or resting; and who waits behind it."""

    is_found: bool = False
    is_tried: bool = False
    rests_until: float = 0.0
    queue: deque[_Flight] = field(default_factory=deque)


class _Flight:
    """One request in the air: its libcurl handle, and what has come back so far. Used again and again."""

    __slots__ = (
        "_flights", "absent", "address", "began", "body", "body_size", "grace_ends", "handle", "header_lines", "header_size", "headers",
        "is_head_whole", "is_sent", "is_too_large", "launched", "lines", "name", "request", "resent_at", "started_at", "status", "tag", "woken_at",
    )  # fmt: skip

    def __init__(self, flights: Flights[Any]) -> None:
        self._flights = flights
        self.handle: Any = pycurl.Curl()
        self.leave()

    def leave(self) -> None:
        """Forget all of the request, in libcurl too."""
        self.handle.reset()
        self.tag: Any = None
        self.request: Any = None
        self.lines: list[str | bytes] = []

    def board(self, tag: object, request: Request, lines: list[str | bytes], name: _Name) -> None:
        self.tag, self.request, self.lines, self.name = tag, request, lines, name
        self.started_at = datetime.now(UTC)
        self.began = self.launched = monotonic()
        self.absent, self.woken_at, self.grace_ends = 0.0, -math.inf, math.inf
        self.header_lines: list[bytes] = []
        self.body: list[bytes] = []
        self.header_size = self.body_size = 0
        self.is_too_large = self.is_head_whole = self.is_sent = False
        self.resent_at: tuple[datetime, ...] = ()
        self.status: int | None = None
        self.headers: tuple[tuple[str, str], ...] = ()
        self.address: str | None = None  # the refused one

    def prepare(self) -> None:
        """Set every option: the handle comes fresh from a reset."""
        request, set_option = self.request, self.handle.setopt
        for option, value in _ALWAYS:
            set_option(option, value)
        set_option(pycurl.OPENSOCKETFUNCTION, self.on_open_socket)
        set_option(pycurl.PREREQFUNCTION, self.on_connected)
        set_option(pycurl.HEADERFUNCTION, self.on_header)
        set_option(pycurl.WRITEFUNCTION, self.on_body)
        set_option(pycurl.URL, request.url)
        set_option(pycurl.HTTPHEADER, self.lines)
        self.launched = monotonic()
        left = request.timeout_seconds - (self.launched - self.began)
        set_option(pycurl.TIMEOUT_MS, max(1, int(left * 1000)))
        if request.ca_certificate is not None:
            set_option(pycurl.CAINFO_BLOB, request.ca_certificate)
        body = request.body
        if body is None and request.method in _WITH_LENGTH:
            body = b""
        if body is not None:
            set_option(pycurl.POSTFIELDS, body)
        if request.method != ("GET" if body is None else "POST"):
            set_option(pycurl.CUSTOMREQUEST, request.method)

    def forgive(self, now: float, absent: float) -> bool:
        """Note an absence that ends now. Returns whether the deadline had to be moved for it, to `grace_ends`."""
        self.absent, self.woken_at = absent, now
        ends = now + GRACE_SECONDS
        if self.began + self.request.timeout_seconds >= ends:
            return False
        was_graced, self.grace_ends = self.grace_ends < math.inf, ends
        past = int((ends - self.launched) * 1000)
        self.handle.setopt(pycurl.TIMEOUT_MS, past + 1000)  # `grace_ends` strikes first
        self.handle.setopt(pycurl.CONNECTTIMEOUT_MS, max(5000, past))
        return not was_graced

    def absence(self, failing: Failing | None) -> float:
        """Say for how long nobody looked after it, if it failed for that: at the end of an absence, without an answer."""
        is_ours = self.grace_ends < math.inf or monotonic() - self.woken_at < GRACE_SECONDS
        return self.absent if is_ours and failing in BEFORE_ANSWER else 0.0

    def on_open_socket(self, _purpose: int, address: Any) -> Any:
        target = address.addr
        is_first = self.address is None and address.family in _FAMILIES
        if is_first and self._flights.opens(self.name, str(target[0]), int(target[1])):
            return self._flights.socket_for(address)
        # One refused address ends the transfer: later ones are refused with it, also those the guard would let pass.
        self.address = self.address or str(target[0])
        return pycurl.SOCKET_BAD

    def on_connected(self, address: str, _own: str, port: int, _own_port: int) -> int:
        if self.address is None and self._flights.clears(address, port):
            if self.is_sent:
                self.resent_at = (*self.resent_at, datetime.now(UTC))
            self.is_sent = True
            return _GO
        self.address = self.address or address
        return _STOP

    def on_header(self, line: bytes) -> int | None:
        self.header_size += len(line)
        if self.header_size > HEADER_CAP:
            self.is_too_large = True
            return -1
        self.header_lines.append(line)
        return None

    def on_body(self, chunk: bytes) -> int | None:
        size = self.body_size
        self.body_size = size + len(chunk)
        if size < BODY_KEPT:
            self.body.append(chunk if self.body_size <= BODY_KEPT else chunk[: BODY_KEPT - size])
        if self.body_size > BODY_CAP:
            self.is_too_large = True
            return -1
        return None

    def read_head(self) -> None:
        """Read status and headers of the last block, and whether its blank line came. Trailers are left out."""
        headers: list[tuple[str, str]] = []
        status, is_whole = None, False
        for line in self.header_lines:
            if line == b"\r\n" or line == b"\n":  # noqa: PLR1714 - a set is slower, and this runs for each line
                is_whole = True
            elif not is_whole and status is not None:
                name, _, value = line.decode("latin-1").partition(":")
                headers.append((name.strip(), value.strip()))
            elif line.startswith(b"HTTP/") and (status is None or status < 200):
                status, is_whole = _status(line), False
                headers.clear()
        self.status, self.headers, self.is_head_whole = status, tuple(headers), is_whole

    def failing(self, code: int) -> Failing | None:
        """Say how the transfer failed, or None. libcurl's own word is not enough.

        It takes an end of file inside the headers for a whole answer, and 101 for one.
        """
        if self.address is not None:
            return Failing.BLOCKED
        if self.is_too_large:
            return Failing.TOO_LARGE
        if code != pycurl.E_OK:
            return _FAILINGS.get(code, Failing.PROTOCOL)
        if self.status is None:
            return Failing.PROTOCOL
        return None if self.is_head_whole and self.status >= 200 else Failing.CUT

    def timing(self) -> Timing:
        """Ask libcurl when it had come how far; it says 0 for what never was, and a time for a byte that never came."""
        told = (self.handle.getinfo(stage) for stage in _STAGES)
        name, connected, secured, first = (round(seconds * 1000, 1) if seconds else None for seconds in told)
        return Timing(name, connected, secured, first if self.status is not None else None)

    def reply(self, failing: Failing | None, text: str) -> Reply:
        absent = self.absence(failing)
        if absent:
            text = f"{text}; our own process was stopped or busy for {absent:.1f} s, which is not the receiver's fault"
        return Reply(
            self.started_at,
            int((monotonic() - self.began) * 1000),
            self.status,
            self.headers,
            b"".join(self.body),
            failing,
            None if failing is None else _error_line(failing, text, self.request.secrets),
            self.address,
            self.body_size > BODY_KEPT,
            self.resent_at,
            absent_seconds=absent,
        )


def _error_line(failing: Failing, text: str, secrets: tuple[str, ...]) -> str:
    if failing is Failing.BLOCKED:
        return str(AddressBlocked())  # the same for all: the text must not tell what is behind an address
    if failing is Failing.TOO_LARGE:
        return f"answer too large: more than {HEADER_CAP // 1024} KiB of headers or {BODY_CAP // 1024} KiB of body"
    if not text:
        return "the connection broke off inside the headers"
    return mask_text(CONTROL.sub(" ", text), secrets)[:300]  # masked first: no half of a secret stays


def _status(line: bytes) -> int | None:
    words = line.split(None, 2)
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else None


def _header_lines(request: Request) -> list[str | bytes]:
    """Return the headers as libcurl takes them. Raises Unsendable: libcurl itself would send CR and LF as given."""
    for name, _ in request.headers:
        fault = name_fault(name)
        if fault is not None:
            raise Unsendable(fault)
    texts = [f"{name}: {value}" if value else f"{name};" for name, value in request.headers]
    if CONTROL.search("".join(texts)):
        raise Unsendable("a header holds a control character")
    lines: list[str | bytes] = [text if text.isascii() else _utf8(text) for text in texts]
    if request.body is not None or request.method in _WITH_LENGTH:
        lines.append("Expect:")  # never sent: some receivers choke on it
        if not any(name.lower() == "content-type" for name, _ in request.headers):
            lines.append("Content-Type:")  # libcurl would invent one
    return lines


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise Unsendable("a header holds half a character") from error


def _checked_host(request: Request) -> str:
    if request.method not in METHODS:
        raise Unsendable("the method is none of " + ", ".join(sorted(METHODS)))
    match = _URL.fullmatch(request.url)
    if match is None:
        raise Unsendable("the URL is not one clean http or https address")
    return match[1]


_STAGES = (pycurl.NAMELOOKUP_TIME, pycurl.CONNECT_TIME, pycurl.APPCONNECT_TIME, pycurl.STARTTRANSFER_TIME)

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})

_WITH_LENGTH = frozenset({"POST", "PUT", "PATCH"})  # without a body they say Content-Length: 0
_URL = re.compile(
    r"https?://(\[[0-9a-f:.]+\]|[^\x00-\x20\x7f-\U0010ffff/?#@:\\%\[\]]+)(?::[0-9]+)?(?:[/?][\x21-\x7e]*)?"
)
_FAMILIES = (socket.AF_INET, socket.AF_INET6)
_GO: int = pycurl.PREREQFUNC_OK
_STOP: int = pycurl.PREREQFUNC_ABORT

_ALWAYS: tuple[tuple[int, Any], ...] = (
    (pycurl.NOSIGNAL, 1),
    (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
    (pycurl.PROXY, ""),
    (pycurl.NOPROXY, "*"),
    (pycurl.NETRC, pycurl.NETRC_IGNORED),
    (pycurl.FOLLOWLOCATION, 0),
    (pycurl.HTTPAUTH, pycurl.HTTPAUTH_BASIC),
    (pycurl.HTTP09_ALLOWED, 0),
    (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS),
    (pycurl.PATH_AS_IS, 1),
    (pycurl.USERAGENT, USER_AGENT),
    (pycurl.SSL_VERIFYPEER, 1),
    (pycurl.SSL_VERIFYHOST, 2),
    (pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2),
    (pycurl.CAINFO, certifi.where()),
    (pycurl.CONNECTTIMEOUT_MS, 5000),
    (pycurl.MAXAGE_CONN, 60),
    (pycurl.MAXLIFETIME_CONN, 300),
)

_EVENTS = {
    pycurl.POLL_NONE: 0,
    pycurl.POLL_IN: select.EPOLLIN,
    pycurl.POLL_OUT: select.EPOLLOUT,
    pycurl.POLL_INOUT: select.EPOLLIN | select.EPOLLOUT,
}


def _action(events: int) -> int:
    is_readable = events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR)
    is_writable = events & (select.EPOLLOUT | select.EPOLLERR)
    return (pycurl.CSELECT_IN if is_readable else 0) | (pycurl.CSELECT_OUT if is_writable else 0)


_ACTIONS = tuple(_action(events) for events in range(32))

_FAILINGS = {
    pycurl.E_COULDNT_RESOLVE_HOST: Failing.DNS,
    pycurl.E_COULDNT_CONNECT: Failing.CONNECT,
    pycurl.E_OPERATION_TIMEDOUT: Failing.TIMEOUT,
    pycurl.E_SSL_CONNECT_ERROR: Failing.TLS,
    pycurl.E_PEER_FAILED_VERIFICATION: Failing.TLS,
    pycurl.E_SSL_CERTPROBLEM: Failing.TLS,
    pycurl.E_SSL_CIPHER: Failing.TLS,
    pycurl.E_SSL_CACERT_BADFILE: Failing.TLS,
    pycurl.E_SSL_ISSUER_ERROR: Failing.TLS,
    pycurl.E_GOT_NOTHING: Failing.CUT,
    pycurl.E_RECV_ERROR: Failing.CUT,
    pycurl.E_SEND_ERROR: Failing.CUT,
    pycurl.E_PARTIAL_FILE: Failing.CUT,
    92: Failing.CUT,  # CURLE_HTTP2_STREAM, which pycurl does not name
    pycurl.E_WRITE_ERROR: Failing.TOO_LARGE,
    100: Failing.TOO_LARGE,  # CURLE_TOO_LARGE: libcurl's own cap on headers
}
