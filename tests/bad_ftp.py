"""An FTP server in this process that behaves as told: it cuts files, drops lines, hides sizes, names other addresses.

with BadFtp(folder, Whims(drops_after_rename=True)) as server:
    server.settings()
    server.commands             # what it was asked, as "STOR in/x"
"""

from __future__ import annotations

import logging
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import trustme
from OpenSSL import SSL

from exporters.ftp_settings import FtpSettings
from tests.file_servers import PASSWORD, pem_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # pyftpdlib still stands on asyncore
    from pyftpdlib.authorizers import AuthenticationFailed, DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
    from pyftpdlib.ioloop import IOLoop
    from pyftpdlib.servers import FTPServer

logging.getLogger("pyftpdlib").addHandler(logging.NullHandler())  # else it talks to the terminal
logging.getLogger("pyftpdlib").propagate = False

LISTINGS = ("MLST", "MLSD", "LIST", "NLST", "STAT")


@dataclass
class Whims:
    """How it misbehaves. Numbers count down: so many times, then it behaves.

    refuses: command -> reply, for ever; refuses_stor: replies to the next STORs. passive: a port to name instead of a
    real one. silent: a command that is never answered.
    """

    cuts_files: int = 0
    drops_after_rename: int = 0
    drops_before_rename: int = 0
    refuses: dict[str, str] = field(default_factory=dict)
    refuses_stor: list[str] = field(default_factory=list)
    refuses_login: bool = False
    address: str | None = None
    passive: int | None = None
    silent: str | None = None
    greeting: str | None = None


class BadFtp:
    """The server. authority: with TLS, explicit unless `implicit`."""

    user = "tester"

    def __init__(
        self, folder: Path, whims: Whims | None = None, *, authority: trustme.CA | None = None, implicit: bool = False
    ) -> None:
        self.whims = whims or Whims()
        self.commands: list[str] = []
        self.logins = 0
        self.root = folder / "root"
        self._folder = folder
        self._authority = authority
        self._is_implicit = implicit
        self._loop = IOLoop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._is_over = False

    def __enter__(self) -> Self:
        (self.root / "in").mkdir(parents=True, exist_ok=True)
        self._server = FTPServer(("127.0.0.1", 0), self._handler(), ioloop=self._loop)
        self.port = int(self._server.socket.getsockname()[1])
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over = True
        self._thread.join(10)
        self._server.close_all()

    def settings(self, **more: object) -> FtpSettings:
        """Give settings that lead here; keys as in the document."""
        return FtpSettings.model_validate(self.document(**more))

    def document(self, **more: object) -> dict[str, Any]:
        """Give the same as a profile document has it."""
        protocol = "ftp" if self._authority is None else "ftps-implicit" if self._is_implicit else "ftps"
        trust = {} if self._authority is None else {"caCertificate": pem_of(self._authority)}
        return {"protocol": protocol, "host": "127.0.0.1", "port": self.port, "user": self.user, "password": PASSWORD,
                "folder": "in", "timeoutSeconds": 10, **trust, **more}  # fmt: skip

    def names(self, folder: str = "in") -> list[str]:
        """List what is there, hidden names too."""
        return sorted(path.name for path in (self.root / folder).iterdir())

    def asked(self, command: str) -> list[str]:
        """List the arguments of one command, in the order they came."""
        return [line.partition(" ")[2] for line in self.commands if line.split(" ")[0] == command]

    def _serve(self) -> None:
        while not self._is_over:
            self._loop.loop(timeout=0.05, blocking=False)

    def _handler(self) -> Any:
        base: Any = FTPHandler if self._authority is None else TLS_FTPHandler
        handler = type("Handler", (_Whimsical, base), {"bad": self, "authorizer": _Door(self), "banner": "test"})
        made: Any = handler
        made.timeout = 60
        made.permit_foreign_addresses = True
        made.masquerade_address = self.whims.address
        made.auth_failed_timeout = 0
        if self.whims.greeting is not None:
            made.banner = self.whims.greeting
        if self._authority is not None:
            certificate = self._folder / "tls.pem"
            issued = self._authority.issue_cert("127.0.0.1")
            certificate.write_bytes(
                b"".join(blob.bytes() for blob in (issued.private_key_pem, *issued.cert_chain_pems))
            )
            made.certfile = str(certificate)
            made.ssl_protocol = SSL.TLS_SERVER_METHOD
            made.tls_control_required = made.tls_data_required = not self._is_implicit
            made.is_implicit = self._is_implicit
        return made


class _Door(DummyAuthorizer):  # type: ignore[misc]  # pyftpdlib has no types
    """Lets one user in, or nobody."""

    def __init__(self, bad: BadFtp) -> None:
        super().__init__()
        self._bad = bad
        self.add_user(bad.user, PASSWORD, str(bad.root), perm="elradfmwMT")

    def validate_authentication(self, username: str, password: str, handler: Any) -> None:
        self._bad.logins += 1
        if self._bad.whims.refuses_login:
            raise AuthenticationFailed("Login incorrect.")
        super().validate_authentication(username, password, handler)


class _Whimsical:
    """Mixed into pyftpdlib's handler: what it does otherwise."""

    bad: BadFtp
    is_implicit = False

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    def handle(self) -> None:
        if self.is_implicit:
            self.secure_connection(self.ssl_context)
        super().handle()  # type: ignore[misc]

    def handle_ssl_established(self) -> None:
        if self.is_implicit:
            self._prot = True
        else:
            super().handle_ssl_established()  # type: ignore[misc]

    def process_command(self, cmd: str, *args: Any, **kwargs: Any) -> None:
        whims = self.bad.whims
        self.bad.commands.append(f"{cmd} {self._argument(cmd, args)}".strip())
        if cmd == whims.silent:
            return
        if cmd in whims.refuses:
            self.respond(whims.refuses[cmd])
        elif cmd == "STOR" and whims.refuses_stor:
            self.respond(whims.refuses_stor.pop(0))
        elif cmd == "RNTO" and whims.drops_before_rename > 0:
            whims.drops_before_rename -= 1
            self.close()
        elif cmd == "RNTO" and whims.drops_after_rename > 0:
            whims.drops_after_rename -= 1
            with _quiet(self):
                super().process_command(cmd, *args, **kwargs)  # type: ignore[misc]
            self.close()
        elif cmd in {"PASV", "EPSV"} and whims.passive is not None:
            high, low = divmod(whims.passive, 256)
            there = f"(127,0,0,1,{high},{low})" if cmd == "PASV" else f"(|||{whims.passive}|)"
            self.respond(f"{'227' if cmd == 'PASV' else '229'} Entering passive mode {there}.")
        else:
            super().process_command(cmd, *args, **kwargs)  # type: ignore[misc]

    def on_file_received(self, file: str) -> None:
        if self.bad.whims.cuts_files > 0:
            self.bad.whims.cuts_files -= 1
            path = Path(file)
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    def _argument(self, cmd: str, args: tuple[Any, ...]) -> str:
        if cmd == "PASS":
            return "..."
        text = str(args[0]) if args else ""
        return text.removeprefix(str(self.bad.root) + "/")


@contextmanager
def _quiet(handler: Any) -> Iterator[None]:
    """Let a command be done without its reply."""
    handler.respond = lambda *_args, **_more: None
    yield
    del handler.respond


@contextmanager
def black_hole() -> Iterator[int]:
    """Lend a port whose connections are never answered: the queue of those that wait is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = int(listener.getsockname()[1])
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
            waiting.append(one)
        try:
            yield port
        finally:
            for one in waiting:
                one.close()
