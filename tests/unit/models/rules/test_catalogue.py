"""The field catalogue: exact names, slots, custom fields, near misses."""

import pytest

from models.rules.catalogue import FIELDS, FieldType, Place, UnknownField, all_fields, find


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("clientOrderId", "text"),
        ("orderId", "integer"),
        ("orderTotal", "decimal"),
        ("billShipSame", "boolean"),
        ("nextBillDate", "date"),
        ("dateCreated", "datetime"),
        ("items", "json"),
        ("product1_name", "text"),
        ("product50_qty", "integer"),
        ("product3_nextBillDate", "date"),
        ("custom:favourite colour", "text"),
        ("custom5", "text"),
        ("sourceValue5", "text"),
        ("shipPostalCode", "text"),
        ("deliveryId", "integer"),
    ],
)
def test_every_kind_of_name_is_found(name: str, kind: str) -> None:
    field = find(name)
    assert field.name == name
    assert field.type is FieldType(kind)


@pytest.mark.parametrize(
    "name", ["", "firstname", "product0_name", "product51_name", "product01_name", "custom:", "custom6", "x"]
)
def test_names_are_exact(name: str) -> None:
    with pytest.raises(UnknownField):
        find(name)


def test_a_near_miss_names_the_field() -> None:
    with pytest.raises(UnknownField, match="Did you mean firstName"):
        find("first_name")


@pytest.mark.parametrize("name", ["cardNumber", "cvv", "cardMonth", "cardYear", "eci", "xid", "cavv", "pin"])
def test_what_is_never_stored_is_never_offered(name: str) -> None:
    with pytest.raises(UnknownField):
        find(name)


def test_card_and_bank_fields_are_sensitive() -> None:
    assert {field.name for field in all_fields() if field.sensitive} == {
        "cardLast4",
        "cardBin",
        "cardExpiryDate",
        "achAccountNumber",
        "achRoutingNumber",
        "achAccountType",
    }


def test_a_sensitive_name_stays_sensitive_as_a_custom_field() -> None:
    assert find("custom:cardlast4").sensitive
    assert not find("custom:colour").sensitive


def test_every_field_says_what_it_is() -> None:
    for field in all_fields(slots=2):
        assert field.meaning
        assert field.sample
        assert field.group
        assert find(field.name) == field


def test_slots_count_from_one() -> None:
    field = find("product12_price")
    assert (field.slot, field.key, field.place) == (12, "price", Place.ITEM)
    assert len(FIELDS) == 135
