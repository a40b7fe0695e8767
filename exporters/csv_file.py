"""CSV: a file that waits here until somebody downloads it. Nothing is sent anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from exporters.base import AnySettings, Column, Door, Fault, Receipt, RunFile, Sending, Step
from exporters.columns import header_name
from exporters.csv_settings import CsvSettings

_WAITS = "ready to download"


class CsvFile:
    """Makes files to download."""

    kind: ClassVar[str] = "csv"
    label: ClassVar[str] = "CSV"
    Settings: ClassVar[AnySettings] = CsvSettings
    uploads: ClassVar[bool] = False

    def __init__(self, settings: CsvSettings, columns: Sequence[Column]) -> None:
        self.settings = settings
        self._columns = tuple(columns)

    def target(self) -> str:
        """Return "download"."""
        return "download"

    def faults(self) -> Iterator[Fault]:
        """Yield the secret columns: a file is kept, shown and passed on."""
        yield from faults_in(self._columns)

    def destination(self) -> str | None:
        """Return None: nothing is dialled."""
        return None

    def place(self, file: RunFile, sending: Sending, door: Door) -> Receipt:  # noqa: ARG002 -- the protocol's signature
        """Say that the file is where it belongs."""
        return Receipt(_WAITS)

    def look(self, door: Door) -> Receipt:  # noqa: ARG002 -- the protocol's signature
        """Say that there is nothing to look at."""
        return Receipt(_WAITS)

    def probe(self, door: Door) -> Iterator[Step]:  # noqa: ARG002 -- the protocol's signature
        """Yield one step: there is no server to ask."""
        yield Step("download", ok=True, duration_ms=0, message="The file waits here; no server is asked.")


def faults_in(columns: Sequence[Column]) -> Iterator[Fault]:
    """Yield every column that cannot stand in a file."""
    for index, column in enumerate(columns):
        if column.secret:
            yield Fault(index, "a file is no place for a secret: set secret to false or leave the column out")
    if columns and all(header_name(column) is not None for column in columns):
        yield Fault(0, "a file needs a column: header: mappings do nothing in files")


def warnings_in(settings: CsvSettings, columns: Sequence[Column]) -> Iterator[Fault]:
    """Yield what people should know and may leave as it is; the index -1 stands for the preset."""
    for index, column in enumerate(columns):
        if header_name(column) is not None:
            yield Fault(index, "header: mappings do nothing in files")
    if settings.preset.startswith("excel"):
        yield Fault(-1, "Excel drops leading zeros, as in postal codes and phone numbers, when it opens a file.")
