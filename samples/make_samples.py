"""Write samples/events.ndjson: `python -m samples.make_samples`. The same text every time.

Every order, person and number is invented: addresses are of example.com, telephone numbers 555-01xx, IP addresses of the
range for documentation. Each customer is one small story, from the partial to the refund.
"""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("events.ndjson")
CUSTOMERS = 90
BEGIN = datetime(2026, 11, 22, 16, 0, tzinfo=UTC)  # samples.load moves all times so that the last event is now
CLOCK = "%Y-%m-%d %H:%M:%S"

CAMPAIGNS = ((1, "Lander"), (2, "Web shop"), (3, "Call centre"))
PRODUCTS = (
    {"productId": 4, "name": "Widget", "sku": "W-1", "price": "49.95"},
    {"productId": 5, "name": "Widget refill", "sku": "W-2", "price": "29.95"},
    {"productId": 7, "name": "Crème de nuit", "sku": "C-7", "price": "64.50"},
    {"productId": 9, "name": 'Tea, "Earl Grey"', "sku": "T-9", "price": "12.00"},
    {"productId": 12, "name": "Travel case", "sku": "X-12", "price": "19.00"},
)
PEOPLE = (
    ("Jane", "Doe"), ("Zoë", "Søn"), ("Mary", "O'Neill"), ("Valéry", "Dubois"), ("Ana", "García"), ("Élodie", "Martin"),
    ("John", "Smith"), ("Lukas", "Müller"), ("Aiko", "Tanaka"), ("Noah", "Brown"), ("Olga", "Ivanova"), ("Liam", "Jones"),
)  # fmt: skip
PLACES = (
    ("12 Elm Street", "Columbus", "OH", "US", "43004"), ("8 Bay Road", "Oakland", "CA", "US", "94601"),
    ("Lindenweg 3", "Köln", "NW", "DE", "50667"), ("5 rue Verte", "Lyon", "ARA", "FR", "69001"),
    ("77 High Street", "Leeds", "LDS", "GB", "LS1 4AP"),
)  # fmt: skip


@dataclass
class Story:
    """One customer's way through the shop; tell() adds an event some minutes after the one before."""

    number: int
    luck: random.Random
    begin: datetime
    events: list[dict[str, Any]] = field(default_factory=list)
    order: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make up the person and the first order."""
        first, last = self.luck.choice(PEOPLE)
        street, city, state, country, code = self.luck.choice(PLACES)
        campaign, name = self.luck.choice(CAMPAIGNS)
        product = self.luck.choice(PRODUCTS)
        self.now = self.begin
        self.order = {
            "clientOrderId": self.text_id(),
            "orderId": 1000 + self.number * 10,
            "campaignId": campaign,
            "campaignName": name,
            "dateCreated": self.begin.strftime(CLOCK),
            "customerId": 500 + self.number,
            "firstName": first,
            "lastName": last,
            "emailAddress": f"customer{self.number}@example.com",
            "phoneNumber": f"(614) 555-01{self.number % 100:02d}",
            "ipAddress": f"192.0.2.{self.number % 250 + 1}",
            "address1": street,
            "city": city,
            "state": state,
            "country": country,
            "postalCode": code,
            "billShipSame": True,
            "currencyCode": "EUR" if country in {"DE", "FR"} else "USD",
            "orderTotal": product["price"],
            "orderStatus": "PARTIAL",
            "orderType": "NEW_SALE",
            "affId": self.luck.choice(("AF12", "AF30", "")),
            "UTMSource": self.luck.choice(("news", "search", "")),
            "items": [{**product, "qty": 1}],
            "customFields": {"favouriteColour": self.luck.choice(("blue", "green", "red")), "size": "XL"},
        }

    def text_id(self) -> str:
        """Make up a text id like the CRM's."""
        return f"{self.luck.getrandbits(40):010X}"

    def tell(self, customer_type: str, *, minutes: int = 5, test_card: bool = False, **changes: Any) -> None:
        """Add an event with the order as it is from now on."""
        self.now += timedelta(minutes=minutes, seconds=self.luck.randrange(60))
        self.order = {**self.order, **changes}
        event = {
            "eventId": f"sample-{self.number:03d}-{len(self.events) + 1}",
            "customerType": customer_type,
            "occurredAt": self.now.isoformat(),
            **({"testCard": True} if test_card else {}),
            "order": self.order,
        }
        self.events.append(event)

    def buy(self, **changes: Any) -> None:
        """Tell the first sale."""
        payment: dict[str, Any] = {
            "paySource": "CREDITCARD",
            "cardType": "VISA",
            "responseType": "SUCCESS",
            "txnType": "SALE",
        }
        self.tell("New Sale", orderStatus="COMPLETE", transactionId=self.text_id(), **payment, **changes)

    def subscribe(self) -> None:
        """Tell a first sale that starts a subscription."""
        subscription: dict[str, Any] = {
            "purchaseId": 70 + self.number,
            "clientPurchaseId": f"P{self.number:04d}",
            "recurringStatus": "ACTIVE",
        }
        next_bill = (self.now + timedelta(days=30)).date().isoformat()
        self.buy(**subscription, recurringPrice="29.95", billingCycleNumber=1, nextBillDate=next_bill)
        self.tell("Subscription Started", minutes=0)

    def rebill(self) -> None:
        """Begin the subscription's next order."""
        first = self.order["orderId"]
        again = {"clientOrderId": self.text_id(), "orderId": first + 1, "originalOrderId": first, "orderType": "REBILL"}
        self.order = {**self.order, **again, "orderTotal": "29.95", "billingCycleNumber": 2}


def _left(story: Story) -> None:
    story.tell("Partial")


def _bought(story: Story) -> None:
    story.tell("Partial")
    story.buy()


def _shipped(story: Story) -> None:
    story.buy()
    parcel: dict[str, Any] = {
        "trackingNumber": f"TRK-{story.number:05d}",
        "shipCarrier": "Sample Post",
        "fulfillmentId": story.number,
    }
    story.tell(
        "Fulfillment Shipped", minutes=90, fulfillmentStatus="Shipped", dateShipped=story.now.strftime(CLOCK), **parcel
    )
    story.tell("Fulfillment delivered", minutes=200, fulfillmentStatus="Delivered")


def _upsold(story: Story) -> None:
    more = {**PRODUCTS[4], "qty": 2}
    total = str(Decimal(story.order["orderTotal"]) + 2 * Decimal(str(more["price"])))
    story.buy(hasUpsell=True, items=[*story.order["items"], more], orderTotal=total)
    story.tell("Upsell", minutes=0)


def _declined(story: Story) -> None:
    story.tell("Partial")
    story.tell("Decline", orderStatus="DECLINED", responseType="SOFT_DECLINE", declineReason="Insufficient funds")


def _subscribed(story: Story) -> None:
    story.subscribe()
    story.tell("Pre-Billing", minutes=60)
    story.rebill()
    story.tell("Recurring Order", minutes=60)


def _recycled(story: Story) -> None:
    story.subscribe()
    story.rebill()
    declined: dict[str, Any] = {"responseType": "SOFT_DECLINE", "declineReason": "Do not honor"}
    story.tell("Rebill Decline", minutes=60, recurringStatus="RECYCLE_BILLING", **declined)
    story.tell("Recycle Failed", minutes=60, recurringStatus="RECYCLE_FAILED")


def _paused(story: Story) -> None:
    story.subscribe()
    story.tell("Pause", minutes=30, recurringStatus="INACTIVE")
    story.tell("Reactivate", minutes=30, recurringStatus="ACTIVE")
    story.tell("Cancel", minutes=30, recurringStatus="CANCELLED", cancelReason="too much tea")


def _returned(story: Story) -> None:
    story.buy()
    story.tell("RMA issued", minutes=60, rmaNumber=f"RMA-{story.number}", fulfillmentStatus="RMA Pending")
    story.tell("RMA received", minutes=60, fulfillmentStatus="Returned", dateReturned=story.now.strftime(CLOCK))
    story.tell("Full refunds", refundAmount=story.order["orderTotal"], refundReason="returned", refundRemaining="0.00")


def _refunded(story: Story) -> None:
    story.buy()
    left = str(Decimal(story.order["orderTotal"]) - 10)
    story.tell("Partial refunds", minutes=45, refundAmount="10.00", refundReason="damaged", refundRemaining=left)


def _disputed(story: Story) -> None:
    story.buy()
    day = story.now.date().isoformat()
    story.tell(
        "Chargeback",
        minutes=120,
        chargebackAmount=story.order["orderTotal"],
        chargebackDate=day,
        orderType="CHARGEBACK",
    )


def _checked(story: Story) -> None:
    story.tell("QA Pending", orderStatus="PENDING", txnType="AUTHORIZE")
    story.tell("Capture", minutes=20, orderStatus="COMPLETE", txnType="CAPTURE")


def _cash(story: Story) -> None:
    story.tell("COD Pending", orderStatus="COD_PENDING", paySource="COD")


def _imported(story: Story) -> None:
    for name in ("clientOrderId", "orderId", "items", "orderStatus", "orderType"):
        del story.order[name]
    story.tell("Lead")
    story.tell("Customer Update", minutes=30, phoneNumber=f"+1614555{100 + story.number % 100:04d}")


def _goodwill(story: Story) -> None:
    story.buy()
    story.tell("All refunds", minutes=45, refundAmount="5.00", refundReason="goodwill")


def _tested(story: Story) -> None:
    story.tell("New Sale", test_card=True, orderStatus="COMPLETE", cardBin="000000", cardLast4="0000")


STORIES: tuple[Callable[[Story], None], ...] = (
    _left, _bought, _shipped, _upsold, _declined, _subscribed, _recycled, _paused, _returned, _refunded, _disputed,
    _checked, _cash, _imported, _goodwill, _tested, _left, _bought, _bought,
)  # fmt: skip


def events() -> Iterator[dict[str, Any]]:
    """Give all events in the order in which they happened."""
    told: list[dict[str, Any]] = []
    luck = random.Random(20261123)
    for number in range(CUSTOMERS):
        story = Story(number, luck, BEGIN + timedelta(minutes=10 * number))
        STORIES[number % len(STORIES)](story)
        told += story.events
    yield from sorted(told, key=lambda event: (event["occurredAt"], event["eventId"]))


def main() -> None:
    """Write the file."""
    text = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events())
    FILE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
