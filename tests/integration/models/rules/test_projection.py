"""The projection: each field, each value, on the wire and typed."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from models.rules.catalogue import FIELDS, FieldType
from models.rules.customer_types import CustomerType
from models.rules.mapping import read
from models.rules.projection import project
from models.rules.sql import literal_sql

EMPTY: sa.ColumnElement[Any] = sa.literal_column("'{}'::jsonb")
BERLIN = {"time_zone": "Europe/Berlin", "account_time_zone": "America/New_York"}


def field(name: str, *modifiers: str, **more: Any) -> dict[str, Any]:
    return {"field": name, "modifiers": list(modifiers), **more}


@pytest.mark.parametrize(
    "name", [name for name, found in FIELDS.items() if found.type is FieldType.TEXT and found.place == "order"]
)
def test_every_text_field_of_the_order_is_read_unchanged_and_empty_is_empty(render: Any, name: str) -> None:
    assert render.text({name: '  Zoë\'s "x" '}, name) == '  Zoë\'s "x" '
    empty: list[object] = [{name: ""}, {name: None}, {}, []]
    assert [render.text(order, name) for order in empty] == [None] * 4


def test_numbers_keep_their_digits_and_have_no_exponent(render: Any) -> None:
    rows = [field("orderTotal"), field("orderId")]
    assert render.texts('{"orderTotal": 199.00, "orderId": 1e3}', *rows) == ["199.00", "1000"]
    assert render.values('{"orderTotal": "199.00", "orderId": "9"}', *rows) == [Decimal("199.00"), 9]
    assert str(render.values('{"orderTotal": 199.00}', *rows)[0]) == "199.00"


def test_text_in_a_number_field_passes_as_text(render: Any) -> None:
    rows = [field("orderId"), field("orderTotal"), field("customerId")]
    order = {"orderId": "A-7", "orderTotal": "007.50", "customerId": "1234567890123456789"}
    assert render.values(order, *rows) == ["A-7", "007.50", "1234567890123456789"]


def test_the_type_of_the_mapping_wins(render: Any) -> None:
    order = {"orderId": 9, "orderTotal": 4.5, "firstName": "12", "hasUpsell": "yes", "lastName": '{"a":  1}'}
    rows = [
        field("orderId", type="text"),
        field("orderTotal", type="integer"),
        field("firstName", type="number"),
        field("orderId", type="boolean"),
        field("hasUpsell", type="text"),
        field("lastName", type="json"),
        {"static": "400", "type": "integer"},
        {"static": "400"},
        {"template": "{orderId}", "type": "number"},
    ]
    values = render.values(order, *rows)
    assert values[:5] == ["9", "4.5", 12, "9", "1"]
    assert values[5].text == '{"a":1}'
    assert values[6:] == [400, "400", 9]


@pytest.mark.parametrize("yes", [True, "true", "Yes", "1", 1, "ON", "y", "T"])
def test_yes_in_many_forms(render: Any, yes: object) -> None:
    assert render.texts({"hasUpsell": yes}, field("hasUpsell")) == ["1"]
    assert render.values({"hasUpsell": yes}, field("hasUpsell")) == [True]


@pytest.mark.parametrize("no", [False, "false", "No", "0", 0, "OFF", "n", "F"])
def test_no_in_many_forms(render: Any, no: object) -> None:
    assert render.texts({"hasUpsell": no}, field("hasUpsell")) == ["0"]
    assert render.values({"hasUpsell": no}, field("hasUpsell")) == [False]


def test_a_strange_flag_passes_unchanged_and_an_empty_one_is_empty(render: Any) -> None:
    assert render.values({"hasUpsell": "maybe", "forceQA": ""}, field("hasUpsell"), field("forceQA")) == ["maybe", None]


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("2026-11-23 09:58:12", "2026-11-23 15:58:12"),
        ("2026-11-23T09:58:12", "2026-11-23 15:58:12"),
        ("2026-11-23 09:58", "2026-11-23 15:58:00"),
        ("2026-11-23 09:58:12.000000", "2026-11-23 15:58:12"),
        ("2026-11-23T09:58:12Z", "2026-11-23 10:58:12"),
        ("2026-11-23T09:58:12-05:00", "2026-11-23 15:58:12"),
        ("2026-11-23 09:58:12 +0100", "2026-11-23 09:58:12"),
        ({"date": "2026-11-23 09:58:12.000000", "timezone_type": 3, "timezone": "UTC"}, "2026-11-23 10:58:12"),
        ({"date": "2026-11-23 09:58:12.000000", "timezone": "America/New_York"}, "2026-11-23 15:58:12"),
        ({"date": "2026-11-23 09:58:12.000000", "timezone": "-05:00"}, "2026-11-23 15:58:12"),
        ({"date": "2026-11-23 09:58:12.000000"}, "2026-11-23 15:58:12"),
        ({"date": "2026-11-23 09:58:12", "timezone": "BC"}, "2026-11-23 15:58:12"),
        ("0000-00-00 00:00:00", None),
        ("0000-00-00", None),
        ({"date": "0000-00-00 00:00:00.000000", "timezone": "UTC"}, None),
        ("", None),
        (None, None),
        ("2026-02-30 10:00:00", "2026-02-30 10:00:00"),
        ("now", "now"),
        ("infinity", "infinity"),
        ("tomorrow 10:00", "tomorrow 10:00"),
        ("11/23/2026", "11/23/2026"),
        (1795427892, "1795427892"),
    ],
)
def test_times_are_written_in_the_profiles_zone(render: Any, given: object, written: str | None) -> None:
    assert render.text({"dateShipped": given}, "dateShipped", **BERLIN) == written


def test_in_one_zone_a_time_is_taken_as_it_is(render: Any) -> None:
    order = {
        "dateShipped": "2026-03-29 02:30:00",
        "dateReturned": "2026-11-23T09:58:12Z",
        "dateUpdated": "0000-00-00 00:00:00",
    }
    rows = [field("dateShipped"), field("dateReturned"), field("dateUpdated")]
    zones = {"time_zone": "Europe/Berlin", "account_time_zone": "Europe/Berlin"}
    assert render.texts(order, *rows, **zones) == ["2026-03-29 02:30:00", "2026-11-23 10:58:12", None]


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("2026-12-23", "2026-12-23"),
        ("2026-12-23 23:59:59", "2026-12-23"),
        ("2026-12-23T00:00:00Z", "2026-12-23"),
        ({"date": "2026-12-23 00:00:00.000000", "timezone": "UTC"}, "2026-12-23"),
        ("0000-00-00", None),
        ("0000-00-00 00:00:00", None),
        ("", None),
        ("soon", "soon"),
        ("12/23/2026", "12/23/2026"),
        ({"a": 1}, '{"a": 1}'),
    ],
)
def test_days_are_never_shifted(render: Any, given: object, written: str | None) -> None:
    assert render.text({"nextBillDate": given}, "nextBillDate", **BERLIN) == written
    assert render.text({"items": [{"nextBillDate": given}]}, "product1_nextBillDate", **BERLIN) == written


@pytest.mark.parametrize(
    ("one", "other"),
    [("dateCreated", "orderDate"), ("orderTotal", "totalAmount"), ("price", "totalPrice"), ("fullName", "name")],
)
def test_two_names_for_one_thing_fill_each_other(render: Any, one: str, other: str) -> None:
    value = "2026-11-23 09:58:12"
    assert render.texts({one: value, other: ""}, field(one), field(other)) == [value, value]
    assert render.texts({other: value}, field(one), field(other)) == [value, value]


def test_full_name_and_time_are_made_from_what_there_is(render: Any) -> None:
    order = {"firstName": "Jane", "lastName": "Doe", "orderDate": "2026-11-23 09:58:12"}
    rows = [field("fullName"), field("name"), field("timeCreated")]
    assert render.texts(order, *rows) == ["Jane Doe", "Jane Doe", "09:58:12"]
    assert render.texts({"firstName": "Jane", "timeCreated": "1 pm"}, *rows) == ["Jane", "Jane", "1 pm"]
    assert render.texts({"dateCreated": "soon"}, *rows) == [None, None, None]


def test_the_delivery_address_falls_back_to_billing_only_if_it_is_the_same(render: Any) -> None:
    order = {
        "firstName": "Jane",
        "lastName": "Doe",
        "city": "Columbus",
        "country": "US",
        "shipCountry": "CA",
        "billShipSame": True,
    }
    rows = [field(name) for name in ("shipCity", "shipCountry", "shipFullName", "shipFirstName")]
    assert render.texts(order, *rows) == ["Columbus", "CA", "Jane Doe", "Jane"]
    assert render.texts({**order, "billShipSame": False}, *rows) == [None, "CA", None, None]
    assert render.texts({"shipFirstName": "Al", "shipLastName": "Roe"}, field("shipFullName")) == ["Al Roe"]


def test_items_fill_their_slots_in_order(render: Any) -> None:
    items = [
        {
            "productId": 4,
            "clientProductId": "P4",
            "name": "Widget",
            "qty": 1,
            "price": 49.95,
            "billingCycleNumber": "ONE_TIME",
        },
        {"productId": 5, "name": "", "price": "5.00", "recurringStatus": "ACTIVE"},
    ]
    names = [
        "1_id",
        "1_crmId",
        "1_name",
        "1_qty",
        "1_price",
        "1_billingCycleNumber",
        "2_id",
        "2_name",
        "2_price",
        "2_recurringstatus",
        "3_id",
    ]
    rows = [field(f"product{name}") for name in names]
    assert render.values({"items": items}, *rows) == [
        "P4", 4, "Widget", 1, Decimal("49.95"), None, "5", None, Decimal("5.00"), "ACTIVE", None,
    ]  # fmt: skip
    assert render.texts({"items": {"0": {"name": "x"}}}, field("product1_name")) == [None]


def test_all_items_are_compact_json(render: Any) -> None:
    order = '{"items": [{"sku": "W  1", "price": 1.50, "name": "a \\"b, c"}]}'
    written = '[{"sku":"W  1","name":"a \\"b, c","price":1.50}]'
    assert render.texts(order, field("items")) == [written]
    assert render.values(order, field("items"))[0].text == written


def test_custom_fields_are_found_by_name_in_three_places(render: Any) -> None:
    order = {
        "customFields": {"colour": "blue", "custom1": "one"},
        "orderCustomFields": {"size": "XL"},
        "unheardOf": 7,
        "custom2": "two",
    }
    names = ["custom:colour", "custom:size", "custom:unheardOf", "custom1", "custom2", "custom3", "custom:none"]
    assert render.texts(order, *map(field, names)) == ["blue", "XL", "7", "one", "two", None, None]


def test_a_catalogue_field_of_the_order_is_not_reached_as_a_custom_field(render: Any) -> None:
    assert render.text({"cardLast4": "4242"}, "custom:cardLast4") is None


def test_custom_fields_are_joined_and_as_json_they_are_the_object(render: Any) -> None:
    order = {"customFields": {"a": "blue", "b": "", "c": None, "d": "XL"}, "orderCustomFields": ["x", "y z"]}
    assert render.texts(order, field("customFields"), field("orderCustomFields")) == ["blue,XL", "x,y z"]
    values = render.values(order, field("customFields", type="json"), field("orderCustomFields", type="json"))
    assert [value.text for value in values] == ['{"a":"blue","b":"","c":null,"d":"XL"}', '["x","y z"]']
    assert render.texts({"customFields": {}}, field("customFields")) == [None]
    assert render.texts({"customFields": "plain"}, field("customFields")) == ["plain"]


def test_one_time_is_no_cycle(render: Any) -> None:
    assert render.values({"billingCycleNumber": "ONE_TIME"}, field("billingCycleNumber")) == [None]
    assert render.values({"billingCycleNumber": "2"}, field("billingCycleNumber")) == [2]


def test_waybills_own_fields(render: Any) -> None:
    names = ["customerType", "eventId", "eventTime", "profileName", "deliveryId", "attempt"]
    assert render.values({}, *map(field, names), **BERLIN) == [
        "New Sale", "ev-1001", "2026-11-23 16:00:00", "Call centre partials", 12, 2,
    ]  # fmt: skip


@pytest.mark.parametrize("kind", CustomerType)
def test_every_customer_type_is_written_as_its_label(render: Any, kind: CustomerType) -> None:
    reading = read([{"exportName": "t", "field": "customerType"}], keeps_secrets=True)
    source = replace(render.source(EMPTY), customer_type=sa.literal(kind.value, sa.Text()))
    columns = project(reading.mappings, source, str).columns
    assert render.connection.scalar(sa.select(*columns)) == kind.label


def test_a_template_of_empty_fields_is_empty(render: Any) -> None:
    rows = [
        {"template": template}
        for template in ("{firstName} {lastName}", "a {lastName}", "{{x}}", "{firstName}", "{hasUpsell}!")
    ]
    order = {"firstName": "Jane", "hasUpsell": True}
    assert render.texts(order, *rows) == ["Jane ", None, "{x}", "Jane", "1!"]
    assert render.texts({}, *rows) == [None, None, "{x}", None, None]


def test_static_values_stay_as_they_are(render: Any) -> None:
    texts = ["400", "", "it's 100% \\n :x %s {y}", "Zoë 정"]
    rows = [{"static": text} for text in texts]
    assert render.texts({}, *rows) == ["400", None, *texts[2:]]
    assert render.values({}, *rows) == ["400", None, *texts[2:]]


def test_a_secret_never_enters_sql(render: Any) -> None:
    rows = [{"exportName": "token", "static": "canary"}, {"exportName": "city", "field": "city"}]
    reading = read(rows, keeps_secrets=True)
    projection = project(reading.mappings, render.source(sa.literal_column("""'{"city": "Bonn"}'::jsonb""")), str)
    assert "canary" not in literal_sql(sa.select(*projection.columns))
    assert list(render.connection.execute(sa.select(*projection.columns)).one()) == [None, "Bonn"]
    assert projection.values(["Bonn"]) == (None, "Bonn")
    assert "canary" not in repr(projection)


def test_columns_are_labelled_by_their_place(render: Any) -> None:
    projection = render.compile([{"static": "x"}, field("city")], EMPTY)
    assert [column.name for column in projection.columns] == ["c1", "c2"]
    assert [column.name for column in projection.select_columns] == ["c2"]


def test_columns_know_what_they_hold(render: Any) -> None:
    rows = [field("orderTotal"), field("orderTotal", type="text"), field("city", "number:2"), {"static": "x"}]
    assert [kind.value for kind in render.compile(rows, EMPTY).types] == ["decimal", "text", "decimal", "text"]


def test_with_its_values_inside_the_statement_says_the_same(render: Any) -> None:
    order = {
        "firstName": "Jo:hn %s \\ 'x'",
        "dateCreated": "2026-11-23 09:58:12",
        "country": "DE",
        "phoneNumber": "030 1234567",
    }
    rows = [
        field("firstName", "map:a%=b\\x,*=5% \\ '"),
        field("dateCreated", 'date:DD\\MM%YY"x":Europe/Berlin'),
        field("phoneNumber", "e164"),
        {"static": "5% \\n :name '"},
        {"template": "100% \\ {firstName}"},
        field("items"),
    ]
    document = sa.literal(json.dumps(order), sa.Text())
    snapshot = sa.select(sa.cast(document, JSONB).label("o")).subquery()
    statement = sa.select(*render.compile(rows, snapshot.c.o).columns)
    plain = render.connection.execute(statement).one()
    raw = render.connection.connection.driver_connection
    assert raw is not None
    with raw.cursor() as cursor, cursor.copy(f"COPY ({literal_sql(statement)}) TO STDOUT") as copy:
        copied = list(copy.rows())
    assert copied == [tuple(plain)]
