"""What an exporter is: the protocols, and the small frozen things that cross the edge.

Records (postbacks) and files are different work, so there are two protocols. A RecordExporter does no I/O:
it writes the request and reads the reply; the pump carries both through `transfer.Flights`. A FileExporter is given
a finished file and a Door, and sees to it that the file stands at its place, once and whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from exporters.guard import Ports
from exporters.masking import mask_body, mask_headers, mask_text


@dataclass(frozen=True, slots=True)
class Json:
    """A value that is JSON already: valid, compact text."""

    text: str


Value = str | int | Decimal | bool | Json | None
"""One mapped value. None is empty. Amounts are Decimal with their digits kept, never float."""


class WhenEmpty(StrEnum):
    """What an empty value becomes (docs/rules.md, Values); a Column with None takes the default of its place."""

    OMIT = "omit"
    EMPTY = "empty"
    NULL = "null"


@dataclass(frozen=True, slots=True)
class Column:
    """One field mapping as an exporter sees it: everything but the event's value.

    static is the text of a Static mapping, else None; a secret static is known only to the pump and the door.
    """

    name: str
    when_empty: WhenEmpty | None = None
    static: str | None = None
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """A refused column: its index in the list of mappings, and one sentence that says what to do."""

    index: int
    message: str


@dataclass(frozen=True, slots=True)
class Parcel:
    """One record to send. key is the same in every attempt; values stand in the order of the columns."""

    key: str
    values: tuple[Value, ...]
    at: datetime


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """One HTTP request, ready for the door. Prints without its secrets.

    headers are in sending order; body None means that there is none. secrets are the texts that must appear in no
    record of ours: give them to `masking` with whatever is stored or shown of this request or its answer.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None
    timeout_seconds: float
    ca_certificate: str | None = None
    secrets: tuple[str, ...] = ()

    def __repr__(self) -> str:
        body = None if self.body is None else mask_body(self.body, self.secrets)
        headers = mask_headers(self.headers, self.secrets)
        return f"Request({self.method} {mask_text(self.url, self.secrets)}, headers={headers!r}, body={body!r})"


class Failing(StrEnum):
    """How a transfer failed before a whole answer was there."""

    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    CUT = "cut"  # the connection broke off before the whole answer
    TOO_LARGE = "too large"
    BLOCKED = "blocked"  # the address guard
    PROTOCOL = "protocol"  # what came is not HTTP


@dataclass(frozen=True, slots=True)
class Timing:
    """Where the time of one request went, in milliseconds from its start. None: it never came so far, or there was no TLS."""

    name_ms: float | None
    connected_ms: float | None
    secured_ms: float | None
    first_byte_ms: float | None


BEFORE_ANSWER = frozenset({Failing.DNS, Failing.CONNECT, Failing.TLS, Failing.TIMEOUT, Failing.CUT})
"""Failures that come before any answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. failing is None only when the whole header block and the whole body arrived in time.

    started_at is the real start in UTC. error is one readable line without a secret. status and what there is of the
    body are told even when the transfer failed later; header names keep the receiver's spelling. resent_at: when libcurl
    sent it again by itself, on a fresh connection, because a kept one had been closed without a byte of an answer.
    timing is told for a request sent alone. absent_seconds: it failed because nobody here looked after it for so long.
    """

    started_at: datetime
    duration_ms: int
    status: int | None
    headers: tuple[tuple[str, str], ...]
    body: bytes  # the first 16 KiB; is_cut tells that there was more
    failing: Failing | None = None
    error: str | None = None
    address: str | None = None  # the refused one, for admins
    is_cut: bool = False
    resent_at: tuple[datetime, ...] = ()
    timing: Timing | None = None
    absent_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that the receiver has taken it: one readable line, such as "200 OK"."""

    message: str


class Settings(BaseModel):
    """Base of every exporter's settings: frozen, unknown keys refused, keys in camelCase as in the document.

    `model_dump(mode="json", by_alias=True)` is the document again, with every secret as dots.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, hide_input_in_errors=True
    )

    @classmethod
    def origin_of(cls, _given: Mapping[str, object]) -> str:
        """Name what these settings dial: the secrets of a profile are bound to it. "" where nothing is dialled.

        given are settings as in the document, perhaps with other faults. Raises BadSettings while it cannot be told.
        """
        return ""

    @classmethod
    def dialled(cls, _given: Mapping[str, object]) -> tuple[str, int, Ports] | None:
        """Give host, port and kind of port for the guard to judge on save. None: nothing, or not yet known."""
        return None

    def lacks(self) -> Iterator[SettingsFault]:
        """Yield what must still be given before the profile may be switched on; it may be stored without."""
        yield from ()

    def mistakes(self) -> Iterator[SettingsFault]:
        """Yield what cannot work and takes too long to look at for each reading: asked when a person saves or tests."""
        yield from ()


@dataclass(frozen=True, slots=True)
class SettingsFault:
    """A setting that keeps a profile from being stored or switched on: its key in the document, and one sentence."""

    key: str
    message: str


AnySettings = type[Settings]


class Exporter(Protocol):
    """What every kind has, whatever it sends."""

    kind: ClassVar[str]  # stored in rows, never renamed
    label: ClassVar[str]  # what people read
    Settings: ClassVar[AnySettings]

    def target(self) -> str:
        """Where it goes, in one human line without a secret: "GET postingmydata.com"."""
        ...


class RecordExporter(Exporter, Protocol):
    """An exporter that sends one request per delivery."""

    def __init__(self, settings: Any, columns: Sequence[Column]) -> None:
        """Take settings of this class's own `Settings`, and the columns in mapping order. Never raises."""
        ...

    def faults(self) -> Iterator[Fault]:
        """Yield every column that this exporter refuses on save."""
        ...

    def request(self, parcel: Parcel) -> Request:
        """Write the request. Pure. Raises Unsendable, and BadSettings when there are faults."""
        ...

    def judge(self, reply: Reply) -> Receipt:
        """Read the reply. Pure. Raises TryAgain or NeedsPerson."""
        ...


@dataclass(frozen=True, slots=True)
class RunFile:
    """A finished file: what is to stand at the place in the end. chunks() gives its bytes from the start, each time.

    name is safe already; companions (name, content) are sent after it. sha256 is hex, over the delivered bytes.
    """

    name: str
    size: int
    sha256: str
    chunks: Callable[[], Iterator[bytes]]
    companions: tuple[tuple[str, bytes], ...] = ()


class Phase(StrEnum):
    """The step of an upload that was begun last; committed before it is begun, so that a crash can be read."""

    SENDING = "sending"
    SENT = "sent"
    RENAMING = "renaming"
    DONE = "done"


class Progress(Protocol):
    """What an exporter tells while it works. Each call may raise: the lease is lost, or the process is to end."""

    def begin(self, phase: Phase, name: str) -> None:
        """Say which step is next, and the final name with its folder; returns when that is committed."""
        ...

    def sent(self, total: int) -> None:
        """Say how many bytes of the file have left so far."""
        ...


@dataclass(frozen=True, slots=True)
class Sending:
    """One try of an upload. number counts from 1; came_to and name tell how far the try before came (None: nowhere).

    folder has its placeholders filled in, each segment safe.
    """

    run_id: int
    number: int
    folder: str
    progress: Progress
    came_to: Phase | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a connection test: what was tried, how long it took, what was found, and what to do about it.

    host_key is set on the step that saw an SFTP server's key, as "SHA256:...".
    """

    stage: str
    ok: bool
    duration_ms: int
    message: str
    hint: str | None = None
    host_key: str | None = None


class Folder(Protocol):
    """A session with a file server. Names are paths, relative to the login's folder or from the root.

    Everything raises the errors of `errors`, with the server's own words. steps: what was seen so far on
    the way in, and of the data channel.
    """

    steps: list[Step]

    def put(self, name: str, size: int, chunks: Iterator[bytes], sent: Callable[[int], None]) -> None:
        """Send a file; sent is told the bytes gone so far."""
        ...

    def size(self, name: str) -> int | None:
        """Say how long a file is; None: there is none. Raises SizeUnknown when the server does not tell."""
        ...

    def read(self, name: str) -> Iterator[bytes]:
        """Read a file back."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Give a file another name."""
        ...

    def remove(self, name: str) -> None:
        """Delete a file; that it is missing is no fault."""
        ...

    def make_folder(self, name: str) -> None:
        """Make a folder and those above it; that it is there already is no fault."""
        ...


class Door(Protocol):
    """The way to file servers: `transfer` has the real one, tests their own."""

    def folder(self, place: Any) -> AbstractContextManager[Folder]:
        """Connect, verify and log in. place is `transfer.Place`."""
        ...


class FileExporter(Exporter, Protocol):
    """An exporter whose record is a line of a file. `uploads` is False where the file only waits to be fetched."""

    uploads: ClassVar[bool]

    def __init__(self, settings: Any, columns: Sequence[Column]) -> None:
        """Take settings of this class's own `Settings`, and the columns in mapping order. Never raises."""
        ...

    def faults(self) -> Iterator[Fault]:
        """Yield every column that this exporter refuses on save."""
        ...

    def destination(self) -> str | None:
        """Name protocol, user, host and port: one upload at a time for each. None where nothing is uploaded."""
        ...

    def place(self, file: RunFile, sending: Sending, door: Door) -> Receipt:
        """See to it that the file stands at its place. Looks first: safe to repeat after any crash.

        Raises TryAgain or NeedsPerson.
        """
        ...

    def look(self, door: Door) -> Receipt:
        """Log in and leave: a dead password shows early. Raises TryAgain or NeedsPerson."""
        ...

    def probe(self, door: Door) -> Iterator[Step]:
        """Test the connection, step by step; it ends after the first step that failed. Never raises ExporterError."""
        ...
