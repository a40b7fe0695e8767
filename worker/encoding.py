"""Lines from COPY -> the bytes of the file: line ends, encoding, BOM. Counts what it does in the same pass."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from exporters.csv_settings import CsvSettings
from models.rules.letters import nearest

BATCH = 1 << 18
"""Bytes that are converted at a time: enough to make a line cost little, little enough to stay small."""

WINDOWS = "windows-1252"
BOM = b"\xef\xbb\xbf"

_FITTING = "".join(bytes([code]).decode("cp1252", "ignore") for code in range(256))
_UNFIT = re.compile(f"[^{re.escape(_FITTING)}]")
_DASHES = frozenset("\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{FIGURE DASH}\N{HORIZONTAL BAR}\N{MINUS SIGN}")


class Unwritable(Exception):
    """The file cannot be made; the message is for people and names the place."""


class Encoder:
    """Writes the head and the lines of one file.

    rows: lines of data so far. replaced: characters so far that did not fit the encoding.
    """

    def __init__(self, settings: CsvSettings, columns: Sequence[str]) -> None:
        self.rows = 0
        self.replaced = 0
        self._columns = columns
        self._delimiter = settings.delimiter
        self._line_end = b"\r\n" if settings.line_end == "crlf" else b"\n"
        self._encoding = settings.encoding
        self._unmappable = settings.unmappable
        self._in_header = False

    def head(self, header: str | None) -> bytes:
        """Write what stands before the rows: the BOM, and the line of headers if there is one."""
        bom = BOM if self._encoding == "utf-8-bom" else b""
        self._in_header = True
        line = b"" if header is None else self._encoded([header.encode()])
        self._in_header = False
        return bom + line

    def heading(self, header: str) -> bytes:
        """Convert the line of headers without its end, to be shown."""
        return self.head(header).removeprefix(BOM).removesuffix(self._line_end)

    def one(self, line: bytes) -> bytes:
        """Convert one line without its end, to be shown."""
        return self._data([line]).removesuffix(self._line_end)

    def lines(self, copied: Iterable[bytes]) -> Iterator[bytes]:
        """Convert lines as they come from COPY: one a block, each with LF at its end."""
        batch: list[bytes] = []
        size = 0
        for line in copied:
            batch.append(line[:-1])
            size += len(line)
            if size >= BATCH:
                yield self._data(batch)
                batch, size = [], 0
        if batch:
            yield self._data(batch)

    def _data(self, batch: list[bytes]) -> bytes:
        encoded = self._encoded(batch)
        self.rows += len(batch)
        return encoded

    def _encoded(self, batch: list[bytes]) -> bytes:
        batch.append(b"")  # so that the last line ends, too
        joined = self._line_end.join(batch)
        batch.pop()
        return joined if self._encoding != WINDOWS else self._windows(joined.decode(), batch)

    def _windows(self, text: str, batch: list[bytes]) -> bytes:
        try:
            return text.encode("cp1252")
        except UnicodeEncodeError:
            if self._unmappable == "fail":
                raise self._unwritable(batch) from None
        return _UNFIT.sub(self._replacement, text).encode("cp1252")

    def _replacement(self, found: re.Match[str]) -> str:
        """Give the nearest letter. Never a sign that could part columns or begin a formula: see `nearest`."""
        self.replaced += 1
        character = found[0]
        if self._unmappable == "question":
            return "?"
        return nearest(character) or ("\N{EN DASH}" if character in _DASHES else "?")

    def _unwritable(self, batch: list[bytes]) -> Unwritable:
        """Name the first character that does not fit, with its column and its row, counted without the header."""
        for place, text in enumerate(bytes(line).decode() for line in batch):
            if found := _UNFIT.search(text):
                outside_quotes = text[: found.start()].split('"')[::2]
                column = self._columns[sum(part.count(self._delimiter) for part in outside_quotes)]
                where = "the header of" if self._in_header else f"row {self.rows + place + 1},"
                code = f"{found[0]} (U+{ord(found[0]):04X})"
                return Unwritable(f'{where} column "{column}": {code} does not fit Windows-1252')
        raise AssertionError("called only when a character did not fit")
