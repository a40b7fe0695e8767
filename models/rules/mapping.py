"""Field mappings: the rows of a profile document -> a small frozen tree, each fault with its place.

A mapping is an Export Name with exactly one of a field, a static value or a template. Their order is the order of
parameters and columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from models.rules import modifiers as modifier_grammar
from models.rules import templates
from models.rules.catalogue import Field, UnknownField, find
from models.rules.modifiers import BadModifier, Modifier
from models.rules.templates import BadTemplate, Template

MAX_MAPPINGS = 500  # a SELECT list in Postgres ends at 1,664
MAX_NAME = 255
MAX_STATIC = 10_000


class ValueType(StrEnum):
    """The JSON type a mapping asks for; it wins over the field's own."""

    TEXT = "text"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    JSON = "json"


class WhenEmpty(StrEnum):
    """What an empty value becomes; None takes the default of its place."""

    OMIT = "omit"
    EMPTY = "empty"
    NULL = "null"


@dataclass(frozen=True, slots=True)
class Static:
    """A text sent unchanged; it may be empty. None: a secret whose stored text is to be kept."""

    text: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """One row. written holds the modifiers as they were written, for the document on the way out."""

    export_name: str
    source: Field | Static | Template
    modifiers: tuple[Modifier, ...] = ()
    written: tuple[str, ...] = ()
    type: ValueType | None = None
    when_empty: WhenEmpty | None = None
    secret: bool = False

    @property
    def fields(self) -> tuple[Field, ...]:
        """The catalogue's fields this row reads."""
        if isinstance(self.source, Field):
            return (self.source,)
        return self.source.fields if isinstance(self.source, Template) else ()

    def document(self) -> dict[str, object]:
        """Write the row as in the profile document. A secret's text is left out."""
        return {"exportName": self.export_name, **self._source()} | {
            key: value
            for key, value in (
                ("modifiers", list(self.written)),
                ("type", self.type and self.type.value),
                ("whenEmpty", self.when_empty and self.when_empty.value),
            )
            if value
        }

    def _source(self) -> dict[str, object]:
        if isinstance(self.source, Field):
            return {"field": self.source.name}
        if isinstance(self.source, Template):
            return {"template": self.source.text}
        if self.secret:
            return {"secret": True}
        # A name that would be secret by itself must say that it is not, or it would become one on the way in.
        said = {"secret": False} if is_secret_name(self.export_name) else {}
        return {"static": self.source.text, **said}


@dataclass(frozen=True, slots=True)
class Fault:
    """path is a place in the profile document, such as mappings[2].modifiers[0]; message is for people."""

    path: str
    message: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What came out. mappings are complete only when there are no faults; warnings never stop a save."""

    mappings: tuple[FieldMapping, ...]
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]


def read(rows: object, *, keeps_secrets: bool) -> Reading:
    """Read the `mappings` of a profile document and collect every fault.

    keeps_secrets is true for postbacks: a file has no secret columns, so there a name such as `token` stays plain and
    `"secret": true` is refused.
    """
    if not isinstance(rows, Sequence) or isinstance(rows, str | bytes):
        return Reading((), (Fault("mappings", "Give a list of mappings."),), ())
    if len(rows) > MAX_MAPPINGS:
        return Reading((), (Fault("mappings", f"A profile has at most {MAX_MAPPINGS} mappings."),), ())
    readers = [_Row(row, f"mappings[{index}]", keeps_secrets) for index, row in enumerate(rows)]
    mappings = [reader.read() for reader in readers]
    return Reading(
        tuple(mapping for mapping in mappings if mapping),
        tuple(fault for reader in readers for fault in reader.faults),
        tuple(_name_warnings(mappings)),
    )


def sensitive_fields(mappings: Sequence[FieldMapping]) -> tuple[Fault, ...]:
    """Name the rows that read card or bank fields, also in a template or hashed.

    A profile with such rows may be saved, but needs a pciDocument to be enabled.
    """
    return tuple(
        Fault(_source_path(index, mapping), f"{read_field.name} is sensitive: give the profile a PCI document.")
        for index, mapping in enumerate(mappings)
        for read_field in mapping.fields
        if read_field.sensitive
    )


def is_secret_name(export_name: str) -> bool:
    """Whether a Static of this name is secret unless the row says otherwise."""
    name = export_name.strip().lower().removeprefix("header:").strip()
    last = re.split(r"[.\[]", name.rstrip("]0123456789["))[-1] or name
    return last.replace("-", "_") in _SECRET_NAMES


Choice = TypeVar("Choice", bound=StrEnum)

_SECRET_NAMES = frozenset(
    {"authorization", "password", "pass", "pwd", "token", "secret", "api_key", "apikey", "x_api_key"}
)
_KEYS = frozenset({"exportName", "field", "static", "template", "modifiers", "type", "whenEmpty", "secret"})
_SOURCES = ("field", "static", "template")


@dataclass(slots=True)
class _Row:
    """Reads one row and keeps its faults."""

    row: object
    path: str
    keeps_secrets: bool
    faults: list[Fault] = field(default_factory=list)

    def read(self) -> FieldMapping | None:
        row = self.row
        if not isinstance(row, Mapping):
            self._fault("", "Give an object with exportName and one of field, static, template.")
            return None
        for key in row:
            if key not in _KEYS:
                self._fault(_shown(key), "This key is unknown.")
        name = self._name(row.get("exportName"))
        secret = self._secret(row, name)
        source = self._source(row, secret=secret)
        written, chain = self._modifiers(row.get("modifiers"), source)
        kind = self._choice(row, "type", ValueType)
        # "default" is what leaving it out means
        when_empty = None if row.get("whenEmpty") == "default" else self._choice(row, "whenEmpty", WhenEmpty)
        if self.faults or source is None:
            return None
        return FieldMapping(name, source, chain, written, kind, when_empty, secret)

    def _fault(self, key: str, message: str) -> None:
        self.faults.append(Fault(f"{self.path}.{key}" if key else self.path, message))

    def _name(self, given: object) -> str:
        name = given.strip() if isinstance(given, str) else ""
        if not name:
            self._fault("exportName", "Give an export name.")
        elif len(name) > MAX_NAME:
            self._fault("exportName", f"An export name has at most {MAX_NAME} characters.")
        elif _CONTROLS.search(name):
            self._fault("exportName", "An export name must not hold control characters.")
        return name

    def _secret(self, row: Mapping[object, object], name: str) -> bool:
        given = row.get("secret")
        is_static = not any(row.get(key) is not None for key in ("field", "template"))
        if given is not None and not isinstance(given, bool):
            self._fault("secret", "Give true, false or null.")
        if given is True and not is_static:
            self._fault("secret", "Only a static value can be secret.")
        if given is True and not self.keeps_secrets:
            self._fault("secret", "A file has no secret columns: its rows are kept and shown.")
        if given is None:
            return is_static and self.keeps_secrets and is_secret_name(name)
        return given is True

    def _source(self, row: Mapping[object, object], *, secret: bool) -> Field | Static | Template | None:
        given = [key for key in _SOURCES if row.get(key) is not None]
        if len(given) > 1:
            self._fault(given[1], f"Give only one of {', '.join(given)}.")
            return None
        if not given and secret:
            return Static(None)
        if not given:
            self._fault("", "Give one of field, static or template.")
            return None
        if given[0] == "static":
            return self._static(row["static"])
        text = self._text(given[0], row[given[0]])
        if text is None:
            return None
        try:
            return find(text.strip()) if given[0] == "field" else templates.parse(text)
        except (UnknownField, BadTemplate) as fault:
            self._fault(given[0], str(fault))
            return None

    def _static(self, given: object) -> Static | None:
        # YAML reads 400 as a number; a fraction would have lost its digits by now, so only whole ones are taken.
        text = self._text("static", str(given) if isinstance(given, int) and not isinstance(given, bool) else given)
        if text is not None and len(text) > MAX_STATIC:
            self._fault("static", f"A static value has at most {MAX_STATIC} characters.")
            return None
        return None if text is None else Static(text)

    def _text(self, key: str, given: object) -> str | None:
        if not isinstance(given, str):
            self._fault(key, "Give a text, in quotes.")
            return None
        if _FORBIDDEN.search(given):
            self._fault(key, "Control characters are not allowed here, except tab and line break.")
            return None
        return given

    def _modifiers(self, given: object, source: object) -> tuple[tuple[str, ...], tuple[Modifier, ...]]:
        if given is None:
            return (), ()
        if not isinstance(given, list | tuple):
            self._fault("modifiers", "Give a list of modifiers.")
            return (), ()
        if given and isinstance(source, Static):
            self._fault("modifiers", "A static value is sent unchanged; leave the modifiers out.")
        if len(given) > modifier_grammar.MAX_MODIFIERS:
            self._fault("modifiers", f"A mapping has at most {modifier_grammar.MAX_MODIFIERS} modifiers.")
            return (), ()
        read = [self._modifier(f"modifiers[{index}]", text) for index, text in enumerate(given)]
        good = [pair for pair in read if pair]
        return tuple(text for text, _ in good), tuple(modifier for _, modifier in good)

    def _modifier(self, key: str, given: object) -> tuple[str, Modifier] | None:
        text = self._text(key, given)
        if text is None:
            return None
        try:
            return text, modifier_grammar.parse(text)
        except BadModifier as fault:
            self._fault(key, str(fault))
            return None

    def _choice(self, row: Mapping[object, object], key: str, choices: type[Choice]) -> Choice | None:
        given = row.get(key)
        if given is None:
            return None
        if isinstance(given, str) and given in [choice.value for choice in choices]:
            return choices(given)
        words = [f'"{choice.value}"' for choice in choices]
        self._fault(key, f"Give {', '.join(words)}, or leave it out.")
        return None


# Lone surrogates are no characters: they can neither be stored nor sent as UTF-8.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def _shown(key: object) -> str:
    """Make somebody else's key fit for an answer."""
    return "".join(char if char.isprintable() else "?" for char in str(key))[:60]


def _name_warnings(mappings: Sequence[FieldMapping | None]) -> Iterator[Fault]:
    """Point out names that stand twice, or that a person takes for the same: first_name, First-Name, firstname."""
    seen: dict[str, str] = {}
    for index, mapping in enumerate(mappings):
        if mapping is None:
            continue
        name = mapping.export_name
        key = re.sub(r"[\s_-]", "", name.lower()) or name
        if key not in seen:
            seen[key] = name
            continue
        first = seen[key]
        if first == name:
            words = f'"{name}" stands here twice: both are sent, in this order.'
        elif first.lower() == name.lower():
            words = f'"{name}" differs from "{first}" only in case.'
        else:
            words = f'"{name}" is nearly the same as "{first}".'
        yield Fault(f"mappings[{index}].exportName", words)


def _source_path(index: int, mapping: FieldMapping) -> str:
    return f"mappings[{index}].{'field' if isinstance(mapping.source, Field) else 'template'}"
