"""A slow CSV writer, written from the manual alone: what every file is compared with, byte for byte.

Values are the texts of cells before CSV has touched them, None for an empty one; kinds are "text", "number", "date" and
"boolean".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SIGNS = (
    "=+-@\t\n\r\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
)


@dataclass(frozen=True)
class ReferenceWriter:
    kinds: Sequence[str]
    delimiter: str
    quote: str
    line_end: str
    encoding: str
    decimal_sign: str
    formula_guard: bool = True
    line_breaks: str = "keep"

    def file(self, header: Sequence[str] | None, rows: Sequence[Sequence[str | None]]) -> bytes:
        lines = (
            [] if header is None else [self.delimiter.join(self.quoted(self.guarded(name, "text")) for name in header)]
        )
        lines += [self.line(row) for row in rows]
        text = "".join(line + self.line_end for line in lines)
        return text.encode("utf-8-sig" if self.encoding == "utf-8-bom" else self.encoding)

    def line(self, row: Sequence[str | None]) -> str:
        return self.delimiter.join(self.cell(value, kind) for value, kind in zip(row, self.kinds, strict=True))

    def cell(self, value: str | None, kind: str) -> str:
        if value is None or value == "":
            return '""' if self.quote == "all" or len(self.kinds) == 1 else ""
        shown = value
        if kind == "number" and is_number(value) and "." in value:
            shown = value.replace(".", self.decimal_sign)
        if self.guarded(value, kind) != value:
            shown = "'" + shown
        if self.line_breaks == "space":
            shown = shown.replace("\r\n", " ").replace("\r", " ").replace("\n", " ")
        return self.quoted(shown, is_text=kind == "text")

    def guarded(self, value: str, kind: str) -> str:
        """A sign first runs in a spreadsheet, unless it is that of an amount or of a telephone number."""
        if not self.formula_guard or value[0] not in SIGNS or (kind == "number" and is_number(value)):
            return value
        if kind != "number" and value[0] in "+-" and all(sign in "0123456789 .," for sign in value[1:]):
            return value
        return "'" + value

    def quoted(self, value: str, *, is_text: bool = True) -> str:
        must = any(sign in value for sign in (self.delimiter, '"', "\r", "\n"))
        if must or self.quote == "all" or (self.quote == "text" and is_text):
            return '"' + value.replace('"', '""') + '"'
        return value


def is_number(text: str) -> bool:
    """Digits with at most one point, maybe a sign before them."""
    bare = text[1:] if text[:1] in ("+", "-") else text
    whole, point, fraction = bare.partition(".")
    digits = set("0123456789")
    return (
        set(whole) <= digits and set(fraction) <= digits and bool(whole or fraction) and (not point or bool(fraction))
    )
