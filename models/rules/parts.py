"""Files of a bounded number of rows: which orders go into which part. Orders stay whole. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def deal(lines: Iterable[tuple[int, int]], most: int) -> list[int]:
    """Deal orders, given as (id, number of lines) in order, to parts of at most `most` lines.

    Returns the id of each part's last order; none for no orders. An order with more lines than that has a part alone.
    """
    ends: list[int] = []
    room = 0
    for id_, count in lines:
        if ends and count <= room:
            ends[-1] = id_
            room -= count
        else:
            ends.append(id_)
            room = most - count
    return ends
