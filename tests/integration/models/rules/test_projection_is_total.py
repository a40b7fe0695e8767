"""No order whatever, and no chain of modifiers, makes Postgres raise: a bad value is its own row's fault."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql import JSONB

from models.rules.catalogue import all_fields

NAMES = [field.name for field in all_fields(slots=2)] + ["custom:a", "custom:'\"%\\", "product50_price"]
MODIFIERS = [
    "trim",
    "lower",
    "upper",
    "digits",
    "e164",
    "sha256",
    "md5",
    "date:YYYY-MM-DD HH:MM:SS:Europe/Berlin",
    "date:iso:Asia/Kathmandu",
    "date:unix",
    "date:unixms:America/New_York",
    'date:DD"%\\x',
    "number:0",
    "number:10",
    "map:a=b,1=,*=x",
    "map:true=1",
    "default:0",
    "cut:1",
    "cut:19",
]
NASTY = [
    "", " ", "\u00a0", "0", "-0", "1e999999", "1e-99999", "NaN", "Infinity", "-inf", "9" * 200, "0x1F", "1_000", ".", "+", "+.e1",
    "9999-12-31 23:59:59", "0001-01-01 00:00:00", "0000-00-00", "0000-01-01 00:00:00", "2026-02-30", "2026-11-23 24:00:00",
    "2026-11-23 23:59:60", "2026-11-23 10:00:00+99:99", "2026-11-23T10:00:00.123456789-15:59", "2026-11-23 10:00 BC", "now",
    "epoch", "infinity", "2026-11-23 99:99:99", "9999-12-31T23:59:59-15:59", "{", "[", "null", "true", "+00", "00", "0" * 40,
    "\\", "%", "'", '"', "\u0001", "\ufeff", "\U0010ffff", "정" * 50, "ONE_TIME", "US", "DE", "\ud7ff",
]  # fmt: skip
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(NASTY)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
    | st.from_regex(
        r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}[ T]?([0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?([+-][0-9]{2}:?[0-9]{2}|Z)?)?\Z"
    )
    | st.from_regex(r"\A[+-]?[0-9]{0,45}\.?[0-9]{0,45}([eE][+-]?[0-9]{1,3})?\Z")
)
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "Mars/Base", "+05:30", "EST", "PM", "BC", "", "now", "a/b+c", "A/" + "x" * 99]
)
DATES = st.fixed_dictionaries({}, optional={"date": SCALARS, "timezone": ZONES | SCALARS, "timezone_type": SCALARS})
KEYS = st.sampled_from([field.name for field in all_fields(slots=1)]) | st.sampled_from(
    ["name", "price", "nextBillDate", "productId", "billingCycleNumber", "a", "'\"%\\", "customFields"]
)
VALUES = st.recursive(
    SCALARS | DATES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)
ORDERS = VALUES | st.dictionaries(KEYS, VALUES, max_size=12)
ROWS = st.lists(
    st.fixed_dictionaries(
        {"field": st.sampled_from(NAMES), "modifiers": st.lists(st.sampled_from(MODIFIERS), max_size=4)},
        optional={"type": st.sampled_from(["text", "number", "integer", "boolean", "json"])},
    ),
    min_size=1,
    max_size=8,
)
CALM = settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))


@CALM
@given(order=ORDERS, rows=ROWS, zone=st.sampled_from(["UTC", "Asia/Tokyo"]))
def test_no_order_and_no_chain_makes_the_projection_raise(render: Any, order: Any, rows: Any, zone: str) -> None:
    order = json.dumps(order)
    texts = render.texts(order, *rows, time_zone=zone)
    assert "" not in texts
    assert len(render.values(order, *rows, time_zone=zone)) == len(rows)


@pytest.fixture(scope="module")
def everything(render: Any) -> sa.Select[Any]:
    """Every field alone and with every modifier, over one order given as a parameter."""
    snapshot = sa.select(sa.cast(sa.bindparam("order", type_=sa.Text()), JSONB).label("o")).offset(0).subquery()
    plain = [{"field": name} for name in NAMES]
    chained = [
        {"field": name, "modifiers": [modifier]} for name, modifier in zip(NAMES * 2, MODIFIERS * 20, strict=False)
    ]
    return sa.select(*render.compile(plain + chained, snapshot.c.o, time_zone="Asia/Tokyo").columns)


def test_every_nasty_value_in_every_field_is_survived(render: Any, everything: sa.Select[Any]) -> None:
    for value in [
        *NASTY,
        True,
        0,
        10**40,
        Decimal("0.1"),
        [],
        {},
        [[]],
        {"date": None},
        {"date": "x", "timezone": "BC"},
    ]:
        shown = float(value) if isinstance(value, Decimal) else value
        order = dict.fromkeys(NAMES, shown) | {"items": [{"price": shown, "name": shown, "nextBillDate": shown}]}
        row = render.connection.execute(everything, {"order": json.dumps(order, ensure_ascii=False)}).one()
        assert "" not in list(row)


@pytest.mark.parametrize("order", ["null", "1", '"x"', "[]", "{}", "[1, [2]]", "true"])
def test_what_is_no_order_at_all_gives_empty_values(render: Any, order: str) -> None:
    names = ["firstName", "items", "customFields", "product1_name", "custom:a", "dateCreated", "shipCity"]
    assert render.texts(order, *({"field": name} for name in names)) == [None] * len(names)


@CALM
@given(
    text=st.sampled_from(NASTY)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
)
def test_trim_lower_and_digits_do_as_python_does(render: Any, text: str) -> None:
    order = {"agentNote": text}
    assert render.text(order, "agentNote", "trim") == (text.strip() or None)
    assert render.text(order, "agentNote", "digits") == ("".join(sign for sign in text if sign in "0123456789") or None)
    assert render.text(order, "agentNote", "cut:3") == (text[:3] or None)
