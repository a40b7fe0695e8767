"""How each field of the catalogue is read: Field -> SQL text. Empty is NULL; what cannot be read passes unchanged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Text, case, cast, func, literal_column

from models.rules import customer_types
from models.rules.catalogue import FIELDS, Field, FieldType, Place
from models.rules.moments import Clock, Show, wire_day
from models.rules.sql import (
    Expression,
    Joined,
    constant,
    filled,
    get_json,
    get_text,
    given,
    lower,
    null,
    number,
    one_of,
    table,
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where the columns of one statement come from.

    order is jsonb; customer_type a type's slug; occurred_at a timestamptz. time_zone is the profile's, account_time_zone
    that of times without an offset; both are names that Postgres knows.
    """

    order: ColumnElement[object]
    customer_type: ColumnElement[str]
    event_key: ColumnElement[str]
    occurred_at: ColumnElement[object]
    delivery_id: ColumnElement[object]
    attempt: ColumnElement[object]
    profile_name: str
    time_zone: str = "UTC"
    account_time_zone: str = "UTC"


ALIASES = {
    "dateCreated": ("orderDate",),
    "orderDate": ("dateCreated",),
    "orderTotal": ("totalAmount",),
    "totalAmount": ("orderTotal",),
    "price": ("totalPrice",),
    "totalPrice": ("price",),
    "fullName": ("name",),
    "name": ("fullName",),
}
"""Names for the same thing, each filled from the other when missing."""

_ITEM_KEYS = {
    "id": ("clientProductId", "productId"),
    "crmId": ("productId",),
    "recurringstatus": ("recurringstatus", "recurringStatus"),
}

_YES = ("true", "1", "yes", "y", "t", "on")
_NO = ("false", "0", "no", "n", "f", "off")


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads fields of one Source."""

    source: Source
    clock: Clock

    def read(self, field: Field) -> Expression:
        """Write the field as query, form and CSV want it: booleans 1 and 0, times in the profile's zone."""
        if field.place is Place.EVENT:
            return self._event(field.name)
        if field.place is Place.CUSTOM:
            return self._custom(field)
        if field.place is Place.ITEM:
            return self._item(field)
        return self._order(field)

    def moment(self, field: Field, show: Show) -> Expression:
        """Show the exact time of a datetime field, before it becomes text."""
        if field.name == "eventTime":
            return show(self.source.occurred_at)
        names = (field.name, *ALIASES.get(field.name, ()))
        return _first([self.clock.field(self.source.order, constant(name), show) for name in names])

    def json(self, field: Field) -> Expression:
        """Read the field as JSON text: custom fields as their object, all else as its own text."""
        if field.name in ("customFields", "orderCustomFields"):
            return _compact(get_text(self.source.order, constant(field.name)))
        return self.read(field)

    def _order(self, field: Field) -> Expression:
        name = field.name
        if name == "timeCreated":
            return self._time_created()
        found = [self._own(field.type, key) for key in (name, *ALIASES.get(name, ()))]
        if name in ("fullName", "name"):
            found.append(self._both_names("firstName", "lastName"))
        if name == "shipFullName":
            found.append(self._both_names("shipFirstName", "shipLastName"))
        if name.startswith("ship") and FIELDS[name].group == "Delivery address":
            found.append(case((self._is_one_address(), self._order(_billing(name))), else_=null()))
        return _first(found)

    def _item(self, field: Field) -> Expression:
        item = get_json(get_json(self.source.order, constant("items")), number(field.slot - 1))
        keys = _ITEM_KEYS.get(field.key, (field.key,))
        return _first([self._typed(field.type, item, key, field.key) for key in keys])

    def _own(self, kind: FieldType, key: str) -> Expression:
        return self._typed(kind, self.source.order, key, key)

    def _typed(self, kind: FieldType, owner: Expression, key: str, name: str) -> Expression:
        """Read one key of the order or of an item by its type."""
        text = get_text(owner, constant(key))
        if kind is FieldType.BOOLEAN:
            return _flag(text)
        if kind is FieldType.DATETIME:
            return self.clock.wire(owner, constant(key))
        if kind is FieldType.DATE:
            return wire_day(self.clock.scope, owner, constant(key))
        if kind is FieldType.JSON:
            return _compact(text)
        if name == "billingCycleNumber":
            return func.nullif(filled(text), constant("ONE_TIME"), type_=Text())
        return filled(text)

    def _time_created(self) -> Expression:
        order = self.source.order
        times = [self.clock.time(order, constant(key)) for key in ("dateCreated", "orderDate")]
        return _first([filled(get_text(order, constant("timeCreated"))), *times])

    def _both_names(self, first: str, last: str) -> Expression:
        names = [filled(get_text(self.source.order, constant(key))) for key in (first, last)]
        return filled(func.concat_ws(constant(" "), *names, type_=Text()))

    def _is_one_address(self) -> ColumnElement[bool]:
        return one_of(lower(get_text(self.source.order, constant("billShipSame"))), _YES)

    def _custom(self, field: Field) -> Expression:
        """Read a custom field; a key of the order that the catalogue does not know is one, too."""
        order = self.source.order
        if field.name in ("customFields", "orderCustomFields"):
            return _joined(get_json(order, constant(field.name)))
        key = given(field.key)
        found = [get_text(get_json(order, constant(name)), key) for name in ("customFields", "orderCustomFields")]
        if field.key not in FIELDS or FIELDS[field.key].place is Place.CUSTOM:
            found.append(get_text(order, key))
        return _first([filled(text) for text in found])

    def _event(self, name: str) -> Expression:
        source = self.source
        readers: dict[str, Callable[[], Expression]] = {
            "customerType": lambda: _label(source.customer_type),
            "eventId": lambda: filled(source.event_key),
            "profileName": lambda: given(source.profile_name),
            "eventTime": lambda: self.clock.show(source.occurred_at),
            "deliveryId": lambda: cast(source.delivery_id, Text()),
            "attempt": lambda: cast(source.attempt, Text()),
        }
        return readers[name]()


def _billing(name: str) -> Field:
    """Name the billing field of a delivery field: shipCity -> city."""
    return FIELDS[name[4].lower() + name[5:]]


def _first(found: list[Expression]) -> Expression:
    return found[0] if len(found) == 1 else func.coalesce(*found, type_=Text())


def _flag(text: Expression) -> Expression:
    whens = [(constant(word), constant("1")) for word in _YES] + [(constant(word), constant("0")) for word in _NO]
    return case(*whens, value=lower(text), else_=filled(text))


def _label(slug: Expression) -> Expression:
    return func.coalesce(get_text(_LABELS, slug), slug, type_=Text())


_LABELS = table({member.value: member.label for member in customer_types.CustomerType})


def _compact(text: Expression) -> Expression:
    """Take the blanks out of what jsonb writes, but not those inside its strings."""
    pattern = constant(r'("([^"\\]|\\.)*")|[ ]')
    return filled(func.regexp_replace(text, pattern, constant(r"\1"), constant("g"), type_=Text()))


def _joined(json: Expression) -> Expression:
    """Join the values of an object or a list by commas, empty ones left out; a single value stands alone."""
    kind = func.jsonb_typeof(json)
    return case(
        (kind == constant("object"), Joined(func.jsonb_each_text(json))),
        (kind == constant("array"), Joined(func.jsonb_array_elements_text(json))),
        else_=filled(json.op("#>>", return_type=Text())(literal_column("'{}'"))),
    )
