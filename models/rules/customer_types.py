"""Customer types: the kinds of event, in the CRM's own terms, and which route takes which of them."""

from __future__ import annotations

import difflib
from enum import StrEnum
from typing import Self


class CustomerType(StrEnum):
    """One kind of event. The value is the slug that is stored; the label is what people and receivers read."""

    label: str

    def __new__(cls, slug: str, label: str) -> Self:
        """Make a member whose text is its slug."""
        member = str.__new__(cls, slug)
        member._value_ = slug
        member.label = label
        return member

    PARTIAL = "partial", "Partial"
    NEW_SALE = "new_sale", "New Sale"
    UPSELL = "upsell", "Upsell"
    SUBSCRIPTION_STARTED = "subscription_started", "Subscription Started"
    PRE_BILLING = "pre_billing", "Pre-Billing"
    RECURRING_ORDER = "recurring_order", "Recurring Order"
    DECLINE = "decline", "Decline"
    REBILL_DECLINE = "rebill_decline", "Rebill Decline"
    RECYCLE_FAILED = "recycle_failed", "Recycle Failed"
    CANCEL = "cancel", "Cancel"
    PAUSE = "pause", "Pause"
    REACTIVATE = "reactivate", "Reactivate"
    ALL_REFUNDS = "all_refunds", "All refunds"
    PARTIAL_REFUNDS = "partial_refunds", "Partial refunds"
    FULL_REFUNDS = "full_refunds", "Full refunds"
    CHARGEBACK = "chargeback", "Chargeback"
    FULFILLMENT_SHIPPED = "fulfillment_shipped", "Fulfillment Shipped"
    FULFILLMENT_DELIVERED = "fulfillment_delivered", "Fulfillment delivered"
    RMA_ISSUED = "rma_issued", "RMA issued"
    RMA_RECEIVED = "rma_received", "RMA received"
    CAPTURE = "capture", "Capture"
    QA_PENDING = "qa_pending", "QA Pending"
    LEAD = "lead", "Lead"
    COD_PENDING = "cod_pending", "COD Pending"
    CUSTOMER_UPDATE = "customer_update", "Customer Update"

    @property
    def completes_order(self) -> bool:
        """Whether such an event ends a Partial: from then on the order is no lead any more."""
        return self in COMPLETING

    @property
    def needs_order(self) -> bool:
        """Whether the event must name its order by clientOrderId or orderId."""
        return self not in WITHOUT_ORDER


COMPLETING = frozenset(
    {
        CustomerType.NEW_SALE,
        CustomerType.UPSELL,
        CustomerType.SUBSCRIPTION_STARTED,
        CustomerType.CAPTURE,
        CustomerType.QA_PENDING,
        CustomerType.COD_PENDING,
    }
)
"""A Decline is missing on purpose: call centres want those people."""

WITHOUT_ORDER = frozenset({CustomerType.LEAD, CustomerType.CUSTOMER_UPDATE})

_REFUNDS = (CustomerType.PARTIAL_REFUNDS, CustomerType.FULL_REFUNDS)


class UnknownCustomerType(ValueError):
    """text is no customer type; near holds the labels that look like it, best first."""

    def __init__(self, text: str, near: tuple[str, ...]) -> None:
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        super().__init__(f'"{text[:60]}" is not a customer type.{hint}')
        self.text = text
        self.near = near


def parse(text: str) -> CustomerType:
    """Read a label or slug in any case, where blank, - and _ are the same. Raises UnknownCustomerType."""
    key = _key(text)
    if key in _BY_KEY:
        return _BY_KEY[key]
    near = difflib.get_close_matches(key[:60], _BY_KEY, n=3)
    raise UnknownCustomerType(text, tuple(_BY_KEY[name].label for name in near))


def route_types(event_type: CustomerType) -> tuple[CustomerType, ...]:
    """Name the types of routes that take an event of this type, its own first.

    A route takes its own type only; a route of All refunds also takes partial and full refunds. An event typed
    All refunds (its extent is unknown) is not taken by routes of partial or full refunds.
    """
    if event_type in _REFUNDS:
        return (event_type, CustomerType.ALL_REFUNDS)
    return (event_type,)


def _key(text: str) -> str:
    return text.strip().lower().replace(" ", "_").replace("-", "_")


_BY_KEY = {_key(word): member for member in CustomerType for word in (member.value, member.label)}
