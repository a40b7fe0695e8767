"""The profile's own keys: name, type, switches, times, PCI document."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any

from models.rules.mapping import Fault
from web.profiles.faults import unknown_keys

KEYS = (
    "name",
    "exportType",
    "enabled",
    "paused",
    "intervalMinutes",
    "delayMinutes",
    "timeZone",
    "skipCompletedPartials",
    "pciDocument",
    "settings",
    "mappings",
    "routes",
)
MOST_NAME = 100
MOST_MINUTES = 10_080
MOST_REFERENCE = 500

_NOT_IN_A_NAME = re.compile(r"[/\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_NO_PLACES = frozenset({"Factory", "localtime"})


@dataclass(slots=True)
class Head:
    """What was read. With faults, the values that could not be read are the defaults."""

    name: str = ""
    export_type: str | None = None
    enabled: bool = True
    paused: bool = False
    interval_minutes: int = 15
    delay_minutes: int = 0
    time_zone: str | None = None
    skip_completed_partials: bool = True
    pci_reference: str | None = None
    pci_valid_until: date | None = None
    faults: list[Fault] = field(default_factory=list)

    def fault(self, path: str, message: str) -> None:
        """Note one fault."""
        self.faults.append(Fault(path, message))


def read_head(document: Mapping[Any, Any], *, name: str | None) -> Head:
    """Read the profile's own keys. name: what the caller calls the profile (the path of a PUT); None: not told."""
    head = Head(faults=list(unknown_keys(document, KEYS)))
    _name(head, document.get("name"), name)
    _export_type(head, document.get("exportType"))
    head.enabled = _switch(head, document, "enabled", default=True)
    head.paused = _switch(head, document, "paused", default=False)
    head.skip_completed_partials = _switch(head, document, "skipCompletedPartials", default=True)
    head.interval_minutes = _minutes(head, document, "intervalMinutes", default=15)
    head.delay_minutes = _minutes(head, document, "delayMinutes", default=0)
    _time_zone(head, document.get("timeZone"))
    _pci_document(head, document.get("pciDocument"))
    return head


def name_fault(name: str) -> str | None:
    """Say in one sentence why a profile cannot have this name, or None."""
    if not 1 <= len(name) <= MOST_NAME:
        return f"A name has 1 to {MOST_NAME} characters."
    if _NOT_IN_A_NAME.search(name):
        return "A name holds no slash and no control characters."
    if name in {".", ".."}:
        return "A name of dots alone cannot stand in an address."
    return None


@cache
def time_zones() -> frozenset[str]:
    """Give the names of all IANA time zones."""
    return frozenset(zoneinfo.available_timezones()) - _NO_PLACES


def _name(head: Head, given: object, told: str | None) -> None:
    if given is None and told is not None:
        given = told
    if not isinstance(given, str):
        head.fault("name", "Give a name.")
        return
    head.name = given.strip()
    if (message := name_fault(head.name)) is not None:
        head.fault("name", message)
    elif told is not None and head.name != told.strip():
        head.fault("name", "The name is unlike the one in the address.")


def _export_type(head: Head, given: object) -> None:
    if given is not None and not isinstance(given, str):
        head.fault("exportType", "Give a text such as postback.")
        return
    head.export_type = given


def _switch(head: Head, document: Mapping[Any, Any], key: str, *, default: bool) -> bool:
    given = document.get(key)
    if given is None:
        return default
    if not isinstance(given, bool):
        head.fault(key, "Give true or false.")
        return default
    return given


def _minutes(head: Head, document: Mapping[Any, Any], key: str, *, default: int) -> int:
    given = document.get(key)
    if given is None:
        return default
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= MOST_MINUTES:
        head.fault(key, f"Give a whole number of minutes from 0 to {MOST_MINUTES}.")
        return default
    return given


def _time_zone(head: Head, given: object) -> None:
    if given is None:
        return
    if not isinstance(given, str) or given not in time_zones():
        head.fault("timeZone", "Give an IANA time zone such as Europe/Berlin, or null for the account's.")
        return
    head.time_zone = given


def _pci_document(head: Head, given: object) -> None:
    if given is None:
        return
    if not isinstance(given, Mapping):
        head.fault("pciDocument", "Give null or an object with reference and validUntil.")
        return
    head.faults += unknown_keys(given, ("reference", "validUntil"), "pciDocument")
    reference, until = given.get("reference"), given.get("validUntil")
    if not isinstance(reference, str) or not reference.strip() or len(reference) > MOST_REFERENCE:
        head.fault("pciDocument.reference", f"Give the document's reference, at most {MOST_REFERENCE} characters.")
    elif _CONTROLS.search(reference):
        head.fault("pciDocument.reference", "A reference holds no control characters.")
    else:
        head.pci_reference = reference.strip()
    try:
        if not isinstance(until, str) or len(until) != len("2026-12-31"):
            raise ValueError(until)
        head.pci_valid_until = date.fromisoformat(until)
    except ValueError:
        head.fault("pciDocument.validUntil", "Give a day such as 2026-12-31.")
