"""The card scan: what is refused, what is dropped, what passes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.rules.cards import Scan, is_card_number, scan, scan_text

VISA = "4111111111111111"


def look(order: dict[str, Any], *, ascii_dump: bool = False, **more: object) -> Scan:
    return scan(order, json.dumps(order, ensure_ascii=ascii_dump, separators=(",", ":")), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        VISA,
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111.1111.1111.1111",
        "card: 4111111111111111, thanks",
        "378282246310005",  # American Express
        "3782 822463 10005",
        "5555555555554444",  # Mastercard
        "2223003122003222",  # Mastercard, the new range
        "6011111111111117",  # Discover
        "30569309025904",  # Diners Club
        "3530111333300000",  # JCB
        "6200000000000005",  # UnionPay
        "\uff14111111111111111",  # a full-width 4
        "".join(chr(0xFF10 + int(digit)) for digit in VISA),
        "%B4111111111111111^DOE/JANE^3010101",
        ";4111111111111111=30101010000?",
    ],
)
@pytest.mark.parametrize("ascii_dump", [False, True])
def test_a_card_number_is_refused_wherever_it_stands(text: str, ascii_dump: bool) -> None:
    places: list[tuple[dict[str, Any], str]] = [
        ({"agentNote": text}, "agentNote"),
        ({"customFields": {"a": ["x", {"b": text}]}}, "customFields.a[1].b"),
        ({"customFields": {text: "x"}}, "customFields"),
        ({text: "x"}, ""),
    ]
    for order, path in places:
        fault = look(order, ascii_dump=ascii_dump).fault
        assert fault is not None
        assert fault.path == path
        assert text not in fault.message
        assert not any(digit in fault.message for digit in "0123456789")


def test_a_card_number_as_a_number_is_refused() -> None:
    fault = look({"items": [{"note": int(VISA)}]}).fault
    assert fault is not None
    assert fault.path == "items[0].note"


@pytest.mark.parametrize(
    "text",
    [
        "4222222222222",  # 13 digits: the ids of shops look like that
        "4111111111111112",  # wrong check digit
        "1234567890123456",  # no issuer
        "41111111111111110000",  # too long
        "B94140F702",
        "2026-11-23 09:58:12",
        "+16505551212",
        "0.30000000000000004",
    ],
)
def test_other_numbers_pass(text: str) -> None:
    order: dict[str, Any] = {"transactionId": text}
    found = look(order)
    assert found.fault is None
    assert found.order is order


def test_the_fraction_of_a_number_is_no_card() -> None:
    assert look({"price": 3.5555555555555554}).fault is None


@pytest.mark.parametrize(
    "key", ["cvv", "CVC", "cvv2", "cvc2", "securityCode", "card_security_code", "Card-Security-Code"]
)
@pytest.mark.parametrize("value", ["123", "1234", 123, "\uff11\uff12\uff13"])
def test_a_security_code_is_refused(key: str, value: object) -> None:
    fault = look({"payment": {key: value}}).fault
    assert fault is not None
    assert fault.path == f"payment.{key}"
    assert "security code" in fault.message


def test_a_pin_and_track_data_are_refused_by_their_keys() -> None:
    assert look({"pin": "1234"}).fault
    assert look({"cardPin": 1234}).fault
    assert look({"track1": "x"}).fault
    assert look({"Track2": "x"}).fault


@pytest.mark.parametrize(
    "order", [{"cvvResponse": "M"}, {"cvvResponse": "123"}, {"cid": "1234"}, {"pin": "12345"}, {"cvv": ""}]
)
def test_result_codes_and_click_ids_pass(order: dict[str, object]) -> None:
    assert look(order).fault is None


def test_month_year_and_3d_secure_values_are_dropped() -> None:
    order: dict[str, Any] = {
        "firstName": "Jane",
        "cardMonth": "09",
        "a": {"cardYear": 2031, "eci": "5", "xid": "x", "cavv": "y", "b": 1},
    }
    found = look(order)
    assert found.fault is None
    assert found.order == {"firstName": "Jane", "a": {"b": 1}}
    assert "cardMonth" in order


def test_the_test_card_marks_the_order_and_is_dropped() -> None:
    found = look({"cardNumber": "0000 0000 0000 0000", "firstName": "Jane"})
    assert found == Scan({"firstName": "Jane"}, test_card=True, fault=None)
    assert look({"cardNumber": "0" * 16}).test_card


def test_the_test_cards_ends_mark_the_order() -> None:
    assert look({"cardBin": "000000", "cardLast4": "0000"}).test_card
    assert not look({"cardBin": "424242", "cardLast4": "0000"}).test_card


def test_a_path_can_be_exempted() -> None:
    assert look({"trackingNumber": VISA}, exempt={"trackingNumber"}).fault is None
    assert look({"trackingNumber": VISA}, exempt={"agentNote"}).fault
    assert look({"a": {"trackingNumber": VISA}}, exempt={"trackingNumber"}).fault


def test_a_path_through_a_list_is_exempted_for_every_item():
    order: dict[str, Any] = {"items": [{"serial": "1"}, {"serial": VISA}]}
    assert look(order, exempt={"items[].serial"}).fault is None
    assert look(order, exempt={"items.serial"}).fault
    assert look({"items": [{"serial": "1", "name": VISA}]}, exempt={"items[].serial"}).fault


@pytest.mark.parametrize(
    "order",
    [
        {"cvv": "123"},
        {"pin": "1234"},
        {"track1": "x"},
        {"note": "%B4111111111111111^DOE/JANE^3010101"},
        {"note": {VISA: "x"}},
    ],
)
def test_only_a_number_is_exempted(order: dict[str, Any]):
    assert look(order, exempt={"cvv", "pin", "track1", "note", ""}).fault


def test_static_texts_are_searched_too() -> None:
    assert scan_text("pay 4111 1111 1111 1111") is not None
    assert scan_text("400") is None


@given(st.integers(10**13, 10**19 - 1))
def test_what_is_a_card_number_never_slips_past_the_first_look(number: int) -> None:
    is_refused = look({"a": [str(number)]}).fault is not None
    assert is_refused == is_card_number(str(number))


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=10), TREES, max_size=4))
def test_no_order_makes_the_scan_raise(order: dict[str, object]) -> None:
    look(order, ascii_dump=True)
