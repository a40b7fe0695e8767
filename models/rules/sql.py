"""Small bricks of SQL for the projection: constants, text given by people, JSON look-ups, and Let.

Constants of ours are written into the statement; whatever a person typed is a bind value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from sqlalchemy import Boolean, ClauseElement, ColumnElement, Text, func, literal, literal_column
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import Grouping
from sqlalchemy.sql.functions import FunctionElement

Expression = ColumnElement[Any]

UNICODE = "pg_c_utf8"
"""The collation whose case mapping is the same in every database."""


def constant(text: str) -> Expression:
    """Write a text of ours into the statement. Never for what a person typed."""
    quoted = text.replace("'", "''")
    return literal_column(f"'{quoted}'", Text())


def given(text: str) -> Expression:
    """Bind a text that a person typed."""
    return literal(text, Text())


def number(value: int) -> Expression:
    """Write a number into the statement."""
    return literal_column(str(value))


def table(pairs: Mapping[str, str]) -> Expression:
    """Write a table of ours as jsonb: Postgres finds a key in it by halving, a CASE of as many lines would not."""
    return constant(json.dumps(pairs, separators=(",", ":"))).op("::", precedence=20)(literal_column("jsonb"))


def null() -> Expression:
    """Write an empty text."""
    return literal_column("NULL::text", Text())


def get_text(document: Expression, key: Expression) -> Expression:
    """Look a key up as text; NULL where there is no such key, or no object."""
    return document.op("->>", precedence=15, return_type=Text())(key)


def get_json(document: Expression, key: Expression) -> Expression:
    """Look a key or an index up as jsonb."""
    return document.op("->", precedence=15)(key)


def filled(text: Expression) -> Expression:
    """Read an empty text as NULL: empty is one thing."""
    return func.nullif(text, constant(""), type_=Text())


def like(text: Expression, pattern: str) -> ColumnElement[bool]:
    """Test a LIKE pattern of ours."""
    return text.op("LIKE", is_comparison=True, return_type=Boolean())(constant(pattern))


def matches(text: Expression, pattern: str) -> ColumnElement[bool]:
    """Test a regular expression of ours; write [0-9], as the short form takes other digits in some locales."""
    return text.op("~", is_comparison=True, return_type=Boolean())(constant(pattern))


def one_of(text: Expression, words: Sequence[str]) -> ColumnElement[bool]:
    """Test for one of our words."""
    listed = ", ".join(f"'{word}'" for word in words)
    return text.op("IN", is_comparison=True, return_type=Boolean())(literal_column(f"({listed})"))


def lower(text: Expression) -> Expression:
    """Lower every letter, in any database."""
    return func.lower(Grouping(text).collate(UNICODE), type_=Text())


def upper(text: Expression) -> Expression:
    """Raise every letter, in any database."""
    return func.upper(Grouping(text).collate(UNICODE), type_=Text())


class Let(FunctionElement[str]):
    """Values computed once and used several times: (SELECT body FROM (SELECT value AS x0 ... OFFSET 0) AS name).

    Without it a chain of modifiers that each read their input twice would double the statement, and the work, at every
    step. OFFSET 0 keeps Postgres from undoing it. The class renders itself because a nested Select would be
    correlated by SQLAlchemy's own rules, which lose the outer column two levels down.
    """

    type = Text()
    inherit_cache = True

    def __init__(self, name: str, body: Expression, values: Sequence[Expression]) -> None:
        super().__init__(literal_column(name), body, *values)


@compiles(Let)
def _write_let(element: Let, compiler: Any, **kw: Any) -> str:
    name, body, *values = (compiler.process(clause, **kw) for clause in element.clauses)
    listed = ", ".join(f"{value} AS x{index}" for index, value in enumerate(values))
    return f"(SELECT {body} FROM (SELECT {listed} OFFSET 0) AS {name})"  # noqa: S608 - its parts are compiled SQL


class Joined(FunctionElement[str]):
    """The values of a set-returning function joined by commas: jsonb_each_text or jsonb_array_elements_text."""

    type = Text()
    inherit_cache = True


@compiles(Joined)
def _write_joined(element: Joined, compiler: Any, **kw: Any) -> str:
    (rows,) = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"(SELECT string_agg(nullif(f.value, ''), ',') FROM {rows} AS f)"  # noqa: S608 - compiled SQL


@dataclass(frozen=True, slots=True)
class Scope:
    """Gives every Let of one statement its own name, always in the same order."""

    _numbers: Iterator[int] = field(default_factory=count)

    def let(self, values: Sequence[Expression], body: Callable[..., Expression]) -> Expression:
        """Compute the values once; body gets one column for each."""
        name = f"v{next(self._numbers)}"
        columns = [literal_column(f"{name}.x{index}", value.type) for index, value in enumerate(values)]
        return Let(name, body(*columns), values)


class _LiteralDialect(PGDialect):
    """Writes values for standard_conforming_strings = on, which every Postgres has unless told otherwise."""

    supports_statement_cache = True
    _backslash_escapes = False


def literal_sql(statement: ClauseElement) -> str:
    """Write a statement with its values inside, for COPY, which takes no parameters.

    Send it as it is, without a parameter list. A driver's own dialect would double % and, before its first
    connection, backslashes: both would change what people typed.
    """
    dialect = _LiteralDialect(paramstyle="named")  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
    return str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
