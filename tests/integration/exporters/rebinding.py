"""Run in a network and mount namespace of its own: names whose addresses change between two looks, over a real DNS server.

Prints one JSON object: the case -> what came of it.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import dns.message
import dns.rdatatype
import dns.rrset

from exporters.base import Request
from exporters.errors import AddressBlocked, ExporterError
from exporters.guard import Ports
from exporters.transfer import FileDoor, guard_from, judge_target, send
from exporters.transfer.place import Place, parse_host_keys
from tests.receivers import Receiver

PUBLIC, INSIDE = "93.184.216.34", "127.0.0.1"
TURNING = {f"turns-{number}.example": (PUBLIC, INSIDE) for number in range(3)}
BOTH = {"both.example": (PUBLIC, INSIDE), "both-turned.example": (INSIDE, PUBLIC)}
V6 = {
    "loopback.example": "::1",
    "mapped.example": "::ffff:127.0.0.1",
    "nat64.example": "64:ff9b::7f00:1",
    "six-to-four.example": "2002:7f00:1::",
    "local.example": "fe80::1",
    "unique.example": "fd00::1",
}
V4 = {
    "inside.example": INSIDE,
    "zero.example": "0.0.0.0",
    "metadata.example": "169.254.169.254",
    "private.example": "10.1.2.3",
}
asked: Counter[str] = Counter()


def answer(question: dns.message.Message) -> dns.message.Message:
    """Answer by the tables; a turning name is public the first time it is asked for, and inside ever after."""
    reply = dns.message.make_response(question)
    (asked_for,) = question.question
    name, is_v6 = str(asked_for.name).rstrip("."), asked_for.rdtype == dns.rdatatype.AAAA
    found: tuple[str, ...] = ()
    if is_v6:
        found = (V6[name],) if name in V6 else ()
    elif name in TURNING:
        asked[name] += 1
        found = (TURNING[name][min(asked[name], 2) - 1],)
    elif name in BOTH:
        found = BOTH[name]
    elif name in V4:
        found = (V4[name],)
    if found:
        reply.answer.append(dns.rrset.from_text(asked_for.name, 0, "IN", "AAAA" if is_v6 else "A", *found))
    return reply


def serve_names() -> None:
    """Be the DNS server of this namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind((INSIDE, 53))
        threading.Event.set(ready)
        while True:
            text, asker = line.recvfrom(4096)
            line.sendto(answer(dns.message.from_wire(text)).to_wire(), asker)


ready = threading.Event()


def verdict(name: str, port: int) -> str:
    """Say what judging a name before it is saved comes to."""
    try:
        judge_target(guard_from(""), name, port, Ports.WEB)
    except AddressBlocked:
        return "refused"
    return "passed"


def post(name: str, port: int) -> str:
    """Send a postback there; the failing it ends with."""
    reply = send(guard_from(""), Request("POST", f"http://{name}:{port}/", (), b"{}", 5.0))
    return str(reply.failing)


def upload(protocol: Any, name: str, port: int) -> str:
    """Log in to a file server there; the name of the error it ends with."""
    keys = parse_host_keys("SHA256:" + "A" * 43) if protocol == "sftp" else ()
    place = Place(protocol, name, port, "tester", "word", host_keys=keys, timeout_seconds=5)
    try:
        with FileDoor(guard_from("")).folder(place) as folder:
            folder.size("in/x.csv")
    except ExporterError as error:
        return type(error).__name__
    return "went in"


def main() -> None:
    """Try all of it."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as names:
        names.write(f"nameserver {INSIDE}\noptions timeout:1 attempts:2\n")
        names.flush()
        subprocess.run(["mount", "--bind", names.name, str(Path("/etc/resolv.conf").resolve())], check=True)
        threading.Thread(target=serve_names, daemon=True).start()
        ready.wait(5)
        with Receiver() as receiver:
            port = receiver.port
            turns = list(TURNING)
            told = {f"saved {name}": verdict(name, port) for name in turns}
            told[f"http {turns[0]}"] = post(turns[0], port)
            told[f"ftp {turns[1]}"] = upload("ftp", turns[1], port)
            told[f"sftp {turns[2]}"] = upload("sftp", turns[2], port)
            for name in [*BOTH, *V4, *V6]:
                told[f"saved {name}"] = verdict(name, port)
                told[f"http {name}"] = post(name, port)
            told["asked again"] = str(min(asked.values()) >= 2)
            told["connections"] = str(receiver.connections)
            told["reached when allowed"] = str(
                send(
                    guard_from("127.0.0.1/32"), Request("GET", f"http://inside.example:{port}/ok", (), None, 5.0)
                ).status
            )
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
