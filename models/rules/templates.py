"""Templates: `{firstName} {lastName}` -> texts and fields. {{ and }} are braces; there is no other syntax."""

from __future__ import annotations

import re
from dataclasses import dataclass

from models.rules.catalogue import Field, UnknownField, find

MAX_LENGTH = 4000
MAX_FIELDS = 40  # concat() in Postgres takes 100 arguments


@dataclass(frozen=True, slots=True)
class Template:
    """Texts and fields in turn; text is the template as written."""

    text: str
    parts: tuple[str | Field, ...]

    @property
    def fields(self) -> tuple[Field, ...]:
        """Only the fields, in order."""
        return tuple(part for part in self.parts if isinstance(part, Field))


class BadTemplate(ValueError):
    """A template that cannot be read; the message is for people."""


_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")


def parse(text: str) -> Template:
    """Read a template. Raises BadTemplate for a lone brace, an unknown field or one that is too long."""
    if not text:
        raise BadTemplate("A template must not be empty.")
    if len(text) > MAX_LENGTH:
        raise BadTemplate(f"A template has at most {MAX_LENGTH} characters.")
    parts: list[str | Field] = []
    for token in _TOKEN.finditer(text):
        _append(parts, _part(token))
    if sum(isinstance(part, Field) for part in parts) > MAX_FIELDS:
        raise BadTemplate(f"A template has at most {MAX_FIELDS} fields.")
    return Template(text, tuple(parts))


def _part(token: re.Match[str]) -> str | Field:
    if token[1] is not None:
        return _field(token[1])
    if token[0] in ("{", "}"):
        raise BadTemplate(
            f"A lone {token[0]} at character {token.start() + 1}; write {token[0] * 2} for the sign itself."
        )
    return {"{{": "{", "}}": "}"}.get(token[0], token[0])


def _field(name: str) -> Field:
    try:
        return find(name.strip())
    except UnknownField as fault:
        raise BadTemplate(str(fault)) from fault


def _append(parts: list[str | Field], part: str | Field) -> None:
    if isinstance(part, str) and parts and isinstance(parts[-1], str):
        parts[-1] += part
    else:
        parts.append(part)
