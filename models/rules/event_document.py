"""One event document: read, checked, and taken apart into what the tables need. Pure.

The order itself is kept as the compact JSON text it came as, numbers to the last digit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from models.rules import cards, customer_types
from models.rules.customer_types import CustomerType, UnknownCustomerType

MOST_BYTES = 256 * 1024
MOST_DEPTH = 20
MOST_KEY = 200
MOST_DIGITS = 100
MOST_EMAIL = 320
MOST_PHONE = 100

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


class NotJson:
    """Stands in a decoded document for what is refused there: a key given twice, NaN, an endless number.

    No dataclass, and nothing else that msgspec would write: an order that holds one cannot be dumped.
    """

    __slots__ = ("message",)

    def __init__(self, message: str) -> None:
        self.message = message


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
    return NotJson(f'the key "{_safe(twice)}" is given twice')


def _whole(text: str) -> int | Decimal | NotJson:
    return int(text) if len(text) < 19 else _exact(text)


def _exact(text: str) -> Decimal | NotJson:
    """Read a number to its last digit; 1e999999 is short here and a megabyte wherever it is written out."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return NotJson(_ENDLESS)
    return NotJson(_ENDLESS) if len(text) > MOST_DIGITS or abs(number.adjusted()) > MOST_DIGITS else number


_ENDLESS = f"is a number of more than {MOST_DIGITS} digits"


decode: Callable[[str], Any] = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_float=_exact,
    parse_int=_whole,
    parse_constant=lambda name: NotJson(f"{name} is not JSON"),
).decode
"""Read JSON with exact numbers. What strict JSON forbids inside comes back as NotJson, so only its event is refused."""


def read_event(document: Any, *, now: datetime, zone: ZoneInfo, card_exempt: Collection[str] = ()) -> NewEvent:
    """Check one decoded event document. Raises EventFault with the first fault's path.

    zone is the account's: times without an offset are in it. card_exempt: the order's paths that cards.scan passes.
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
    clean, snapshot, has_test_card = _without_cards(order, card_exempt)
    test_card = test_card or has_test_card
    return _take_apart(clean, snapshot, event_key, kind, occurred_at=occurred_at, test_card=test_card)


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
        message = str(error) if _safe(value[:80]) != _HIDDEN else "is not a customer type"
        raise EventFault("customerType", message) from error


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
    message = _unfit(text)
    if message:
        raise EventFault(path, message)


def _unfit(text: str) -> str | None:
    """Say why Postgres cannot keep a text."""
    if "\x00" in text:
        return "holds a NUL character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "holds half of a surrogate pair, which is no character"
    return None


def _without_cards(order: dict[str, Any], exempt: Collection[str]) -> tuple[dict[str, Any], str, bool]:
    """Give the order without what is dropped, the same as JSON, and whether it paid with the test card."""
    snapshot = _dump(order)
    scanned = cards.scan(order, snapshot, exempt=exempt)
    if scanned.fault is not None:
        raise CardData(f"order.{scanned.fault.path}" if scanned.fault.path else "order", scanned.fault.message)
    return scanned.order, snapshot if scanned.order is order else _dump(scanned.order), scanned.test_card


def _take_apart(
    order: dict[str, Any], snapshot: str, event_key: str, kind: CustomerType, *, occurred_at: datetime, test_card: bool
) -> NewEvent:
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
        test_card=test_card,
        snapshot=snapshot,
        order_key=order_key,
        order_id=order_id,
        customer_id=_id(order, "customerId"),
        email=_if_short(_text(order, "emailAddress"), MOST_EMAIL),
        phone=_if_short(_text(order, "phoneNumber"), MOST_PHONE),
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
    except (TypeError, ValueError, RecursionError) as error:
        raise _find_fault(order, "order") or EventFault("order", "cannot be read") from error
    if len(text) > MOST_BYTES:
        raise EventFault("order", f"is larger than {MOST_BYTES // 1024} KiB")
    # Both are wider than what is refused, and never narrower: a hit only starts the walk.
    if b"\\u0000" in text or text.count(b"{") + text.count(b"[") > MOST_DEPTH:
        fault = _find_fault(order, "order")
        if fault is not None:
            raise fault
    return text.decode()


def _find_fault(value: Any, path: str, left: int = MOST_DEPTH) -> EventFault | None:
    """Find the first value or key in an order that cannot be kept."""
    if isinstance(value, NotJson):
        return EventFault(path, value.message)
    if isinstance(value, str):
        message = _unfit(value)
        return EventFault(path, message) if message else None
    if not isinstance(value, dict | list):
        return None
    if not left:
        return EventFault("order", f"is nested deeper than {MOST_DEPTH} levels")
    if isinstance(value, dict):
        if message := next(filter(None, map(_unfit, value)), None):
            return EventFault(path, f"a key {message}")
        steps = [(f"{path}.{_safe(key)}", item) for key, item in value.items()]
    else:
        steps = [(f"{path}[{index}]", item) for index, item in enumerate(value)]
    return next((found for step, item in steps if (found := _find_fault(item, step, left - 1))), None)


_HIDDEN = "(hidden)"


def _safe(key: str) -> str:
    """Show a key somebody else made up: short, printable, and never what may be a card number."""
    if sum(map(str.isdigit, key)) >= 12:
        return _HIDDEN
    return "".join(char if " " <= char <= "~" else "?" for char in key[:80])


def _text(order: dict[str, Any], key: str) -> str | None:
    value = order.get(key)
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return format(value, "f") if isinstance(value, Decimal) else str(value)
    return None


def _if_short(text: str | None, most: int) -> str | None:
    """Leave out what is no address and no number: the records are found by it through an index, the snapshot keeps it."""
    return text if text is None or len(text) <= most else None


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
