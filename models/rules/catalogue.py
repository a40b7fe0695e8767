"""The field catalogue: every name that a mapping may use, its type and what it means.

Besides the fixed names there are item slots (product1_name to product50_nextBillDate) and custom:NAME. What must never
be stored or sent is not in here: full card number, CVV, track data, PIN, cardMonth, cardYear, eci, xid, cavv.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

SLOTS = 50


class FieldType(StrEnum):
    """What a field's value is; it decides the JSON type and the text on the wire."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    JSON = "json"


class Place(StrEnum):
    """Where a field's value lives."""

    ORDER = "order"
    ITEM = "item"
    CUSTOM = "custom"
    EVENT = "event"  # Waybill's own: of the event, the profile or the delivery, not of the order


@dataclass(frozen=True, slots=True)
class Field:
    """One field. slot counts items from 1 and is 0 elsewhere; key is the name inside the item or custom fields."""

    name: str
    type: FieldType
    group: str
    meaning: str
    sample: str
    sensitive: bool = False
    place: Place = Place.ORDER
    slot: int = 0
    key: str = ""


class UnknownField(ValueError):
    """name is not in the catalogue; near holds the names that look like it, best first."""

    def __init__(self, name: str, near: tuple[str, ...]) -> None:
        hint = f"Did you mean {' or '.join(near)}?" if near else "Other fields of an order are custom:NAME."
        super().__init__(f'There is no field "{name[:60]}". {hint}' if name else "Choose a field.")
        self.name = name
        self.near = near


def find(name: str) -> Field:
    """Look a field up by its exact name. Raises UnknownField."""
    if name in FIELDS:
        return FIELDS[name]
    if name.startswith("custom:") and 0 < len(name[7:].strip()) <= 200:
        return _custom(name[7:])
    match = re.fullmatch(r"product([1-9][0-9]?)_(\w+)", name, re.ASCII)
    if match and int(match[1]) <= SLOTS and match[2] in ITEM_FIELDS:
        return replace(ITEM_FIELDS[match[2]], name=name, slot=int(match[1]))
    raise UnknownField(name, _near(name))


def all_fields(slots: int = 1) -> Iterator[Field]:
    """Yield the whole catalogue in reading order, with the first item slots; for lists and forms."""
    yield from FIELDS.values()
    for slot in range(1, slots + 1):
        for key, field in ITEM_FIELDS.items():
            yield replace(field, name=f"product{slot}_{key}", slot=slot)


def _custom(key: str) -> Field:
    # A sensitive value does not become harmless by being filed under custom fields.
    return replace(_CUSTOM, name=f"custom:{key}", key=key, sensitive=key.strip().lower() in _SENSITIVE)


def _near(name: str) -> tuple[str, ...]:
    names = {field.name.lower(): field.name for field in all_fields()}
    return tuple(names[near] for near in difflib.get_close_matches(name[:60].lower(), names, n=3))


_TABLE = """
Order
  clientOrderId | text | unique order id | B94140F702
  orderId | integer | internal number of the order | 9
  originalOrderId | integer | the subscription's first order; its own number on cycle 1 | 9
  originalClientOrderId | text | text id of the subscription's first order | B94140F702
  externalOrderId | text | id in the shop | B94140F702
  dateCreated orderDate | datetime | when the order was created | 2026-11-23 09:58:12
  dateUpdated | datetime | when the order was last changed | 2026-11-23 09:58:12
  acquisitionDate | datetime | when the partial was created | 2026-11-23 09:58:12
  timeCreated | text | time of dateCreated | 09:58:12
  orderStatus | text | COMPLETE, PARTIAL, DECLINED, REFUNDED, CANCELLED, PENDING, COD_PENDING | COMPLETE
  orderType | text | NEW_SALE, REBILL, CHARGEBACK | NEW_SALE
  orderTotal totalAmount | decimal | total of the order | 54.90
  refundRemaining | decimal | amount that can still be refunded | 54.90
  price totalPrice | decimal | price of the goods | 49.95
  totalShipping | decimal | shipping, part of the total | 4.95
  totalDiscount | decimal | discount, part of the total | 0.00
  salesTax | decimal | tax, part of the total | 0.00
  currencyCode | text | currency, ISO 4217 | USD
  couponCode | text | coupon | WELCOME
  agentNote | text | note of the call centre | call back
  hasUpsell | boolean | the order includes an upsell | true
  isDeclineSave | boolean | the order was saved after a decline | false
  forceQA | boolean | the order must pass the quality check | false
  insureShipment | boolean | the parcel is insured | false
  items | json | all items | [{"sku":"W-1"}]
Customer
  customerId | integer | number of the customer | 77
  firstName | text | first name as given | Jane
  lastName | text | last name as given | Doe
  companyName | text | company as given | Doe Ltd
  fullName name | text | full name as given, else first and last name | Jane Doe
  emailAddress | text | e-mail address as given | jane@example.com
  phoneNumber | text | phone number as given | (650) 555-1212
  ipAddress | text | IP address, may be empty | 192.0.2.10
  userAgent | text | the browser's own name, may be empty | Mozilla/5.0
  browser | text | browser, may be empty | Firefox
  device | text | device, may be empty | Desktop
Billing address
  address1 | text | street | 1 Main St
  address2 | text | second line | Apt 2
  city | text | city | Columbus
  state | text | state; US states in 2 letters | OH
  country | text | country in 2 letters | US
  postalCode | text | postal code | 43004
Delivery address
  shipFirstName | text | first name, else of billing if billShipSame | Jane
  shipLastName | text | last name, else of billing if billShipSame | Doe
  shipFullName | text | full name, else of billing if billShipSame | Jane Doe
  shipCompanyName | text | company, else of billing if billShipSame | Doe Ltd
  shipAddress1 | text | street, else of billing if billShipSame | 1 Main St
  shipAddress2 | text | second line, else of billing if billShipSame | Apt 2
  shipCity | text | city, else of billing if billShipSame | Columbus
  shipState | text | state, else of billing if billShipSame | OH
  shipCountry | text | country, else of billing if billShipSame | US
  shipPostalCode | text | postal code, else of billing if billShipSame | 43004
  billShipSame | boolean | one address for both | true
Campaign
  campaignId | integer | campaign | 1
  campaignName | text | name of the campaign | Lander
  funnelReferenceId | text | funnel | F-7
Payment
  cardLast4 | text! | last 4 digits of the card | 4242
  cardBin | text! | first 6 digits of the card | 424242
  cardExpiryDate | date! | last day of the month the card is good for | 2031-09-30
  achAccountNumber | text! | bank account | 000123456789
  achRoutingNumber | text! | bank routing number | 110000000
  achAccountType | text! | kind of bank account | Checking
  paySource | text | CREDITCARD, PREPAID, CHECK, ACCTONFILE, COD, DIRECTDEBIT, APPLEPAY | COD
  cardType | text | VISA, MASTERCARD, AMEX, DISCOVER | VISA
  cardIsDebit | boolean | a debit card | false
  cardIsPrepaid | boolean | a prepaid card | false
  avsResponse | text | result code of the address check | Y
  cvvResponse | text | result code of the CVV check | M
  gatewayTitle | text | merchant account: its gateway | Main gateway
  merchantId | text | merchant account | 7A01C3
  clientTxnId | text | the CRM's id of the payment | 7A01C3
  transactionId | text | the gateway's id; may be missing or repeat | 7A01C3
  actualTransactionId | integer | the CRM's number of the payment | 5120
  txnType | text | SALE, AUTHORIZE, CAPTURE, VOID, REFUND | SALE
  responseType | text | SUCCESS, SOFT_DECLINE, HARD_DECLINE; trust customerType | SUCCESS
  declineReason | text | why the payment was declined; trust customerType | Insufficient funds
Subscription
  clientPurchaseId | text | text id of the subscription | P10C2
  cancelReason | text | why it was cancelled | too expensive
  recurringStatus | text | ONE_TIME, PENDING, ACTIVE, INACTIVE, CANCELLED, RECYCLE_BILLING, RECYCLE_FAILED | ACTIVE
  recurringPrice | decimal | next charge | 29.95
  purchaseId | integer | number of the subscription | 2
  billingCycleNumber | integer | cycle; empty for one-time orders | 2
  billingIntervalDays | integer | days between charges | 30
  finalBillingCycle | integer | last cycle | 12
  nextBillDate | date | day of the next charge | 2026-12-23
Source
  affId | text | affiliate | AF12
  subAffId | text | sub-affiliate | S3
  sourceId | text | source | 12
  pubId | text | publisher | P7
  sourceValue1 sourceValue2 sourceValue3 sourceValue4 sourceValue5 | text | click value | c1
  UTMSource | text | UTM source | news
  UTMMedium | text | UTM medium | email
  UTMCampaign | text | UTM campaign | spring
  UTMTerm | text | UTM term | widget
  UTMContent | text | UTM content | top
  httpReferer | text | page the visitor came from | https://example.com/
  salesUrl | text | landing page | https://example.com/buy
  sessionId | text | session | a1b2c3
Fulfilment
  fulfillmentStatus | text | Hold, Pending, Pending Shipment, Shipped, Delivered, Cancelled, RMA Pending, Returned | Shipped
  trackingNumber | text | parcel number | 1Z999
  shipCarrier | text | carrier | UPS
  shipMethod | text | way of shipping | Ground
  clientFulfillmentId | text | text id of the parcel | F-88
  rmaNumber | text | number of the return | RMA-88
  fulfillmentId | integer | number of the parcel | 12
  dateShipped | datetime | when it was shipped | 2026-11-25 14:00:00
  dateReturned | datetime | when it came back | 2026-12-05 14:00:00
Refund
  dateRefunded | datetime | when money was refunded | 2026-12-05 14:00:00
  chargebackDate | date | day of the chargeback | 2026-12-30
  refundAmount | decimal | amount refunded | 10.00
  chargebackAmount | decimal | amount taken back | 10.00
  refundReason | text | why it was refunded | damaged
  chargebackReasonCode | text | the bank's reason | 4853
  chargebackNote | text | note on the chargeback | no reply
"""

_ITEM_TABLE = """
Items
  name | text | name of item N, in the order of the event | Widget
  sku | text | SKU of item N | W-1
  externalId | text | item N's id in the shop | X-4
  recurringstatus | text | subscription state of item N | ACTIVE
  id | text | item N's clientProductId, else productId | 4
  crmId | integer | productId of item N | 4
  campaignProductId | integer | offer of item N | 11
  qty | integer | pieces of item N | 1
  billingCycleNumber | integer | cycle of item N; empty for one-time items | 2
  price | decimal | price of item N | 49.95
  shipPrice | decimal | shipping of item N | 4.95
  nextBillDate | date | day of item N's next charge | 2026-12-23
"""

_CUSTOM_TABLE = """
Custom
  custom1 custom2 custom3 custom4 custom5 | text | one custom field | blue
  customFields | text | values of all custom fields joined by commas; as JSON type: the object | blue,XL
  orderCustomFields | text | the same for the order's own custom fields | blue,XL
"""

_EVENT_TABLE = """
Waybill
  customerType | text | label of the event's type | New Sale
  eventId | text | the producer's key of the event | ev-1001
  profileName | text | name of the profile | Call centre partials
  eventTime | datetime | when it happened | 2026-11-23 15:00:00
  deliveryId | integer | delivery, the same on every try; in a file the row's id | 12
  attempt | integer | try 1, 2, ...; in a file 1 | 1
"""


def _read(table: str, place: Place) -> dict[str, Field]:
    """Read a table of `names | type | meaning | sample` under group lines; `!` after the type marks sensitive."""
    fields: dict[str, Field] = {}
    group = ""
    for line in table.strip().splitlines():
        if not line.startswith(" "):
            group = line
            continue
        names, kind, meaning, sample = (part.strip() for part in line.split(" | "))
        for name in names.split():
            fields[name] = Field(
                name, FieldType(kind.rstrip("!")), group, meaning, sample, kind.endswith("!"), place, key=name
            )
    return fields


FIELDS = {
    **_read(_TABLE, Place.ORDER),
    **_read(_CUSTOM_TABLE, Place.CUSTOM),
    **_read(_EVENT_TABLE, Place.EVENT),
}
"""Every fixed name, in reading order."""

ITEM_FIELDS = _read(_ITEM_TABLE, Place.ITEM)
"""The fields of an item by the part of the name after productN_."""

_CUSTOM = Field("custom:NAME", FieldType.TEXT, "Custom", "one custom field", "blue", place=Place.CUSTOM)
_SENSITIVE = frozenset(name.lower() for name, field in FIELDS.items() if field.sensitive)
