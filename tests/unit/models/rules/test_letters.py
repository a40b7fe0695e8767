"""The nearest letter of a character."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.rules.letters import nearest


@pytest.mark.parametrize(
    ("character", "letters"),
    [("Ł", "L"), ("é", "e"), ("ß", "ss"), ("ﬁ", "fi"), ("ệ", "e"), ("\N{FULLWIDTH DIGIT FIVE}", "5"), ("Ǽ", "AE")],
)
def test_a_letter_becomes_its_nearest(character: str, letters: str) -> None:
    assert nearest(character) == letters


@pytest.mark.parametrize(
    "character", ["☃", "漢", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH COMMA}", "\u0301", " ", "⁺"]
)
def test_what_is_no_letter_has_none(character: str) -> None:
    assert nearest(character) == ""


@given(st.characters())
def test_nothing_but_letters_and_digits_comes_out(character: str) -> None:
    assert nearest(character) == "" or (nearest(character).isascii() and nearest(character).isalnum())
