"""Mappings -> one SQL projection over the event's snapshot: the one renderer of postbacks, files, preview and test send.

Every column is text and total: no order whatever makes Postgres raise, a bad value is its own row's fault. Static
values of postbacks need not pass through SQL, and secret ones never do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Generic, TypeVar

from sqlalchemy import ColumnElement, Text, case, func

from models.rules import typed
from models.rules.catalogue import Field, FieldType
from models.rules.mapping import FieldMapping, Static, ValueType
from models.rules.modifying import Chain, modified
from models.rules.moments import Clock
from models.rules.reading import Reader, Source
from models.rules.sql import Expression, Scope, constant, filled, get_text, given, null
from models.rules.templates import Template

__all__ = ["Projection", "Source", "project"]

J = TypeVar("J")


@dataclass(frozen=True, slots=True)
class Projection(Generic[J]):
    """What a profile's mappings compile to.

    columns: one for each mapping, c1 to cN; a secret static is NULL in it. For COPY.
    types: what each column's text is; the type a mapping asks for wins over its field's.
    select_columns: those of them that are not static, for postbacks; values() takes rows of these.
    """

    columns: tuple[ColumnElement[str | None], ...]
    types: tuple[ValueType | FieldType, ...]
    select_columns: tuple[ColumnElement[str | None], ...]
    _constants: tuple[str | int | Decimal | bool | J | None, ...] = field(repr=False)
    _slots: tuple[tuple[int, Callable[[str], str | int | Decimal | bool | J] | None], ...]

    def values(self, row: Sequence[str | None]) -> tuple[str | int | Decimal | bool | J | None, ...]:
        """Give a row of select_columns its types and put the static values in. None is empty."""
        values = list(self._constants)
        for (place, convert), text in zip(self._slots, row, strict=True):
            values[place] = text if convert is None or text is None else convert(text)
        return tuple(values)


def project(mappings: Sequence[FieldMapping], source: Source, as_json: Callable[[str], J]) -> Projection[J]:
    """Compile the mappings. as_json marks a text as JSON that goes into a body as it is."""
    writer = _Writer(source, Clock(source.time_zone, source.account_time_zone, Scope()))
    chains = [writer.chain(mapping) for mapping in mappings]
    columns = [chain.text.label(f"c{number}") for number, chain in enumerate(chains, start=1)]
    moving = [index for index, mapping in enumerate(mappings) if not isinstance(mapping.source, Static)]
    return Projection(
        columns=tuple(columns),
        types=tuple(mapping.type or chain.kind for mapping, chain in zip(mappings, chains, strict=True)),
        select_columns=tuple(columns[index] for index in moving),
        _constants=tuple(_constant(mapping, as_json) for mapping in mappings),
        _slots=tuple((index, typed.converter(mappings[index].type or chains[index].kind, as_json)) for index in moving),
    )


@dataclass(frozen=True, slots=True)
class _Writer:
    source: Source
    clock: Clock

    def chain(self, mapping: FieldMapping) -> Chain:
        chain = self._start(mapping)
        country = get_text(self.source.order, constant("country"))
        for modifier in mapping.modifiers:
            chain = modified(chain, modifier, clock=self.clock, country=country)
        return chain

    def _start(self, mapping: FieldMapping) -> Chain:
        reader = Reader(self.source, self.clock)
        match mapping.source:
            case Static(text):
                return Chain(null() if mapping.secret or not text else given(text), FieldType.TEXT)
            case Template():
                return Chain(self._template(mapping.source, reader), FieldType.TEXT)
            case read:
                wants_json = mapping.type is ValueType.JSON and not mapping.modifiers
                moment = partial(reader.moment, read) if read.type is FieldType.DATETIME else None
                return Chain(reader.json(read) if wants_json else reader.read(read), read.type, moment)

    def _template(self, template: Template, reader: Reader) -> Expression:
        """Join texts and fields; empty when all fields are, a text without any field is itself."""
        parts = [reader.read(part) if isinstance(part, Field) else given(part) for part in template.parts]
        fields = [part for part, kind in zip(parts, template.parts, strict=True) if isinstance(kind, Field)]
        if len(parts) == 1:
            return parts[0]
        if not fields:
            return filled(func.concat(*parts, type_=Text()))
        return self.clock.scope.let(fields, lambda *read: _joined(template, read))


def _joined(template: Template, read: Sequence[Expression]) -> Expression:
    columns = iter(read)
    parts = [next(columns) if isinstance(part, Field) else given(part) for part in template.parts]
    whole = func.concat(*parts, type_=Text())
    return case((func.coalesce(*read).is_not(None), whole), else_=null())


def _constant(mapping: FieldMapping, as_json: Callable[[str], J]) -> str | int | Decimal | bool | J | None:
    """Type a plain static value once. None stands where a row's or a secret value is to come."""
    if not isinstance(mapping.source, Static) or mapping.secret or not mapping.source.text:
        return None
    convert = typed.converter(mapping.type or FieldType.TEXT, as_json)
    return convert(mapping.source.text) if convert else mapping.source.text
