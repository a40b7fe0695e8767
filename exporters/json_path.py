r"""The path grammar of JSON postbacks, for Export Names and for `successBody` alike.

`.` opens an object, `[0]` an array: `user_data.em[0]`. `\.` and `\[` are literal; any other backslash is itself.
"""

from __future__ import annotations

import re
from typing import TypeVar

Step = str | int
"""A key of an object, or an index of an array."""

Path = tuple[Step, ...]

_TOKEN = re.compile(r"(?P<key>(?:\\[.\[]|[^.\[])+)|\[(?P<index>[0-9]{1,4})\]|(?P<dot>\.)")
_ESCAPE = re.compile(r"\\([.\[])")


class BadPath(ValueError):
    """The path cannot be read; the message says why."""


def parse_path(text: str) -> Path:
    """Split a path into its steps; never empty. Raises BadPath."""
    steps: list[Step] = []
    at, wants_key = 0, True
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise BadPath(f'"{text}" has a "[" without a whole number and "]"; write "\\[" for the character itself')
        at = token.end()
        if token["dot"] or (token["index"] and steps):
            _refuse_empty(text, is_empty=wants_key)
        if token["dot"]:
            wants_key = True
        elif token["index"]:
            steps.append(int(token["index"]))
            wants_key = False
        else:
            if not wants_key:
                raise BadPath(f'"{text}" has text right after "]"; put a "." between them')
            steps.append(_ESCAPE.sub(r"\1", token["key"]))
            wants_key = False
    _refuse_empty(text, is_empty=wants_key)
    return tuple(steps)


def _refuse_empty(text: str, *, is_empty: bool) -> None:
    if is_empty:
        raise BadPath(f'"{text}" has an empty part; write "\\." for a dot that belongs to a name')


T = TypeVar("T")


def walk(document: object, path: Path, missing: T) -> object | T:
    """Return the value at path inside a parsed JSON document, or missing."""
    for step in path:
        if isinstance(step, int):
            if not isinstance(document, list) or step >= len(document):
                return missing
            document = document[step]
        elif isinstance(document, dict) and step in document:
            document = document[step]
        else:
            return missing
    return document
