"""A receiver that answers at once and notes when each request came. One process, one port: `python -m bench.receiver`.

`GET /count` tells how many requests came, and when the first and the last one did; `GET /reset` begins anew; `GET /seen`
gives key -> time and forgets them. All else is counted, by its `key` parameter where it has one.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


class Receiver(asyncio.Protocol):
    """Reads whole HTTP/1.1 requests, also several in one packet and one in several."""

    count = 0
    first = 0.0
    last = 0.0
    seen: dict[str, float] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where the answers go."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.rest = b""

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        data = self.rest + data if self.rest else data
        while True:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                break
            length = end + 4
            if not data.startswith(b"GET"):
                length += _body_length(data[:end])
                if len(data) < length:
                    break
            self.transport.write(self.answer(data[:length]))
            data = data[length:]
        self.rest = data

    def answer(self, request: bytes) -> bytes:
        """Give the answer to one request."""
        if request.startswith(b"GET /count "):
            return _json({"count": Receiver.count, "first": Receiver.first, "last": Receiver.last})
        if request.startswith(b"GET /reset "):
            Receiver.count, Receiver.first = 0, 0.0
            return _json({})
        if request.startswith(b"GET /seen "):
            seen, Receiver.seen = Receiver.seen, {}
            return _json(seen)
        Receiver.count += 1
        Receiver.last = time.time()
        Receiver.first = Receiver.first or Receiver.last
        at = request.find(b"?key=")
        if at > 0:
            key = request[at + 5 : request.find(b" ", at)].split(b"&")[0]
            Receiver.seen.setdefault(key.decode(), Receiver.last)
        return ANSWER


def _body_length(head: bytes) -> int:
    at = head.lower().find(b"content-length:")
    return int(head[at + 15 :].split(b"\r\n")[0]) if at > 0 else 0


def _json(document: object) -> bytes:
    body = json.dumps(document).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
