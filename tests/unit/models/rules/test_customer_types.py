"""Customer types: how they are read, and which routes take them."""

import pytest

from models.rules.customer_types import CustomerType, UnknownCustomerType, parse, route_types


@pytest.mark.parametrize("kind", CustomerType)
def test_label_and_slug_are_read_in_any_case(kind: CustomerType) -> None:
    for text in (kind.label, kind.value, kind.label.upper(), kind.value.replace("_", "-"), f" {kind.value} "):
        assert parse(text) is kind


def test_there_are_twenty_types_and_five_extra_ones() -> None:
    assert len(CustomerType) == 25
    assert str(CustomerType.PRE_BILLING) == "pre_billing"
    assert CustomerType.PRE_BILLING.label == "Pre-Billing"


def test_an_unknown_type_names_its_neighbours() -> None:
    with pytest.raises(UnknownCustomerType, match="New Sale") as caught:
        parse("New Sail")
    assert caught.value.near == ("New Sale",)


def test_a_route_takes_its_own_type_only_but_all_refunds_takes_all_three() -> None:
    assert route_types(CustomerType.NEW_SALE) == (CustomerType.NEW_SALE,)
    assert route_types(CustomerType.PARTIAL_REFUNDS) == (CustomerType.PARTIAL_REFUNDS, CustomerType.ALL_REFUNDS)
    assert route_types(CustomerType.FULL_REFUNDS) == (CustomerType.FULL_REFUNDS, CustomerType.ALL_REFUNDS)
    assert route_types(CustomerType.ALL_REFUNDS) == (CustomerType.ALL_REFUNDS,)


def test_a_decline_does_not_complete_an_order() -> None:
    assert {kind.value for kind in CustomerType if kind.completes_order} == {
        "new_sale",
        "upsell",
        "subscription_started",
        "capture",
        "qa_pending",
        "cod_pending",
    }


def test_only_leads_and_customer_updates_come_without_an_order() -> None:
    assert {kind.value for kind in CustomerType if not kind.needs_order} == {"lead", "customer_update"}
