"""Documents as people write them: what is read, and what is not guessed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.documents import Unreadable, read_json, read_yaml, write_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0400", "0400"),
        ("400", 400),
        ("12:30", "12:30"),
        ("no", "no"),
        ("true", True),
        ("2026-01-01", "2026-01-01"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("1.5", 1.5),
        ("null", None),
        ("~", None),
        ("", None),
        ("<<", "<<"),
    ],
)
def test_yaml_guesses_nothing(text: str, value: Any) -> None:
    assert read_yaml(f"a: {text}".encode()) == {"a": value}


@pytest.mark.parametrize(
    "text",
    [
        b"a: &x [1]\nb: *x",
        b"a: 1\na: 2",
        b"!!python/object:os.system {}",
        b"!!binary aGk=",
        b"1: 2",
        b"\xff",
        b"[",
        b"[" * 3000,
        b"a: " + b"9" * 5000,
        b"\x00",
        b"--- 1\n--- 2",
    ],
)
def test_yaml_that_is_refused(text: bytes) -> None:
    with pytest.raises(Unreadable):
        read_yaml(text)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"\xff", b"NaN", b"[Infinity]", b'{"a":1,"a":2}', b"[" * 9000, b"9" * 9000, b"[" * 50 + b"]" * 50],
)
def test_json_that_is_refused(text: bytes) -> None:
    with pytest.raises(Unreadable):
        read_json(text)


def test_a_refusal_repeats_nothing_of_the_content() -> None:
    for read in (read_json, read_yaml):
        with pytest.raises(Unreadable) as refused:
            read(b'{"note": "4111111111111111", ')
        assert "4111" not in str(refused.value)


def test_a_decimal_is_written_with_its_digits() -> None:
    assert write_yaml({"equals": Decimal("1.10")}) == "equals: 1.10\n"


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS | st.sampled_from(["0400", "no", "1e3", "=", "12:30", "~", "-1"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)


@given(VALUES)
def test_what_is_written_is_read_as_the_same(value: Any) -> None:
    assert read_yaml(write_yaml(value).encode()) == value
