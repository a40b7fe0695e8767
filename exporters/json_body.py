"""A JSON body from flat columns: Export Names are paths, keys keep mapping order, arrays close up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from json.encoder import encode_basestring

from exporters.base import Column, Fault, Value, WhenEmpty
from exporters.json_path import BadPath, Path, parse_path
from exporters.values import is_empty, json_text


@dataclass(slots=True)
class _Leaf:
    index: int
    when_empty: WhenEmpty | None


@dataclass(slots=True)
class _Branch:
    """An object (keys are text) or an array (keys are indices)."""

    is_array: bool
    children: dict[str | int, _Leaf | _Branch] = field(default_factory=dict)


class JsonBody:
    """Writes the JSON bodies of one profile; the tree of paths is grown once. See `faults` before use."""

    def __init__(self, columns: Sequence[tuple[int, Column]]) -> None:
        """columns: with each its index in a parcel's values."""
        self._root = _Branch(is_array=False)
        self._faults: list[Fault] = []
        for index, column in columns:
            try:
                self._grow(parse_path(column.name), _Leaf(index, column.when_empty), column.name)
            except BadPath as error:
                self._faults.append(Fault(index, str(error)))
        self._steps = tuple(_steps(self._root))
        self._is_flat = all(isinstance(child, _Leaf) for child in self._root.children.values())

    def faults(self) -> Iterator[Fault]:
        """Yield names that are no path, stand twice, or want a place to be two things at once."""
        yield from self._faults

    def write(self, values: Sequence[Value]) -> str:
        """Return one compact JSON object. Raises Unsendable for an amount that is no number."""
        if not self._is_flat:
            return _branch(self._root, values) or "{}"
        parts = []
        for key, index, when_empty in self._steps:
            text = _leaf(values[index], when_empty)
            if text is not None:
                parts.append(key + text)
        return "{" + ",".join(parts) + "}"

    def _grow(self, path: Path, leaf: _Leaf, name: str) -> None:
        if isinstance(path[0], int):
            raise BadPath(f'"{name}" must begin with a name; write "\\[" for the character itself')
        branch = self._root
        for step, following in pairwise(path):
            is_array = isinstance(following, int)
            child = branch.children.setdefault(step, _Branch(is_array))
            if isinstance(child, _Leaf) or child.is_array is not is_array:
                raise BadPath(
                    f'"{name}" needs an {"array" if is_array else "object"} where another mapping has a value'
                )
            branch = child
        if path[-1] in branch.children:
            raise BadPath(f'"{name}" stands twice in the JSON body, or holds other mappings already')
        branch.children[path[-1]] = leaf


def _steps(root: _Branch) -> Iterator[tuple[str, int, WhenEmpty | None]]:
    for key, child in root.children.items():
        if isinstance(child, _Leaf):
            yield encode_basestring(str(key)) + ":", child.index, child.when_empty


def _leaf(value: Value, when_empty: WhenEmpty | None) -> str | None:
    if not is_empty(value):
        return json_text(value)
    if when_empty is WhenEmpty.NULL:
        return "null"
    return '""' if when_empty is WhenEmpty.EMPTY else None


def _branch(branch: _Branch, values: Sequence[Value]) -> str | None:
    """Return the text of an object or array; None when it would be empty."""
    parts = []
    # Keys of one branch are all text or all indices; an array stands in the order of its indices.
    for key in sorted(branch.children) if branch.is_array else branch.children:
        child = branch.children[key]
        text = _leaf(values[child.index], child.when_empty) if isinstance(child, _Leaf) else _branch(child, values)
        if text is not None:
            parts.append(text if branch.is_array else f"{encode_basestring(str(key))}:{text}")
    if not parts:
        return None
    return f"[{','.join(parts)}]" if branch.is_array else "{" + ",".join(parts) + "}"
