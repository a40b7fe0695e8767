"""The mapping grammar: what is read, and the place of every fault."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.rules.catalogue import find
from models.rules.mapping import FieldMapping, Static, ValueType, WhenEmpty, is_secret_name, read, sensitive_fields
from models.rules.modifiers import BadModifier, Cut, Date, Default, Number, Plain, Table, parse


def faults(*rows: object, keeps_secrets: bool = True) -> list[tuple[str, str]]:
    return [(fault.path, fault.message) for fault in read(rows, keeps_secrets=keeps_secrets).faults]


def places(*rows: object, keeps_secrets: bool = True) -> list[str]:
    return [path for path, _ in faults(*rows, keeps_secrets=keeps_secrets)]


def one(**row: object) -> FieldMapping:
    reading = read([{"exportName": "n", **row}], keeps_secrets=True)
    assert reading.faults == ()
    return reading.mappings[0]


def test_a_field_a_static_value_and_a_template_are_read() -> None:
    assert one(field="firstName").source == find("firstName")
    assert one(static="400").source == Static("400")
    assert [field.name for field in one(template="{firstName} {lastName}").fields] == ["firstName", "lastName"]


def test_the_usual_way_with_an_empty_value_may_be_named() -> None:
    assert one(field="city", whenEmpty="default") == one(field="city")
    assert places({"exportName": "a", "field": "city", "whenEmpty": "usual"}) == ["mappings[0].whenEmpty"]


def test_all_faults_are_told_each_with_its_place() -> None:
    assert places(
        {"exportName": " ", "field": "firstname"},
        {"exportName": "ok", "field": "firstName"},
        {
            "exportName": "a",
            "template": "{x}",
            "modifiers": ["trim", "shout", "cut:x"],
            "type": "float",
            "whenEmpty": 1,
        },
        {"exportName": "b"},
        {"exportName": "c", "field": "firstName", "static": "x"},
        "row",
        {"exportName": "d", "static": "x", "colour": 1},
    ) == [
        "mappings[0].exportName",
        "mappings[0].field",
        "mappings[2].template",
        "mappings[2].modifiers[1]",
        "mappings[2].modifiers[2]",
        "mappings[2].type",
        "mappings[2].whenEmpty",
        "mappings[3]",
        "mappings[4].static",
        "mappings[5]",
        "mappings[6].colour",
    ]


@pytest.mark.parametrize("rows", [None, {}, "x", 1])
def test_mappings_are_a_list(rows: object) -> None:
    assert [fault.path for fault in read(rows, keeps_secrets=True).faults] == ["mappings"]


def test_export_names_are_trimmed_and_those_taken_for_one_another_are_warned_of() -> None:
    names = [" a ", "a", "A", "first_name", "First-Name", "_", "-", "b"]
    reading = read([{"exportName": name, "static": "x"} for name in names], keeps_secrets=True)
    assert [mapping.export_name for mapping in reading.mappings] == [name.strip() for name in names]
    assert {warning.path: warning.message for warning in reading.warnings} == {
        "mappings[1].exportName": '"a" stands here twice: both are sent, in this order.',
        "mappings[2].exportName": '"A" differs from "a" only in case.',
        "mappings[4].exportName": '"First-Name" is nearly the same as "first_name".',
    }
    assert reading.faults == ()


@pytest.mark.parametrize("bad", ["a\x00", "a\nb", "a\x1b", "a\ud800", "a\x85", "x" * 256])
def test_export_names_without_controls_and_halves_of_characters(bad: str) -> None:
    assert places({"exportName": bad + "z", "static": "x"}) == ["mappings[0].exportName"]


@pytest.mark.parametrize("bad", ["a\x00", "a\x1b", "\udfff"])
def test_no_text_holds_controls_or_halves_of_characters(bad: str) -> None:
    assert places({"exportName": "n", "static": bad}) == ["mappings[0].static"]
    assert places({"exportName": "n", "template": bad}) == ["mappings[0].template"]
    assert places({"exportName": "n", "field": bad}) == ["mappings[0].field"]
    assert places({"exportName": "n", "field": "firstName", "modifiers": [bad]}) == ["mappings[0].modifiers[0]"]


def test_a_static_value_may_be_empty_and_is_sent_unchanged() -> None:
    assert one(static="").source == Static("")
    assert one(static=" a\tb ").source == Static(" a\tb ")
    assert one(static=400).source == Static("400")
    assert places({"exportName": "n", "static": 1.5}) == ["mappings[0].static"]
    assert places({"exportName": "n", "static": "x", "modifiers": ["trim"]}) == ["mappings[0].modifiers"]


@pytest.mark.parametrize(
    "text",
    [
        "{x.__class__}",
        "{0}",
        "{}",
        "{firstName",
        "firstName}",
        "{{{x}}}",
        "{first{Name}}",
        "{firstName!r}",
        "",
        "x" * 4001,
    ],
)
def test_a_template_knows_fields_and_nothing_else(text: str) -> None:
    assert places({"exportName": "n", "template": text}) == ["mappings[0].template"]


def test_double_braces_are_braces() -> None:
    source = one(template="{{7*7}} {{{firstName}}}").source
    assert not isinstance(source, Static)
    assert getattr(source, "parts", None) == ("{7*7} {", find("firstName"), "}")


def test_a_template_has_at_most_forty_fields() -> None:
    assert places({"exportName": "n", "template": "{city}" * 41}) == ["mappings[0].template"]


def test_types_and_when_empty_are_read() -> None:
    mapping = one(field="orderId", type="text", whenEmpty="null")
    assert (mapping.type, mapping.when_empty) == (ValueType.TEXT, WhenEmpty.NULL)


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "PASS",
        "pwd",
        "token",
        "secret",
        "api_key",
        "ApiKey",
        "api-key",
        "header:Authorization",
        "auth.token",
    ],
)
def test_some_names_are_secret_by_themselves(name: str) -> None:
    assert is_secret_name(name)
    reading = read([{"exportName": name, "static": "x"}], keeps_secrets=True)
    assert reading.mappings[0].secret
    assert "x" not in repr(reading.mappings[0].source)
    assert not read([{"exportName": name, "static": "x", "secret": False}], keeps_secrets=True).mappings[0].secret
    assert not read([{"exportName": name, "static": "x"}], keeps_secrets=False).mappings[0].secret
    assert not read([{"exportName": name, "field": "custom:x"}], keeps_secrets=True).mappings[0].secret


@pytest.mark.parametrize("name", ["first_name", "passport", "tokens", "header:Content-Type"])
def test_other_names_are_not(name: str) -> None:
    assert not is_secret_name(name)


def test_a_secret_without_a_text_keeps_the_stored_one() -> None:
    mapping = one(secret=True)
    assert mapping.source == Static(None)
    assert mapping.document() == {"exportName": "n", "secret": True}


def test_only_a_static_value_of_a_postback_is_secret() -> None:
    assert places({"exportName": "n", "field": "city", "secret": True}) == ["mappings[0].secret"]
    assert places({"exportName": "n", "static": "x", "secret": True}, keeps_secrets=False) == ["mappings[0].secret"]
    assert places({"exportName": "n", "static": "x", "secret": "yes"}) == ["mappings[0].secret"]


@pytest.mark.parametrize(
    "row",
    [
        {"exportName": "n", "field": "firstName"},
        {"exportName": "n", "static": "4", "type": "number"},
        {"exportName": "token", "static": "4", "secret": False},
        {"exportName": "n", "template": "{city}", "modifiers": ["trim", "cut:2"], "whenEmpty": "omit"},
    ],
)
def test_a_row_comes_out_as_it_went_in(row: dict[str, object]) -> None:
    reading = read([row], keeps_secrets=True)
    assert reading.mappings[0].document() == row


def test_sensitive_fields_are_named_by_row_also_in_templates_and_hashed() -> None:
    rows = [
        {"exportName": "a", "field": "city"},
        {"exportName": "b", "field": "cardLast4", "modifiers": ["sha256"]},
        {"exportName": "c", "template": "x {cardBin}"},
        {"exportName": "d", "field": "custom:cardLast4"},
    ]
    found = sensitive_fields(read(rows, keeps_secrets=True).mappings)
    assert [fault.path for fault in found] == ["mappings[1].field", "mappings[2].template", "mappings[3].field"]


def test_modifiers_are_read() -> None:
    assert parse("e164") is Plain.E164
    assert parse("number:2") == Number(2)
    assert parse("cut:3") == Cut(3)
    assert parse("default: n/a:x") == Default(" n/a:x")
    assert parse("map:USD=US,EUR=") == Table((("USD", "US"), ("EUR", "")), None)
    assert parse(r"map:a\,b=c\=d,*=rest,\*=star") == Table((("a,b", "c=d"), ("*", "star")), "rest")


def test_date_formats_tell_months_from_minutes_and_zones_from_formats() -> None:
    assert parse("date:DD.MM.YYYY HH:MM:Europe/Berlin") == Date(
        'DD"."MM"."YYYY" "HH24":"MI', "Europe/Berlin", is_pattern=True
    )
    assert parse("date:HH:MM:SS") == Date('HH24":"MI":"SS', None, is_pattern=True)
    assert parse("date:HHMM") == Date("HH24MI", None, is_pattern=True)
    assert parse("date:YYMMDD:UTC") == Date("YYMMDD", "UTC", is_pattern=True)
    assert parse("date:iso") == Date("iso", None, is_pattern=False)
    assert parse("date:unixms:Asia/Tokyo") == Date("unixms", "Asia/Tokyo", is_pattern=False)
    assert parse('date:YYYY"\\') == Date('YYYY"\\"\\\\"', None, is_pattern=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Trim",
        "trim:1",
        "cut",
        "cut:0",
        "cut:-1",
        "cut:\u0663",
        "cut:99999999999",
        "number:11",
        "number:x",
        "default:",
        "map:",
        "map:a",
        "map:a=b=c",
        "map:=b",
        "map:a=b,a=c",
        "map:*=a,*=b",
        "date:",
        "date:iso8601x",
        "date:yyyy",
        "date:YYYY:Europe/Berlim",
        "trimm",
        "x" * 5000,
    ],
)
def test_what_no_modifier_is_is_refused(text: str) -> None:
    with pytest.raises(BadModifier):
        parse(text)


def test_a_near_miss_names_the_modifier() -> None:
    with pytest.raises(BadModifier, match="sha256"):
        parse("sha25")


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["field", "city", "trim"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["exportName", "field", "static", "template", "modifiers", "type", "whenEmpty", "secret", "x"]
            ),
            inner,
        )
    ),
    max_leaves=20,
)


@given(st.lists(ANYTHING, max_size=4))
def test_no_document_makes_the_reader_raise(rows: list[object]) -> None:
    reading = read(rows, keeps_secrets=True)
    assert all(fault.path.startswith("mappings") for fault in reading.faults)


@given(st.text(max_size=30))
def test_no_modifier_text_raises_anything_else(text: str) -> None:
    for name in ("", "date:", "map:", "cut:", "number:", "default:"):
        with suppress(BadModifier):
            parse(name + text)
