"""The shapes of the API's bodies and answers, for its OpenAPI document and the contract tests."""
# ruff: noqa: D101 -- the classes are named by the contract, and their keys by it, too

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

State = Literal["pending", "leased", "held", "delivered", "skipped", "cancelled"]
RunState = Literal["planned", "claimed", "written", "empty", "held", "cancelled"]
JobState = Literal["waiting", "running", "paused", "stopped", "done", "failed"]
UploadState = Literal["pending", "leased", "held", "delivered", "cancelled"]
Header = tuple[str, str]


class Shape(BaseModel):
    """Base of all: keys in camelCase, nothing beside them."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", populate_by_name=True)


class Detail(Shape):
    path: str = Field(description="The place of the fault, such as mappings[2].field.")
    message: str


class Error(Shape):
    error: str = Field(description="One sentence.")
    details: list[Detail]


class Page(Shape):
    limit: int = Field(100, ge=1, le=1000, description="How many items a page holds.")
    after: str | None = Field(None, description="The `next` of the page before.")


class PciDocument(Shape):
    reference: str
    valid_until: str = Field(description="A day such as 2026-12-31.")


class Mapping(Shape):
    export_name: str = Field(min_length=1, max_length=255)
    field: str | None = Field(None, description="A field of the catalogue.")
    static: str | None = Field(None, description="A text, sent unchanged.")
    template: str | None = Field(None, description="Such as {firstName} {lastName}.")
    modifiers: list[str] = []
    type: Literal["text", "number", "integer", "boolean", "json"] | None = None
    when_empty: Literal["omit", "empty", "null"] | None = None
    secret: bool | None = Field(None, description="A static that is never shown again.")


class Route(Shape):
    customer_type: str
    campaign: int | str = Field(description='An id, or "all".')
    product: int | str = Field(description='An id, or "all".')


class Profile(Shape):
    name: str = Field(min_length=1, max_length=100)
    export_type: Literal["postback", "csv", "ftp"]
    enabled: bool = True
    paused: bool = False
    interval_minutes: int = Field(15, ge=0, le=10080)
    delay_minutes: int = Field(0, ge=0, le=10080)
    time_zone: str | None = None
    skip_completed_partials: bool = True
    pci_document: PciDocument | None = None
    settings: dict[str, Any] = Field(
        description="The settings of the export type; see PostbackSettings, CsvSettings, FtpSettings."
    )
    mappings: list[Mapping] = []
    routes: list[Route] = []


class Profiles(Shape):
    items: list[Profile]
    next: str | None


class Due(Shape):
    due: int = Field(description="How many deliveries are due.")


class Attempt(Shape):
    number: int
    started_at: str
    duration_ms: int | None
    method: str | None
    url: str | None
    request_headers: list[Header]
    request_body: str | None
    status: int | None
    response_headers: list[Header]
    response_body: str | None
    error: str | None
    outcome: Literal["delivered", "failed", "unknown"]
    late: bool


class Delivery(Shape):
    id: int
    profile: str
    event_id: str
    customer_id: str | None
    customer_type: str
    state: State
    reason: str | None
    due_at: str
    webhook_id: str
    attempt_count: int
    attempts: list[Attempt] = Field(description="The last 100 of them, oldest first.")


class Deliveries(Shape):
    items: list[Delivery]
    next: str | None


class DeliveryFilters(Page):
    profile: str | None = None
    state: State | None = None
    customer_id: str | None = None
    event_id: str | None = None


class Replay(Shape):
    profile: str | None = None
    state: State | None = None
    customer_id: str | None = None
    event_id: str | None = None
    from_: str | None = Field(None, alias="from", description="Events accepted at or after this time.")
    to: str | None = Field(None, description="Events accepted before this time.")
    dry_run: bool = False
    per_second: float | None = Field(None, description="How many are made due in a second; null: no limit.")


class Replaying(Shape):
    job: str | None = Field(description="null for a dry run.")
    matched: int


class Job(Shape):
    state: JobState
    done: int
    total: int
    error: str | None


class Run(Shape):
    id: int
    profile: str
    route: str = Field(description="Customer type / campaign / product.")
    period: str = Field(description="The local day of its time: 2026-11-23.")
    file_name: str | None = Field(description="null until it is written.")
    state: RunState
    upload_state: UploadState | None = Field(description="Of its last upload; null for csv.")
    rows: int
    bytes: int
    sha256: str | None
    error: str | None


class Runs(Shape):
    items: list[Run]
    next: str | None


class RunFilters(Page):
    profile: str | None = None
    state: RunState | None = None


class MadeRuns(Shape):
    runs: list[int] = Field(description="The ids of the runs.")


class Reason(Shape):
    reason: str | None = Field(None, max_length=500, description="Why; it stands with the run or delivery.")


class GivenBack(Shape):
    rows: int = Field(description="How many orders wait for the next run again.")


class HistoryLine(Shape):
    at: str
    kind: Literal["event", "export"]
    customer_type: str
    profile: str | None
    result: str
    message: str
    delivery_id: int | None
    run_id: int | None


class History(Shape):
    items: list[HistoryLine]
    next: str | None


class Item(Shape):
    model_config = ConfigDict(extra="allow", alias_generator=to_camel)
    product_id: int | str | None = None
    name: str | None = None
    sku: str | None = None
    qty: int | None = None
    price: Decimal | None = None


class Order(Shape):
    model_config = ConfigDict(extra="allow", alias_generator=to_camel)
    client_order_id: str | None = None
    order_id: int | str | None = None
    campaign_id: int | str | None = None
    customer_id: int | str | None = None
    items: list[Item] = []
    custom_fields: dict[str, Any] = {}


class Event(Shape):
    event_id: str = Field(min_length=1, max_length=200)
    customer_type: str
    occurred_at: str | None = Field(None, description="Default: when it is accepted.")
    test_card: bool = False
    order: Order


class PreviewRequest(Shape):
    method: str
    url: str
    headers: list[Header]
    body: str | None


class Preview(Shape):
    request: PreviewRequest


class FilePreview(Shape):
    file_name: str
    lines: list[str] = Field(description="The header, if the file has one, and the lines of the event.")


class ConnectionTest(Shape):
    export_type: str
    settings: dict[str, Any] = Field(description="As in a profile document; it need not be stored.")
    name: str | None = Field(None, description="Of the stored profile whose secrets are used where none is given.")


class TestStep(Shape):
    stage: str
    ok: bool
    duration_ms: int
    message: str
    hint: str | None
    host_key: str | None = Field(description="The key an SFTP server showed, as SHA256:...")


class TestedEvent(Shape):
    event_id: str | None = Field(None, description="Of a stored event; without it, the sample order is sent.")


class TestReply(Shape):
    status: int
    headers: list[Header]
    body: str
    duration_ms: int


class TestTiming(Shape):
    """Milliseconds from the start; null for what never came about."""

    name_ms: float | None
    connected_ms: float | None
    secured_ms: float | None
    first_byte_ms: float | None


class Exchange(Shape):
    request: PreviewRequest
    reply: TestReply | None = Field(description="Null when no answer came.")
    timing: TestTiming | None


class TestResult(Shape):
    ok: bool
    steps: list[TestStep] = Field(description="Up to the first one that failed.")
    exchange: Exchange | None = Field(None, description="Of a postback profile: what went out and what came back.")


class Refused(Shape):
    index: int
    field: str
    message: str


class Accepted(Shape):
    accepted: int
    duplicates: int
    errors: list[Refused]
