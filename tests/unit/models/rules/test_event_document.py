"""The event document: what is refused, with its path and its sentence, and what a good one is taken apart into."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.rules.event_document import CardData, EventFault, NewEvent, decode, read_event
from tests.factories import event_document

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")
VISA = "4111111111111111"


def read(document: Any, *, zone: ZoneInfo = NEW_YORK) -> NewEvent:
    return read_event(document, now=NOW, zone=zone)


def read_text(order: str, **more: str) -> NewEvent:
    """Read an event whose order is this JSON text."""
    top = {"eventId": '"ev-1"', "customerType": '"lead"', "order": order} | more
    return read(decode("{" + ",".join(f'"{key}":{value}' for key, value in top.items()) + "}"))


def fault(document: Any) -> tuple[str, str]:
    with pytest.raises(EventFault) as caught:
        read(document)
    return caught.value.path, caught.value.message


def fault_in_text(order: str, **more: str) -> tuple[str, str]:
    with pytest.raises(EventFault) as caught:
        read_text(order, **more)
    return caught.value.path, caught.value.message


# What is taken


def test_the_published_example_is_taken_apart():
    event = read(
        {
            "eventId": "producer's own key",
            "customerType": "New Sale",
            "occurredAt": "2026-11-23T10:00:00-05:00",
            "testCard": False,
            "order": {
                "clientOrderId": "B94140F702",
                "orderId": 9,
                "campaignId": 1,
                "campaignName": "Lander",
                "customerId": 77,
                "firstName": "Jane",
                "emailAddress": "jane@example.com",
                "orderTotal": "49.95",
                "currencyCode": "USD",
                "items": [{"productId": 4, "name": "Widget", "sku": "W-1", "qty": 1, "price": "49.95"}],
                "customFields": {"favouriteColour": "blue"},
            },
        }
    )
    assert event.event_key == "producer's own key"
    assert (event.customer_type, event.completes, event.test_card) == ("new_sale", True, False)
    assert event.occurred_at == datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
    assert (event.order_key, event.order_id, event.customer_id) == ("B94140F702", "9", "77")
    assert (event.campaign_id, event.campaign_name) == ("1", "Lander")
    assert event.products == {"4": ("Widget", "W-1")}
    assert (event.order_total, event.currency_code, event.email) == ("49.95", "USD", "jane@example.com")


@pytest.mark.parametrize("word", ["New Sale", "new_sale", "NEW-SALE", " new sale "])
def test_the_type_may_be_label_or_slug_in_any_case(word: str):
    assert read(event_document(customer_type=word)).customer_type == "new_sale"


def test_without_a_client_order_id_the_order_id_is_the_key():
    assert read(event_document(clientOrderId=None, orderId=9)).order_key == "9"
    assert read(event_document(clientOrderId="  ", orderId="A9")).order_key == "A9"


@pytest.mark.parametrize("kind", ["Lead", "Customer Update"])
def test_a_lead_and_a_customer_update_may_lack_an_order(kind: str):
    assert read({"eventId": "a", "customerType": kind, "order": {}}).order_key is None


@pytest.mark.parametrize(
    ("given_text", "kept"),
    [
        ('"199.00"', '"199.00"'),
        ("199.00", "199.00"),
        ("0.10", "0.10"),
        ("1234567890123456789012345", "1234567890123456789012345"),
        ("-9223372036854775809", "-9223372036854775809"),
        ("0.1234567890123456789", "0.1234567890123456789"),
        ("1E+2", "1E+2"),
        ("1e100", "1E+100"),
    ],
)
def test_numbers_keep_every_digit(given_text: str, kept: str):
    assert read_text(f'{{"orderTotal":{given_text}}}').snapshot == f'{{"orderTotal":{kept}}}'


def test_an_id_in_exponent_form_is_its_plain_number():
    assert read_text('{"clientOrderId":1E+2}').order_key == "100"


def test_time_without_an_offset_is_in_the_accounts_zone():
    assert read(event_document(occurredAt="2026-11-23 10:00:00")).occurred_at == NOW
    assert read(event_document(occurredAt="2026-11-23T15:00:00Z")).occurred_at == NOW


@pytest.mark.parametrize("document", [event_document(), event_document(occurredAt=None)])
def test_time_defaults_to_acceptance(document: dict[str, Any]):
    assert read(document).occurred_at == NOW


def test_an_order_status_of_complete_completes_the_order_whatever_the_type():
    assert read(event_document(customer_type="Decline", orderStatus="complete")).completes
    assert not read(event_document(customer_type="Decline", orderStatus="DECLINED")).completes


def test_a_test_card_is_told_by_the_flag_or_by_the_card():
    assert read(event_document(testCard=True)).test_card
    assert read(event_document(cardBin="000000", cardLast4="0000")).test_card
    event = read(event_document(cardNumber="0000000000000000"))
    assert event.test_card
    assert "0000" not in event.snapshot


def test_a_backslash_before_u0000_is_no_nul():
    assert read_text(r'{"agentNote":"C:\\u0000"}').snapshot == r'{"agentNote":"C:\\u0000"}'


def test_items_without_a_product_id_name_no_product():
    assert read(event_document(items=[{"name": "Gift"}, "odd", {"productId": {}}])).products == {}
    assert read(event_document(items={"productId": 1})).products == {}


@pytest.mark.parametrize("order_key", ["a\x01\x1fb", "💣" * 200, "\u202eabc", "a'; DROP TABLE events; --"])
def test_odd_characters_in_ids_are_kept(order_key: str):
    event = read(event_document(clientOrderId=order_key, customerId=order_key, campaignId=order_key))
    assert event.campaign_id == event.customer_id == event.order_key == order_key


def test_what_is_too_long_for_an_address_or_a_phone_stands_in_the_snapshot_only():
    event = read(event_document(emailAddress="x" * 321, phoneNumber="1" * 101))
    assert (event.email, event.phone) == (None, None)
    assert "x" * 321 in event.snapshot


# What is refused


@pytest.mark.parametrize("document", [None, 5, "text", [], True])
def test_an_event_is_an_object(document: Any):
    assert fault(document) == ("", "an event is a JSON object")


def test_an_unknown_key_is_refused_by_name():
    path, message = fault({"id": 1} | event_document())
    assert path == "id"
    assert message == ("unknown key; the event's own keys are customerType, eventId, occurredAt, order, testCard")


@pytest.mark.parametrize(
    "key", [VISA, "4111 1111 1111 1111", f"card{VISA}", "".join(chr(0xFF10 + int(digit)) for digit in VISA)]
)
def test_an_unknown_key_that_may_be_a_card_number_is_not_repeated(key: str):
    path, message = fault({key: 1} | event_document())
    assert path == "(hidden)"
    assert not any(char.isdigit() for char in message)


def test_an_odd_key_is_shown_short_and_plain():
    assert fault({"ä\n" + "x" * 200: 1} | event_document())[0] == "??" + "x" * 78


@pytest.mark.parametrize("value", [None, "", 5, True, ["a"], {"a": 1}])
def test_the_event_id_must_be_text(value: Any):
    assert fault(event_document() | {"eventId": value}) == (
        "eventId",
        "is required: text that is unique for each event",
    )


def test_the_event_id_may_have_200_characters():
    assert read(event_document("x" * 200)).event_key == "x" * 200
    assert fault(event_document("x" * 201)) == ("eventId", "may have at most 200 characters")


def test_the_event_id_must_be_text_that_postgres_can_keep():
    assert fault(event_document("a\x00b")) == ("eventId", "holds a NUL character")
    assert fault(event_document("a\ud800b")) == ("eventId", "holds half of a surrogate pair, which is no character")


def test_an_event_id_that_is_a_card_number_is_card_data():
    with pytest.raises(CardData) as caught:
        read(event_document(f"order-{VISA}"))
    assert caught.value.path == "eventId"
    assert VISA not in caught.value.message


def test_an_unknown_customer_type_is_refused_with_what_was_meant():
    assert fault(event_document(customer_type="New Sales")) == (
        "customerType",
        '"New Sales" is not a customer type. Did you mean New Sale?',
    )
    assert fault(event_document(customer_type="")) == ("customerType", '"" is not a customer type.')
    assert fault(event_document() | {"customerType": 5}) == ("customerType", "is required, for example New Sale")


def test_a_customer_type_that_may_be_a_card_number_is_not_repeated():
    assert fault(event_document(customer_type=VISA)) == ("customerType", "is not a customer type")


@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "",
        "2026-13-01T00:00:00Z",
        "2026-11-23T25:00:00Z",
        1795427892,
        True,
        {},
        "0001-01-01T00:00:00+05:00",
    ],
)
def test_a_wrong_time_is_refused(value: Any):
    assert fault(event_document(occurredAt=value)) == (
        "occurredAt",
        "must be a time such as 2026-11-23T10:00:00-05:00",
    )


@pytest.mark.parametrize("value", [None, 0, "true", "no", []])
def test_test_card_must_be_a_boolean(value: Any):
    assert fault(event_document(testCard=value)) == ("testCard", "must be true or false")


@pytest.mark.parametrize("value", [None, [], "{}", 5])
def test_the_order_must_be_an_object(value: Any):
    document = event_document() | {"order": value}
    assert fault(document) == ("order", "is required: the order as a JSON object")
    del document["order"]
    assert fault(document) == ("order", "is required: the order as a JSON object")


@pytest.mark.parametrize("ids", [{}, {"clientOrderId": "", "orderId": None}, {"clientOrderId": {}, "orderId": True}])
def test_a_type_that_needs_an_order_needs_its_key(ids: dict[str, Any]):
    assert fault({"eventId": "a", "customerType": "Partial", "order": ids}) == (
        "order.clientOrderId",
        "is required for Partial: clientOrderId, or else orderId",
    )


@pytest.mark.parametrize("key", ["clientOrderId", "customerId", "campaignId"])
def test_an_id_may_have_200_characters(key: str):
    assert fault(event_document(**{key: "x" * 201})) == (f"order.{key}", "may have at most 200 characters")


def test_a_product_id_may_have_200_characters():
    assert fault(event_document(items=[{}, {"productId": "x" * 201}])) == (
        "order.items[1].productId",
        "may have at most 200 characters",
    )


def test_an_order_may_have_256_kib():
    room = 256 * 1024 - len('{"agentNote":""}')
    assert len(read_text(json.dumps({"agentNote": "x" * room})).snapshot) == 256 * 1024
    assert fault_in_text(json.dumps({"agentNote": "x" * (room + 1)})) == ("order", "is larger than 256 KiB")
    assert fault_in_text(json.dumps({"agentNote": "ä" * room})) == ("order", "is larger than 256 KiB")


def test_an_order_may_be_20_levels_deep():
    assert read_text('{"a":' + "[" * 19 + "]" * 19 + "}").snapshot
    assert fault_in_text('{"a":' + "[" * 20 + "]" * 20 + "}") == ("order", "is nested deeper than 20 levels")
    assert fault_in_text('{"a":' * 20 + "{}" + "}" * 20) == ("order", "is nested deeper than 20 levels")


@pytest.mark.parametrize("levels", [100, 500, 800])
def test_a_deep_order_with_a_fault_at_its_end_is_refused_like_any_deep_order(levels: int):
    assert fault_in_text('{"a":' + "[" * levels + "NaN" + "]" * levels + "}") == (
        "order",
        "is nested deeper than 20 levels",
    )


def test_a_wide_order_is_not_deep():
    assert len(read(event_document(items=[{"productId": number} for number in range(1000)])).products) == 1000


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_json_number_is_refused_at_its_place(word: str):
    assert fault_in_text(f'{{"items":[{{"qty":1}},{{"qty":{word}}}]}}') == ("order.items[1].qty", f"{word} is not JSON")
    assert fault_in_text("{}", testCard=word) == ("testCard", "must be true or false")
    assert fault_in_text(word) == ("order", f"{word} is not JSON")


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1e-400", "1e999999999999999999999", "0e101", "1" * 101])
def test_an_endless_number_is_refused_at_its_place(number: str):
    assert fault_in_text(f'{{"orderTotal":{number}}}') == ("order.orderTotal", "is a number of more than 100 digits")


def test_a_key_given_twice_is_refused_at_its_place():
    assert fault_in_text('{"customFields":{"a":1,"b":2,"a":3}}') == (
        "order.customFields",
        'the key "a" is given twice',
    )
    assert fault_in_text('{"a":1,"a":1}') == ("order", 'the key "a" is given twice')
    assert fault(decode('{"eventId":"a","eventId":"b"}')) == ("", 'the key "eventId" is given twice')


def test_a_key_given_twice_that_may_be_a_card_number_is_not_repeated():
    assert fault_in_text(f'{{"{VISA}":1,"{VISA}":2}}') == ("order", 'the key "(hidden)" is given twice')
    assert fault_in_text(f'{{"{VISA}":NaN}}')[0] == "order.(hidden)"


def test_a_nul_is_refused_in_values_and_in_keys():
    assert fault_in_text(r'{"items":[{"name":"a\u0000"}]}') == ("order.items[0].name", "holds a NUL character")
    assert fault_in_text(r'{"customFields":{"a\u0000":1}}') == ("order.customFields", "a key holds a NUL character")


def test_half_of_a_surrogate_pair_is_refused_in_values_and_in_keys():
    half = "holds half of a surrogate pair, which is no character"
    assert fault_in_text(r'{"items":[{"name":"a\ud83d"}]}') == ("order.items[0].name", half)
    assert fault_in_text(r'{"customFields":{"\udca9":1}}') == ("order.customFields", f"a key {half}")
    assert "💩" in read_text(r'{"agentNote":"\ud83d\udca9"}').snapshot


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"agentNote": VISA}, "order.agentNote"),
        ({"customFields": {"a": [VISA]}}, "order.customFields.a[0]"),
        ({"cvv": "123"}, "order.cvv"),
        ({VISA: 1}, "order"),
        ({"clientOrderId": VISA}, "order.clientOrderId"),
    ],
)
def test_card_data_is_refused_and_never_repeated(fields: dict[str, Any], path: str):
    with pytest.raises(CardData) as caught:
        read(event_document(**fields))
    assert caught.value.path == path
    assert "never accepted" in caught.value.message
    assert not any(char.isdigit() for char in caught.value.message)


# Whatever comes

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([VISA, "\x00", "\ud800", "New Sale", "2026-11-23", "0" * 16]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = ("eventId", "customerType", "occurredAt", "testCard", "order", "other")
ORDER_KEYS = ("clientOrderId", "orderId", "customerId", "campaignId", "emailAddress", "items", "orderStatus", "cardBin")


@given(json_values | st.dictionaries(st.sampled_from(KEYS), json_values))
def test_no_document_raises_anything_but_an_event_fault(document: Any):
    with suppress(EventFault):
        assert isinstance(json.loads(read(decode(json.dumps(document))).snapshot), dict)


@given(st.dictionaries(st.sampled_from(ORDER_KEYS), json_values | st.lists(st.dictionaries(st.text(), json_values))))
def test_no_order_raises_anything_but_an_event_fault(order: dict[str, Any]):
    document = {"eventId": "a", "customerType": "lead", "order": order}
    with suppress(EventFault):
        event = read(decode(json.dumps(document)))
        assert event.order_key is None or 0 < len(event.order_key) <= 200
