"""Files of events: NDJSON, or CSV whose header names the fields of event and order."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from models.rules.bodies import UnreadableBody, read_body
from models.rules.event_document import EventFault

OF_THE_EVENT = frozenset({"eventId", "customerType", "occurredAt", "testCard"})
YES = frozenset({"1", "true", "yes"})
NO = frozenset({"", "0", "false", "no"})
MOST_CELL = 1_000_000

_ITEM = re.compile(r"product([1-9][0-9]?)_(\w+)")


class UnreadableFile(Exception):
    """Nothing in the file can be taken; one sentence."""


@dataclass(frozen=True, slots=True)
class Line:
    """One event of a file: its line (from 1), its document or its fault, and how many bytes are read by now."""

    number: int
    document: Any
    end: int


def read_lines(file: Path) -> Iterator[Line]:
    """Yield the events of a file, by its name's ending: .csv is CSV, all else NDJSON. Raises UnreadableFile."""
    with file.open("rb") as raw:
        yield from _csv(raw) if file.suffix.lower() == ".csv" else _ndjson(raw)


def _ndjson(raw: BinaryIO) -> Iterator[Line]:
    end = 0
    for number, line in enumerate(raw, 1):
        end += len(line)
        if line.strip(b"\xef\xbb\xbf \t\r\n"):
            yield Line(number, _document(line), end)


def _document(line: bytes) -> Any:
    try:
        return read_body(line, lines=True)[0]
    except UnreadableBody as error:
        return EventFault("", str(error))


def _csv(raw: BinaryIO) -> Iterator[Line]:
    csv.field_size_limit(MOST_CELL)
    end = 0

    def texts() -> Iterator[str]:
        nonlocal end
        for line in raw:
            end += len(line)
            yield line.decode("utf-8-sig" if end == len(line) else "utf-8")

    reader = csv.reader(texts(), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check(header)
        for cells in reader:
            if cells:
                yield Line(reader.line_num, _event(header, cells), end)
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"Line {reader.line_num + 1} is not UTF-8.") from error
    except csv.Error as error:
        raise UnreadableFile(f"Line {reader.line_num}: {error}.") from error


def _check(header: list[str]) -> None:
    if "eventId" not in header or "customerType" not in header:
        raise UnreadableFile("The first line must name the columns; eventId and customerType are needed.")
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise UnreadableFile(f"The column {twice[0]} stands twice.")


def _event(header: list[str], cells: list[str]) -> Any:
    if len(cells) != len(header):
        return EventFault("", f"has {len(cells)} cells, the header has {len(header)}")
    row = {name: cell for name, cell in zip(header, cells, strict=True) if name and cell != ""}
    event: dict[str, Any] = {name: row.pop(name) for name in OF_THE_EVENT if name in row}
    if "testCard" in event:
        said = event["testCard"].strip().lower()
        event["testCard"] = True if said in YES else False if said in NO else event["testCard"]
    return {**event, "order": _order(row)}


def _order(row: dict[str, str]) -> dict[str, Any]:
    order: dict[str, Any] = {}
    items: dict[int, dict[str, str]] = {}
    custom: dict[str, str] = {}
    for name, cell in row.items():
        if (match := _ITEM.fullmatch(name)) is not None:
            items.setdefault(int(match[1]), {})[match[2]] = cell
        elif name.startswith("custom:"):
            custom[name.removeprefix("custom:")] = cell
        else:
            order[name] = cell
    if items:
        order["items"] = [_item(items[number]) for number in sorted(items)]
    if custom:
        order["customFields"] = custom
    return order


def _item(cells: dict[str, str]) -> dict[str, str]:
    """Name the cells as an event's item does: `id` is the shop's id of a product when `crmId` is there, too."""
    item = {key: cell for key, cell in cells.items() if key not in {"id", "crmId"}}
    if "id" in cells and "crmId" in cells:
        item["clientProductId"] = cells["id"]
    product = cells.get("crmId") or cells.get("id")
    return {"productId": product, **item} if product is not None else item
