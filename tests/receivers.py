"""Receivers on loopback for tests: one that does as its path says, and one that speaks HTTP/2.

    with Receiver() as receiver:
        receiver.url("drip")        # http://127.0.0.1:PORT/drip
        receiver.seen               # what arrived, byte for byte

The first segment of the path names the behaviour (see BEHAVIOURS); the rest is its argument: `/status/503`.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import html
import json
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from hypercorn.asyncio import serve
from hypercorn.config import Config

from dev.files import kept_port

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n"
FOR_EVER = 3600.0


@dataclass(frozen=True)
class Seen:
    """One request as it arrived. head is all up to the blank line, without it."""

    head: bytes
    body: bytes

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode("latin-1")

    @property
    def method(self) -> str:
        return self.line.split(" ")[0]

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]

    @property
    def headers(self) -> dict[str, str]:
        """Names in lower case; of equal ones the last."""
        pairs = (line.decode("utf-8", "replace").split(": ", 1) for line in self.head.split(b"\r\n")[1:])
        return {name.lower(): value for name, value in pairs}


Answer = Callable[[asyncio.StreamWriter, Seen, str], Awaitable[None]]


class Receiver:
    """A real HTTP server in a thread of its own. tls: the context of an HTTPS one; port 0: any that is free."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.seen: list[Seen] = []
        self.connections = 0
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._is_ready = threading.Event()
        self.port = port

    def url(self, path: str = "ok", *, host: str = "127.0.0.1") -> str:
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}/{path}"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._is_ready.wait(5)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(lambda *_: None)  # a client that hangs up is no news here
        self._loop.run_until_complete(self._serve())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._talk, "127.0.0.1", self.port, ssl=self._tls, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        self._is_ready.set()
        await self._stop.wait()
        server.close()
        talks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                seen = await _read(reader)
                self.seen.append(seen)
                name, _, argument = seen.target.lstrip("/").partition("?")[0].partition("/")
                await BEHAVIOURS.get(name, ok)(writer, seen, unquote(argument))
                await writer.drain()
                if writer.is_closing():
                    return
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n"))[:-4]
    seen = Seen(head, b"")
    return Seen(head, await reader.readexactly(int(seen.headers.get("content-length", "0"))))


# ---- behaviours ----------------------------------------------------------------------------------------------------


async def ok(writer: asyncio.StreamWriter, seen: Seen, argument: str) -> None:
    """200 and "ok"; keeps the connection."""
    writer.write(OK)


async def status(writer: asyncio.StreamWriter, seen: Seen, argument: str) -> None:
    """The status of the argument, and headers after it: /status/503/Retry-After: 7."""
    code, _, header = argument.partition("/")
    lines = f"HTTP/1.1 {code} Whatever\r\n" + (f"{header}\r\n" if header else "")
    writer.write(lines.encode() + b"Content-Length: 0\r\n\r\n")


async def echo(writer: asyncio.StreamWriter, seen: Seen, argument: str) -> None:
    """200 and the request itself."""
    body = seen.head + b"\n" + seen.body
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


async def codings(writer: asyncio.StreamWriter, seen: Seen, argument: str) -> None:
    """200 and the request itself, plain and in every coding that is in use."""
    text = (seen.head + b"\n" + seen.body).decode("utf-8", "replace")
    plain = [text, unquote_plus(text)]
    coded = [form for one in plain for form in (quote(one), quote_plus(one), json.dumps(one), html.escape(one))]
    based = [base64.b64encode(b"." * shift + unquote_plus(text).encode()).decode() for shift in range(3)]
    body = "\n".join(plain + coded + based).encode()
    header = quote(text).encode()
    writer.write(b"HTTP/1.1 200 OK\r\nX-Echo: %s\r\nContent-Length: %d\r\n\r\n" % (header, len(body)) + body)


async def slow(writer: asyncio.StreamWriter, seen: Seen, argument: str) -> None:
    """200 after so many seconds: /slow/0.3."""
    await asyncio.sleep(float(argument))
    writer.write(OK)


async def silent(writer: asyncio.StreamWriter, seen: Seen, argument: str) -> None:
    await asyncio.sleep(FOR_EVER)


async def drip(writer: asyncio.StreamWriter, seen: Seen, argument: str) -> None:
    """A good head, then a byte each tenth of a second."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.1)


async def reset(writer: asyncio.StreamWriter, seen: Seen, argument: str) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def nothing(writer: asyncio.StreamWriter, seen: Seen, argument: str) -> None:
    writer.close()


async def end_after_status(writer: asyncio.StreamWriter, seen: Seen, argument: str) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    writer.close()


async def end_after_header(writer: asyncio.StreamWriter, seen: Seen, argument: str) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n")
    writer.close()


async def end_in_body(writer: asyncio.StreamWriter, seen: Seen, argument: str) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    writer.close()


async def end_in_chunks(writer: asyncio.StreamWriter, seen: Seen, argument: str) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    writer.close()


async def until_end(writer: asyncio.StreamWriter, seen: Seen, argument: str) -> None:
    """A whole answer without a length: it ends with the connection."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")
    writer.close()


async def trailers(writer: asyncio.StreamWriter, seen: Seen, argument: str) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Late: 1\r\n\r\n")


async def endless_body(writer: asyncio.StreamWriter, seen: Seen, argument: str) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def endless_headers(writer: asyncio.StreamWriter, seen: Seen, argument: str) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-More: and more and more and more\r\n" * 50)
        await writer.drain()


async def endless_hundreds(writer: asyncio.StreamWriter, seen: Seen, argument: str) -> None:
    while True:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)


async def early_hints(writer: asyncio.StreamWriter, seen: Seen, argument: str) -> None:
    """103 first, then the real answer."""
    writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK)


async def gzip_bomb(writer: asyncio.StreamWriter, seen: Seen, argument: str) -> None:
    body = gzip.compress(b"\0" * 10_000_000)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


async def megabytes(writer: asyncio.StreamWriter, seen: Seen, argument: str) -> None:
    """200 and as many bytes as the argument says: /megabytes/20000."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n" % argument.encode() + b"x" * int(argument))


async def switching(writer: asyncio.StreamWriter, seen: Seen, argument: str) -> None:
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nhello")
    writer.close()


async def not_http(writer: asyncio.StreamWriter, seen: Seen, argument: str) -> None:
    writer.write(b"220 welcome to the mail server\r\n")
    writer.close()


async def redirect(writer: asyncio.StreamWriter, seen: Seen, argument: str) -> None:
    writer.write(f"HTTP/1.1 302 Found\r\nLocation: /{argument}\r\nContent-Length: 0\r\n\r\n".encode())


BEHAVIOURS: dict[str, Answer] = {
    name: behaviour
    for name, behaviour in list(globals().items())
    if asyncio.iscoroutinefunction(behaviour) and not name.startswith("_") and name != "serve"
}


# ---- HTTP/2 --------------------------------------------------------------------------------------------------------


class ModernReceiver:
    """An HTTPS server that offers HTTP/2. versions lists the version of each request."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self.versions: list[str] = []
        self.port = kept_port(certificate.with_name("port"))
        self._config = Config()
        self._config.bind = [f"127.0.0.1:{self.port}"]
        self._config.certfile, self._config.keyfile = str(certificate), str(key)
        self._config.errorlog = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            threading.Event().wait(0.05)
        raise RuntimeError("the HTTP/2 receiver did not start")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(lambda *_: None)
        self._stop = asyncio.Event()
        self._loop.run_until_complete(serve(self._answer, self._config, shutdown_trigger=self._stop.wait))
        self._loop.close()

    async def _answer(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            return
        self.versions.append(scope["http_version"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"ok"})
