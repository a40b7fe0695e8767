"""Documents as people and programs write them: strict JSON, and the part of YAML that means the same everywhere."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import msgspec
import yaml

MOST_DEPTH = 40


class Unreadable(ValueError):
    """The text is no such document. One sentence that repeats none of its content."""


def read_json(raw: bytes) -> Any:
    """Read strict JSON: UTF-8, no key twice, no NaN. Raises Unreadable."""
    try:
        text = raw.decode("utf-8-sig")
        return _shallow(json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant))
    except UnicodeDecodeError as error:
        raise Unreadable(f"The body is not UTF-8: byte {error.start} cannot be read.") from error
    except json.JSONDecodeError as error:
        raise Unreadable(f"The body is not JSON: {error.msg} at character {error.pos}.") from error
    except RecursionError as error:
        raise Unreadable("The body is nested too deeply.") from error
    except Unreadable:
        raise
    except ValueError as error:
        raise Unreadable("The body is not JSON: a number is too long.") from error


def read_yaml(raw: bytes) -> Any:
    """Read YAML without anchors, tags and surprises: 0400, 12:30, no and 2026-01-01 stay texts. Raises Unreadable."""
    try:
        return _shallow(yaml.load(raw.decode("utf-8-sig"), Loader=_Plain))  # noqa: S506 -- a SafeLoader that takes still less
    except UnicodeDecodeError as error:
        raise Unreadable(f"The text is not UTF-8: byte {error.start} cannot be read.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark is not None else ""
        raise Unreadable(f"The text is not YAML that can be read{place}: {_problem(error)}.") from error
    except RecursionError as error:
        raise Unreadable("The text is nested too deeply.") from error
    except Unreadable:
        raise
    except ValueError as error:
        raise Unreadable("The text holds a value that cannot be read.") from error


def write_yaml(value: Any) -> str:
    """Write YAML that `read_yaml` reads as the same value."""
    return yaml.dump(value, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=120)


def write_json(value: Any) -> str:
    """Write JSON for people to read; amounts keep their digits."""
    encoded = msgspec.json.Encoder(decimal_format="number").encode(value)
    return msgspec.json.format(encoded, indent=2).decode()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unreadable("The body is refused: an object has the same key twice.")
    return found


def _shallow(document: Any) -> Any:
    """Give the document back unless it is nested so deeply that walking it could end badly."""
    level, depth = [document], 0
    while level:
        depth += 1
        if depth > MOST_DEPTH:
            raise Unreadable("The body is nested too deeply.")
        level = [
            inner
            for value in level
            if isinstance(value, dict | list)
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
    return document


def _no_constant(name: str) -> Any:
    raise Unreadable(f"The body is not JSON: {name} is no number.")


def _problem(error: yaml.YAMLError) -> str:
    text = str(getattr(error, "problem", None) or "it is malformed")
    return "".join(char if char.isprintable() else "?" for char in text)[:120]


class _Plain(yaml.SafeLoader):
    """Reads plain values as JSON would, and refuses aliases, tags and keys given twice."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML's own
        mark: Any = getattr(event, "start_mark", None)
        if isinstance(event, yaml.AliasEvent):
            raise yaml.constructor.ConstructorError(None, None, "aliases are not taken", mark)
        if getattr(event, "tag", None) is not None:
            raise yaml.constructor.ConstructorError(None, None, "tags are not taken", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 -- PyYAML's own
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if any(not isinstance(key, str) for key in keys):
            raise yaml.constructor.ConstructorError(None, None, "a key is not a text", node.start_mark)
        if len(set(keys)) != len(keys):
            raise yaml.constructor.ConstructorError(None, None, "a key is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


class _PlainDumper(yaml.SafeDumper):
    """Writes what `_Plain` reads: texts that look like something else in any YAML are quoted."""


_INT = re.compile(r"(?:0|-?[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?\Z")

for _tag, _pattern, _first in (
    ("null", re.compile(r"(?:null|~|)\Z"), ["n", "~", ""]),
    ("bool", re.compile(r"(?:true|false)\Z"), ["t", "f"]),
    ("int", _INT, list("-0123456789")),
    ("float", _FLOAT, list("-0123456789")),
):
    _Plain.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _pattern, _first)
    _PlainDumper.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _pattern, _first)
_Plain.yaml_constructors = {
    "tag:yaml.org,2002:null": lambda _loader, _node: None,
    "tag:yaml.org,2002:bool": lambda loader, node: loader.construct_scalar(node) == "true",
    "tag:yaml.org,2002:int": lambda loader, node: int(loader.construct_scalar(node)),
    "tag:yaml.org,2002:float": lambda loader, node: float(loader.construct_scalar(node)),
    "tag:yaml.org,2002:str": yaml.SafeLoader.construct_yaml_str,
    "tag:yaml.org,2002:seq": yaml.SafeLoader.construct_yaml_seq,
    "tag:yaml.org,2002:map": yaml.SafeLoader.construct_yaml_map,
    None: yaml.SafeLoader.construct_undefined,
}
_PlainDumper.add_representer(
    Decimal, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:float", format(value, "f"))
)
