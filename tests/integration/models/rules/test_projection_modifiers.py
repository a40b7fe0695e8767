"""What each modifier does, left to right, on the text of a value."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from models.rules.manual import EXAMPLES, Example

TIME = "2026-11-23 09:58:12"


@pytest.mark.parametrize(
    ("text", "modifiers", "result"),
    [
        (" Mary ", ["trim"], "Mary"),
        ("\u00a0\u2003Mary\t\n", ["trim"], "Mary"),
        (" \u00a0 ", ["trim", "sha256"], None),
        ("ÉLODIE", ["lower"], "élodie"),
        ("élodie straße", ["upper"], "ÉLODIE STRAßE"),
        ("ΣΊΣΥΦΟΣ", ["lower"], "σίσυφοσ"),
        ("(650) 555-1212", ["digits"], "6505551212"),
        ("a\u0663b", ["digits"], None),
        ("49.995", ["number:2"], "50.00"),
        ("-49.995", ["number:2"], "-50.00"),
        ("2.5", ["number:0"], "3"),
        ("1e2", ["number:1"], "100.0"),
        ("1e400", ["number:1"], "1e400"),
        ("NaN", ["number:1"], "NaN"),
        ("1,234.5", ["number:2"], "1,234.5"),
        ("x", ["number:2"], "x"),
        ("USD", ["map:USD=US"], "US"),
        ("EUR", ["map:USD=US"], "EUR"),
        ("usd", ["map:USD=US,*=other"], "other"),
        ("a,b", [r"map:a\,b=c\=d"], "c=d"),
        ("x", ["map:x="], None),
        ("", ["map:*=x"], None),
        ("", ["default:X"], "X"),
        ("a", ["default:X"], "a"),
        ("", ["sha256"], None),
        ("", ["default:x", "upper"], "X"),
        ("Zoë!", ["cut:3"], "Zoë"),
        ("정정", ["cut:1"], "정"),
        ("Mary", ["md5"], "e39e74fb4e80ba656f773669ed50315a"),
        (TIME, ["date:DD.MM.YYYY HH:MM:Europe/Berlin"], "23.11.2026 10:58"),
        (TIME, ["date:iso"], "2026-11-23T09:58:12+00:00"),
        (TIME, ["date:iso:America/St_Johns"], "2026-11-23T06:28:12-03:30"),
        (TIME, ["date:unix"], "1795427892"),
        (TIME, ["date:unixms"], "1795427892000"),
        (TIME, ["date:YYMMDDHHMMSS"], "261123095812"),
        (TIME, ["date:HH:MM"], "09:58"),
        ("2026-11-23", ["date:DD.MM.YYYY:America/New_York"], "23.11.2026"),
        ("0000-00-00", ["date:iso"], None),
        ("soon", ["date:iso"], "soon"),
        ("2026-13-01 10:00:00", ["date:iso"], "2026-13-01 10:00:00"),
        ("now", ["date:unix"], "now"),
    ],
)
def test_the_table_of_modifiers(render: Any, text: str, modifiers: list[str], result: str | None) -> None:
    assert render.text({"agentNote": text}, "agentNote", *modifiers) == result


@pytest.mark.parametrize(
    ("text", "country", "modifiers", "result"),
    [
        (
            "John_Smith@gmail.com",
            "",
            ["trim", "lower", "sha256"],
            "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f",
        ),
        (
            "(650)555-1212",
            "US",
            ["e164", "digits", "sha256"],
            "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176",
        ),
        ("Mary", "", ["lower", "sha256"], "6915771be1c5aa0c886870b6951b03d7eafc121fea0e80a5ea83beb7c449f4ec"),
        ("Valéry", "", ["lower", "sha256"], "08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c"),
        ("정", "", ["lower", "sha256"], "8fa8cd9c440be61d0151429310034083132b35975c4bea67fdd74158eb51db14"),
    ],
)
def test_metas_five_vectors(render: Any, text: str, country: str, modifiers: list[str], result: str) -> None:
    assert render.text({"agentNote": text, "country": country}, "agentNote", *modifiers) == result


@pytest.mark.parametrize(
    ("phone", "country", "result"),
    [
        ("(650) 555-1212", "US", "+16505551212"),
        ("(650) 555-1212", "", "+16505551212"),
        ("(650) 555-1212", " ca ", "+16505551212"),
        ("1 650 555 1212", "US", "+16505551212"),
        ("555-1212", "US", "555-1212"),
        ("2 650 555 1212", "US", "2 650 555 1212"),
        ("5531987424967", "BR", "+5531987424967"),
        ("(031) 98742-4967", "BR", "+5531987424967"),
        ("030 1234567", "DE", "+49301234567"),
        ("+49 30 1234567", "US", "+49301234567"),
        ("0049 30 1234567", "DE", "+49301234567"),
        ("06 1234 5678", "IT", "+390612345678"),
        ("8 (495) 123-45-67", "RU", "+74951234567"),
        ("030 1234567", "XX", "030 1234567"),
        ("+1", "US", "+1"),
        ("+1234567890123456", "US", "+1234567890123456"),
        ("call me", "DE", "call me"),
        ("", "DE", None),
    ],
)
def test_phone_numbers(render: Any, phone: str, country: str, result: str | None) -> None:
    assert render.text({"phoneNumber": phone, "country": country}, "phoneNumber", "e164") == result


def test_after_modifiers_the_type_is_text_except_after_number_and_default(render: Any) -> None:
    rows = [
        {"field": "orderId", "modifiers": ["trim"]},
        {"field": "firstName", "modifiers": ["number:2"]},
        {"field": "customerId", "modifiers": ["default:5"]},
        {"field": "dateCreated", "modifiers": ["date:unix"], "type": "integer"},
        {"field": "hasUpsell", "modifiers": ["map:1=yes,0=no"]},
    ]
    order = {"orderId": 9, "firstName": "3.005", "dateCreated": TIME, "hasUpsell": True}
    assert render.values(order, *rows) == ["9", Decimal("3.01"), 5, 1795427892, "yes"]


def test_a_date_modifier_sees_the_exact_time_not_our_text_of_it(render: Any) -> None:
    """In the hour that comes twice, our own text in the profile's zone would not say which one is meant."""
    zones = {"time_zone": "Europe/Berlin", "account_time_zone": "America/New_York"}
    for given, unix in (("2026-10-25T00:30:00.250Z", "1792888200250"), ("2026-10-25T01:30:00.250Z", "1792891800250")):
        assert render.text({"dateShipped": given}, "dateShipped", "date:unixms", **zones) == unix
    assert render.text({"orderDate": TIME}, "dateCreated", "date:iso", **zones) == "2026-11-23T15:58:12+01:00"
    assert render.text({}, "eventTime", "date:iso", **zones) == "2026-11-23T16:00:00+01:00"


def test_a_second_date_modifier_reads_our_text_in_the_profiles_zone(render: Any) -> None:
    zones = {"time_zone": "Europe/Berlin", "account_time_zone": "America/New_York"}
    rows = {"field": "dateShipped", "modifiers": ["default:2026-01-01 00:00:00", "date:iso:UTC"]}
    assert render.texts({"dateShipped": "2026-11-23T09:58:12Z"}, rows, **zones) == ["2026-11-23T09:58:12+00:00"]
    assert render.texts({}, rows, **zones) == ["2025-12-31T23:00:00+00:00"]


def test_a_day_field_is_formatted_without_a_shift(render: Any) -> None:
    zones = {"time_zone": "Asia/Tokyo", "account_time_zone": "America/New_York"}
    for modifier, result in (("date:DD.MM.YYYY:America/Lima", "23.12.2026"), ("date:iso", "2026-12-23T00:00:00+09:00")):
        assert render.text({"nextBillDate": "2026-12-23"}, "nextBillDate", modifier, **zones) == result


def test_a_long_chain_is_no_long_statement(render: Any) -> None:
    chain = ["number:3", "map:a=b", "e164", "date:iso"] * 5
    assert render.text({"agentNote": "1.0005"}, "agentNote", *chain) == "1.001"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example.modifier} {example.value}")
def test_every_example_of_the_manual_is_true(render: Any, example: Example) -> None:
    order = {"agentNote": example.value, "country": example.country}
    assert render.text(order, "agentNote", example.modifier) == example.result
