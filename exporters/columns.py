"""Sort a postback's columns: what steers the request, what is a header, what is a parameter (docs/rules.md, R17 to R23)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from exporters.base import Column, Fault
from exporters.headers import CONTROL, name_fault
from exporters.json_body import JsonBody

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

_CONTROLS = {"httpmethod": METHODS, "httpmethodtype": ("GET", "POST")}


class Place(Enum):
    """Where the parameters go."""

    URL = "url"
    FORM = "form"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Plan:
    """The shape of a profile's requests. Columns stand with their index; headers bear their bare name."""

    method: str
    place: Place
    content_type: str | None
    headers: tuple[tuple[int, Column], ...]
    parameters: tuple[tuple[int, Column], ...]


def read_columns(columns: Sequence[Column]) -> Plan:
    """Say what the requests look like. With faults in the columns the plan must not be used."""
    steers: dict[str, str] = {}
    headers: list[tuple[int, Column]] = []
    parameters: list[tuple[int, Column]] = []
    for index, column in enumerate(columns):
        header = header_name(column)
        if header is None:
            parameters.append((index, replace(column, name=column.name.strip())))
        elif header.lower() in _CONTROLS:
            steers[header.lower()] = (column.static or "").strip().upper()
        else:
            headers.append((index, replace(column, name=header)))
    content_type = next((c.static for _, c in headers if c.name.lower() == "content-type" and c.static), None)
    method = steers.get("httpmethod") or ("POST" if headers or steers.get("httpmethodtype") == "POST" else "GET")
    place = _place(method, steers.get("httpmethodtype"), content_type)
    return Plan(method, place, content_type, tuple(headers), tuple(parameters))


def header_name(column: Column) -> str | None:
    """Return the name behind `header:` (any case), or None for a parameter."""
    prefix, colon, name = column.name.strip().partition(":")
    return name.strip() if colon and prefix.strip().lower() == "header" else None


def faults_in(columns: Sequence[Column], *, reserved: Sequence[str]) -> Iterator[Fault]:
    """Yield every column that cannot be sent. reserved: headers Waybill itself sends, lower case, `webhook-*` or whole."""
    seen: set[str] = set()
    for index, column in enumerate(columns):
        header = header_name(column)
        for message in _parameter_faults(column) if header is None else _header_faults(column, header, reserved):
            yield Fault(index, message)
        if header and header.lower() in seen:
            yield Fault(index, f'the header "{header}" stands twice; keep one of them')
        seen.add((header or "").lower())
    plan = read_columns(columns)
    if plan.place is Place.JSON:
        yield from JsonBody(plan.parameters).faults()


def _parameter_faults(column: Column) -> Iterator[str]:
    if not column.name.strip():
        yield "the Export Name is empty"
    elif not _is_whole_text(column.name):
        yield "the Export Name holds half a character"


def _header_faults(column: Column, name: str, reserved: Sequence[str]) -> Iterator[str]:
    lowered = name.lower()
    if lowered in _CONTROLS:
        if (column.static or "").strip().upper() not in _CONTROLS[lowered]:
            yield f'"header:{name}" must be a Static value: {", ".join(_CONTROLS[lowered])}'
        return
    fault = name_fault(name)
    if fault is not None:
        yield fault
    elif any(lowered == word or (word.endswith("*") and lowered.startswith(word[:-1])) for word in reserved):
        yield f'the header "{name}" is sent by Waybill itself; remove this mapping'
    elif lowered == "content-type" and column.static is None:
        yield "Content-Type must be a Static value: it decides the shape of the body"
    if column.static is not None and CONTROL.search(column.static):
        yield f'the value of the header "{name}" holds a control character, such as a line end'


def _is_whole_text(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _place(method: str, method_type: str | None, content_type: str | None) -> Place:
    body = Place.JSON if _is_json(content_type) else Place.FORM
    if method == "GET" or method_type == "GET":
        return Place.URL
    if method_type == "POST" or method == "POST":
        return body
    return body if content_type else Place.URL


def _is_json(content_type: str | None) -> bool:
    media_type = (content_type or "").partition(";")[0].strip().lower()
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))
