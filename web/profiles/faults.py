"""What is wrong with a profile document, place by place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from models.rules.mapping import Fault


class Refused(Exception):
    """A profile document is refused. faults holds every fault with its place, such as mappings[2].field."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = list(faults)
        super().__init__("; ".join(f"{fault.path}: {fault.message}" for fault in self.faults))


class Busy(Exception):
    """The profile cannot be switched on at this moment; the same call may work a little later."""


def unknown_keys(given: Mapping[Any, Any], known: Iterable[str], place: str = "") -> Iterable[Fault]:
    """Yield a fault for each key that is none of ours."""
    known = frozenset(known)
    for key in given:
        if key not in known:
            shown = readable(str(key))[:60]
            yield Fault(f"{place}.{shown}" if place else shown, "This key is unknown.")


def readable(text: str) -> str:
    """Make any text fit for an answer: controls and halves of characters become question marks."""
    return "".join(char if char.isprintable() else "?" for char in text)


def is_storable(text: str) -> bool:
    """Say whether Postgres can keep the text: no NUL, no half of a character."""
    return not any(char == "\x00" or "\ud800" <= char <= "\udfff" for char in text)
