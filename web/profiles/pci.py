"""The PCI document of a profile with card or bank fields: needed to switch it on, and it does not last for ever."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from models.rules.mapping import Fault
from web.profiles.mappings import GivenMappings, sensitive_faults

AHEAD = timedelta(days=30)


def pci_warnings(read: GivenMappings, until: date | None, *, today: date) -> Iterator[Fault]:
    """Say that the document has ended, or soon will. It never stops a save: what is sent today was agreed to once."""
    if until is None or until > today + AHEAD or not any(sensitive_faults(read)):
        return
    if until < today:
        yield Fault("pciDocument.validUntil", f"The PCI document ended on {until}: ask the receiver for a new one.")
    else:
        yield Fault("pciDocument.validUntil", f"The PCI document ends on {until}: ask the receiver for a new one soon.")
