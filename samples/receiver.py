"""A receiver that can misbehave: `python -m samples.receiver PORT`. Its front page shows what it got last.

| path | does |
|---|---|
| /ok | 200 |
| /slow | 200 after five seconds (`?seconds=` for others, at most 60) |
| /flaky | 503 for the first try of every second delivery, else 200 |
| /down | hangs up without an answer |
| /say-no | 200, but the body says no, as many call centres do |
| /limited | eight calls a second, above that 429 with Retry-After |
| /gone | 410 |
| /moved | 302 to a login page |
| /requests | what it got last, newest first, as JSON (`?limit=`) |
"""

import html
import itertools
import json
import sys
import threading
import time
from collections import deque
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEPT = 500
LARGEST_BODY = 1024 * 1024
CALLS_A_SECOND = 8
OWN_PAGES = frozenset({"/", "/requests", "/favicon.ico"})

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="2">
<title>Sample receiver</title>
<style>body{{font:14px/1.5 system-ui,sans-serif;margin:2rem;max-width:100rem}}table{{border-collapse:collapse;width:100%}}
td,th{{border-bottom:1px solid #ddd;padding:.3rem .6rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}}
td:last-child{{font-family:ui-monospace,monospace;font-size:12px}}</style>
<h1>Sample receiver</h1><p>{total} requests since it started, the last {shown} of them, newest first.
Paths that misbehave: /slow /flaky /down /say-no /limited /gone /moved.</p>
<table><tr><th>at<th>answered<th>request<th>body</tr>{rows}</table>"""


class Memory:
    """What came in lately, and who was here before."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._requests: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._numbers = itertools.count(1)
        self._seen: deque[str] = deque(maxlen=100_000)
        self._seen_set: set[str] = set()
        self._stumbles = False
        self._calls: deque[float] = deque(maxlen=CALLS_A_SECOND)

    def add(self, request: dict[str, Any]) -> None:
        """Keep a request, and forget the oldest."""
        with self._guard:
            self._requests.appendleft({"number": next(self._numbers), **request})

    def last(self, limit: int) -> list[dict[str, Any]]:
        """Give the newest requests, newest first."""
        with self._guard:
            return list(itertools.islice(self._requests, limit))

    def stumbles_over(self, key: str) -> bool:
        """Say yes for every second key, and that once only."""
        with self._guard:
            if key in self._seen_set:
                return False
            if len(self._seen) == self._seen.maxlen:
                self._seen_set.discard(self._seen[0])
            self._seen.append(key)
            self._seen_set.add(key)
            self._stumbles = not self._stumbles
            return self._stumbles

    def has_room(self, now: float) -> bool:
        """Say whether a call at this time stays within the limit, and count it if so."""
        with self._guard:
            if len(self._calls) == CALLS_A_SECOND and now - self._calls[0] < 1:
                return False
            self._calls.append(now)
            return True


class Receiver(ThreadingHTTPServer):
    """The server with its memory."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Answer)
        self.memory = Memory()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that hangs up is no news; anything else is printed by the base class."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Answer(BaseHTTPRequestHandler):
    """One connection: reads requests, answers as the path says."""

    server: Receiver
    protocol_version = "HTTP/1.1"
    server_version = "SampleReceiver"
    timeout = 120

    def do_any(self) -> None:
        """Answer any method."""
        target = urlsplit(self.path)
        body = self._body()
        if target.path in OWN_PAGES:
            self._own_page(target.path, parse_qs(target.query))
            return
        status, headers, text = self._verdict(target.path, parse_qs(target.query))
        self.server.memory.add(
            {
                "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "status": status,
                "method": self.command,
                "path": self.path,
                "headers": self.headers.items(),
                "body": body,
            }
        )
        if status is None:
            self.close_connection = True
            return
        self._answer(status, text, {"Content-Type": "text/plain; charset=utf-8", **headers})

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_any  # noqa: N815 - names the standard library looks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's word
        """Say nothing: the page shows it."""

    def _verdict(self, path: str, query: dict[str, list[str]]) -> tuple[int | None, dict[str, str], str]:
        """Decide status (None: hang up), headers and body."""
        key = f"{path} {self.headers.get('webhook-id') or self.path}"
        match path:
            case "/slow":
                time.sleep(min(float(query.get("seconds", ["5"])[0]), 60.0))
            case "/flaky" if self.server.memory.stumbles_over(key):
                return 503, {}, "try again"
            case "/down":
                return None, {}, ""
            case "/say-no":
                return 200, {}, "success=false; err_msg=duplicate"
            case "/limited" if not self.server.memory.has_room(time.monotonic()):
                return 429, {"Retry-After": "1"}, "too many"
            case "/gone":
                return 410, {}, "this list is closed"
            case "/moved":
                return 302, {"Location": "/login"}, ""
        return 200, {}, "success=true"

    def _own_page(self, path: str, query: dict[str, list[str]]) -> None:
        if path == "/requests":
            limit = int(query.get("limit", [str(KEPT)])[0])
            self._answer(200, json.dumps(self.server.memory.last(limit)), {"Content-Type": "application/json"})
        elif path == "/":
            self._answer(200, _page(self.server.memory.last(100)), {"Content-Type": "text/html; charset=utf-8"})
        else:
            self._answer(404, "", {})

    def _body(self) -> str:
        length = self.headers.get("Content-Length", "0")
        wanted = min(int(length) if length.isdigit() else 0, LARGEST_BODY)
        return self.rfile.read(wanted).decode("utf-8", errors="replace")

    def _answer(self, status: int, text: str, headers: dict[str, str]) -> None:
        payload = text.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


def _page(requests: list[dict[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td>{request['at'][11:23]}<td>{request['status'] or 'hung up'}"
        f"<td>{request['method']} {html.escape(request['path'])}<td>{html.escape(request['body'])}</tr>"
        for request in requests
    )
    return PAGE.format(total=requests[0]["number"] if requests else 0, shown=len(requests), rows=rows)


if __name__ == "__main__":
    with Receiver(int(sys.argv[1])) as receiver:
        receiver.serve_forever()
