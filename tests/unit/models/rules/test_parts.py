"""Dealing orders to the parts of a file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.rules.parts import deal


@pytest.mark.parametrize(
    ("lines", "most", "ends"),
    [
        ([], 2, []),
        ([1, 1, 3], 2, [2, 3]),
        ([2, 2, 2], 3, [1, 2, 3]),
        ([1] * 6, 2, [2, 4, 6]),
        ([1, 1], 2, [2]),
        ([9, 1, 1], 2, [1, 3]),
    ],
)
def test_orders_stay_whole_and_fill_each_part_in_order(lines: list[int], most: int, ends: list[int]):
    assert deal(enumerate(lines, start=1), most) == ends


@given(st.lists(st.integers(1, 9)), st.integers(1, 12))
def test_no_part_is_too_long_but_that_of_one_order_alone(lines: list[int], most: int):
    ends = deal(enumerate(lines, start=1), most)
    assert ends == sorted(set(ends))
    assert (ends[-1:] or [0]) == [len(lines)]
    first = 0
    for end in ends:
        part = lines[first:end]
        assert sum(part) <= most or len(part) == 1
        first = end
