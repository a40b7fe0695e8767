"""What can go wrong on the way out.

    ExporterError                 says what and where, never holds a secret
    +-- TryAgain                  the same bytes may be taken later
    |   +-- Refused               a file server said no to one command: look hourly, tell people at once
    +-- NeedsPerson               waiting will not heal it
        +-- BadSettings           the profile's settings or mappings cannot make a request
            +-- BadAddress        a URL is refused as it is written
            +-- UnknownKind       no exporter has this kind
        +-- AddressBlocked        the address may not be dialled
        +-- Gone                  410: the receiver wants no more
        +-- Unsendable            this one record cannot be sent
        +-- LoginRefused          a file server does not take user, password or key
        +-- HostKeyChanged        an SFTP server shows a key that is not pinned
        +-- BadCertificate        an FTPS server's certificate cannot be trusted
        +-- NameTaken             a file of this name is there, and must not be touched
        +-- SizeUnknown           a file server does not tell how long a file is

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
    """Base of all. `str(error)` is one readable line without a secret.

    Of file servers: stage is the step that failed (exporters.base.Step), passed those that went well before it while
    the session was being opened, as (stage, milliseconds, words).
    """

    stage: str | None = None
    passed: tuple[tuple[str, int, str], ...] = ()


class TryAgain(ExporterError):
    """The delivery failed and is due again later.

    retry_after is what the receiver asked for, already bounded; shuts_gate says that the wait
    holds for the whole profile (429 and 503); alerts marks answers a person should look at; slow: of files, it is
    tried hourly, and people are told at once.
    """

    def __init__(
        self,
        message: str,
        *,
        blame: Blame = Blame.RECEIVER,
        retry_after: timedelta | None = None,
        shuts_gate: bool = False,
        alerts: bool = False,
        slow: bool = False,
    ) -> None:
        super().__init__(message)
        self.blame = blame
        self.retry_after = retry_after
        self.shuts_gate = shuts_gate
        self.alerts = alerts or slow
        self.slow = slow


class Refused(TryAgain):
    """A file server refused one command: no right, no such folder, disk full. Somebody there can heal it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, slow=True)


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


class LoginRefused(NeedsPerson):
    """A file server does not take user, password or key. Some do so for a while only: the worker counts the tries."""


class HostKeyChanged(NeedsPerson):
    """An SFTP server shows a key that is not among the pinned ones; nothing was sent to it. Keys are "SHA256:..."."""

    def __init__(self, expected: tuple[str, ...], got: str) -> None:
        if expected:
            super().__init__(f"the server's host key is {got}, not {' or '.join(expected)}: ask whether it was changed")
        else:
            super().__init__(f"the server's host key is {got}, and none is trusted yet")
        self.expected = expected
        self.got = got


class BadCertificate(NeedsPerson):
    """An FTPS server's certificate is signed by nobody we trust, is for another name, or is over."""


class NameTaken(NeedsPerson):
    """A file of this name is there already, and the profile says that it must not be touched."""


class SizeUnknown(NeedsPerson):
    """A file server does not tell how long a file is, so that nobody can see whether it arrived whole."""
