"""What an exporter is: the protocols, and the small frozen things that cross the edge.

Records (postbacks) and files are different work, so there are two protocols. A RecordExporter does no I/O:
it writes the request and reads the reply; the pump carries both through `transfer.Flights`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

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
class Reply:
    """What came back. failing is None only when the whole header block and the whole body arrived in time.

    started_at is the real start in UTC. error is one readable line without a secret. status and what there is of the
    body are told even when the transfer failed later; header names keep the receiver's spelling.
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
