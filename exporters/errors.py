"""What can go wrong on the way out.

    ExporterError                 says what and where, never holds a secret
    +-- TryAgain                  the same bytes may be taken later
    +-- NeedsPerson               waiting will not heal it
        +-- BadSettings           the profile's settings or mappings cannot make a request
            +-- BadAddress        a URL is refused as it is written
            +-- UnknownKind       no exporter has this kind
        +-- AddressBlocked        the address may not be dialled
        +-- Gone                  410: the receiver wants no more
        +-- Unsendable            this one record cannot be sent

Anything else that leaves an exporter is a bug of ours.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum


class Blame(StrEnum):
    """Whose fault a failed try is; the circuit breaker counts by it (docs/rules.md, Answers)."""

    RECEIVER = "receiver"  # counts against the receiver
    ROW = "row"  # the record's fault: says nothing about the receiver
    NOBODY = "nobody"  # the receiver answered and is alive: counts as a success


class Scope(StrEnum):
    """What stops until a person acts."""

    ROW = "row"
    PROFILE = "profile"


class ExporterError(Exception):
    """Base of all. `str(error)` is one readable line without a secret."""


class TryAgain(ExporterError):
    """The delivery failed and is due again later.

    retry_after is what the receiver asked for, already bounded; shuts_gate says that the wait
    holds for the whole profile (429 and 503); alerts marks answers a person should look at.
    """

    def __init__(
        self,
        message: str,
        *,
        blame: Blame = Blame.RECEIVER,
        retry_after: timedelta | None = None,
        shuts_gate: bool = False,
        alerts: bool = False,
    ) -> None:
        super().__init__(message)
        self.blame = blame
        self.retry_after = retry_after
        self.shuts_gate = shuts_gate
        self.alerts = alerts


class NeedsPerson(ExporterError):
    """Waiting alone will not heal it. probe_after: when one try may look again (None: never by itself)."""

    scope = Scope.PROFILE
    probe_after: timedelta | None = None


class BadSettings(NeedsPerson):
    """The stored settings or mappings cannot make a request."""


class BadAddress(BadSettings, ValueError):
    """A URL is refused as it is written. A ValueError too, so that pydantic hangs it on its field."""


class UnknownKind(BadSettings):
    """No exporter has this kind; the message lists those there are."""


class AddressBlocked(NeedsPerson):
    """The address guard refused to dial. address is for admins only, never part of the message."""

    probe_after = timedelta(minutes=15)

    def __init__(self, address: str | None = None) -> None:
        super().__init__("address not allowed")
        self.address = address


class Gone(NeedsPerson):
    """410: the receiver says that nobody waits here any more."""

    probe_after = timedelta(hours=6)


class Unsendable(NeedsPerson):
    """This one record cannot be put into a request; the others can."""

    scope = Scope.ROW
