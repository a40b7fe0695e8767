"""One event document: read, checked, and taken apart into what the tables need. Pure.

The order itself is kept as the compact JSON text it came as, numbers to the last digit.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from models.rules import cards, customer_types
from models.rules.customer_types import CustomerType, UnknownCustomerType

MOST_BYTES = 256 * 1024
MOST_DEPTH = 20
MOST_KEY = 200

_TOP = frozenset({"eventId", "customerType", "occurredAt", "testCard", "order"})
_DUMP = msgspec.json.Encoder(decimal_format="number")


class EventFault(Exception):
    """One event is refused: the field's path in the document, and one sentence."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


class CardData(EventFault):
    """The event holds a card number, a security code or the like; its content must be kept nowhere."""


@dataclass(frozen=True, slots=True)
class NotJson:
    """Stands in a decoded document where strict JSON was broken: a key given twice, NaN."""

    message: str


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A checked event, ready for the tables. Ids are text; empty text stands as None.

    completes: this event says that its order is complete. products: id -> (name, sku).
    """

    event_key: str
    customer_type: str
    occurred_at: datetime
    test_card: bool
    snapshot: str
    order_key: str | None
    order_id: str | None
    customer_id: str | None
    email: str | None
    phone: str | None
    first_name: str | None
    last_name: str | None
    campaign_id: str | None
    campaign_name: str | None
    order_status: str | None
    order_total: str | None
    currency_code: str | None
    completes: bool
    products: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)


def _unique(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]  # add() gives None on purpose
    return NotJson(f'the key "{twice[:80]}" is given twice')


def _whole(text: str) -> int | Decimal:
    return int(text) if len(text) < 19 else Decimal(text)


decode: Callable[[str], Any] = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_float=Decimal,
    parse_int=_whole,
    parse_constant=lambda name: NotJson(f"{name} is not JSON"),
).decode
"""Read JSON with exact numbers. What strict JSON forbids inside comes back as NotJson, so only its event is refused."""


def read_event(document: Any, *, now: datetime, zone: ZoneInfo) -> NewEvent:
    """Check one decoded event document. Raises EventFault with the first fault's path.

    zone is the account's: times without an offset are in it.
    """
    if isinstance(document, NotJson):
        raise EventFault("", document.message)
    if not isinstance(document, dict):
        raise EventFault("", "an event is a JSON object")
    for key in document:
        if key not in _TOP:
            raise EventFault(_safe(key), "unknown key; the event's own keys are " + ", ".join(sorted(_TOP)))
    event_key = _event_key(document.get("eventId"))
    kind = _customer_type(document.get("customerType"))
    occurred_at = _occurred_at(document.get("occurredAt"), now, zone)
    test_card = document.get("testCard", False)
    if not isinstance(test_card, bool):
        raise EventFault("testCard", "must be true or false")
    order = document.get("order")
    if isinstance(order, NotJson):
        raise EventFault("order", order.message)
    if not isinstance(order, dict):
        raise EventFault("order", "is required: the order as a JSON object")
    if (hit := cards.scan_text(event_key)) is not None:
        raise CardData("eventId", hit)
    return _take_apart(order, event_key, kind, occurred_at=occurred_at, test_card=test_card)


def _event_key(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise EventFault("eventId", "is required: text that is unique for each event")
    if len(value) > MOST_KEY:
        raise EventFault("eventId", f"may have at most {MOST_KEY} characters")
    _printable("eventId", value)
    return value


def _customer_type(value: Any) -> CustomerType:
    if not isinstance(value, str):
        raise EventFault("customerType", "is required, for example New Sale")
    try:
        return customer_types.parse(value)
    except UnknownCustomerType as error:
        raise EventFault("customerType", str(error)) from error


def _occurred_at(value: Any, now: datetime, zone: ZoneInfo) -> datetime:
    if value is None:
        return now
    fault = EventFault("occurredAt", "must be a time such as 2026-11-23T10:00:00-05:00")
    if not isinstance(value, str):
        raise fault
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise fault from error


def _printable(path: str, text: str) -> None:
    if "\x00" in text:
        raise EventFault(path, "holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise EventFault(path, "holds half of a surrogate pair, which is no character") from error


def _take_apart(
    order: dict[str, Any], event_key: str, kind: CustomerType, *, occurred_at: datetime, test_card: bool
) -> NewEvent:
    snapshot = _dump(order)
    scanned = cards.scan(order, snapshot)
    if scanned.fault is not None:
        raise CardData(f"order.{scanned.fault.path}" if scanned.fault.path else "order", scanned.fault.message)
    if scanned.order is not order:
        order, snapshot = scanned.order, _dump(scanned.order)
    order_id = _text(order, "orderId")
    order_key = _text(order, "clientOrderId") or order_id
    if order_key is None and kind.needs_order:
        raise EventFault("order.clientOrderId", f"is required for {kind.label}: clientOrderId, or else orderId")
    if order_key is not None and len(order_key) > MOST_KEY:
        raise EventFault("order.clientOrderId", f"may have at most {MOST_KEY} characters")
    status = _text(order, "orderStatus")
    return NewEvent(
        event_key=event_key,
        customer_type=kind.value,
        occurred_at=occurred_at,
        test_card=test_card or scanned.test_card,
        snapshot=snapshot,
        order_key=order_key,
        order_id=order_id,
        customer_id=_id(order, "customerId"),
        email=_text(order, "emailAddress"),
        phone=_text(order, "phoneNumber"),
        first_name=_text(order, "firstName"),
        last_name=_text(order, "lastName"),
        campaign_id=_id(order, "campaignId"),
        campaign_name=_text(order, "campaignName"),
        order_status=status,
        order_total=_text(order, "orderTotal") or _text(order, "totalAmount"),
        currency_code=_text(order, "currencyCode"),
        completes=kind.completes_order or (status or "").upper() == "COMPLETE",
        products=_products(order.get("items")),
    )


def _dump(order: dict[str, Any]) -> str:
    try:
        text = _DUMP.encode(order)
    except (TypeError, NotImplementedError) as error:
        raise EventFault(*_broken(order, "order")) from error
    except (UnicodeEncodeError, RecursionError, ValueError) as error:
        message = "is nested too deeply" if isinstance(error, RecursionError) else "holds half of a surrogate pair"
        raise EventFault("order", message) from error
    if len(text) > MOST_BYTES:
        raise EventFault("order", f"is larger than {MOST_BYTES // 1024} KiB")
    if b"\\u0000" in text:
        raise EventFault("order", "holds a NUL character")
    if text.count(b"{") + text.count(b"[") > MOST_DEPTH and _depth(order, MOST_DEPTH) > MOST_DEPTH:
        raise EventFault("order", f"is nested deeper than {MOST_DEPTH} levels")
    return text.decode()


def _broken(value: Any, path: str) -> tuple[str, str]:
    """Find the NotJson inside a value: its path and its message."""
    if isinstance(value, NotJson):
        return path, value.message
    steps: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        steps = [(f"{path}.{_safe(key)}", item) for key, item in value.items()]
    elif isinstance(value, list):
        steps = [(f"{path}[{index}]", item) for index, item in enumerate(value)]
    for step, item in steps:
        found = _broken(item, step)
        if found[1]:
            return found
    return path, ""


def _depth(value: Any, left: int) -> int:
    if left < 0 or not isinstance(value, dict | list):
        return 0
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max((_depth(item, left - 1) for item in inner), default=0)


def _safe(key: str) -> str:
    return key[:80].encode("ascii", "replace").decode()


def _text(order: dict[str, Any], key: str) -> str | None:
    value = order.get(key)
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return format(value, "f") if isinstance(value, Decimal) else str(value)
    return None


def _id(order: dict[str, Any], key: str) -> str | None:
    text = _text(order, key)
    if text is not None and len(text) > MOST_KEY:
        raise EventFault(f"order.{key}", f"may have at most {MOST_KEY} characters")
    return text


def _products(items: Any) -> dict[str, tuple[str | None, str | None]]:
    found: dict[str, tuple[str | None, str | None]] = {}
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if not isinstance(item, dict):
            continue
        product_id = _text(item, "productId")
        if product_id is not None and len(product_id) > MOST_KEY:
            raise EventFault(f"order.items[{index}].productId", f"may have at most {MOST_KEY} characters")
        if product_id is not None:
            found[product_id] = (_text(item, "name"), _text(item, "sku"))
    return found
