"""The only list of export types."""

from __future__ import annotations

from exporters.base import FileExporter, RecordExporter
from exporters.csv_file import CsvFile
from exporters.errors import UnknownKind
from exporters.ftp import Ftp
from exporters.postback import Postback

RECORDS: tuple[type[RecordExporter], ...] = (Postback,)
FILES: tuple[type[FileExporter], ...] = (Ftp, CsvFile)

AnyExporter = type[RecordExporter] | type[FileExporter]

KINDS: tuple[AnyExporter, ...] = (*RECORDS, *FILES)


def record_exporter(kind: str) -> type[RecordExporter]:
    """Return the exporter of this kind that sends a request per event. Raises UnknownKind."""
    for exporter in RECORDS:
        if exporter.kind == kind:
            return exporter
    raise _unknown(kind, RECORDS)


def file_exporter(kind: str) -> type[FileExporter]:
    """Return the exporter of this kind that makes files. Raises UnknownKind."""
    for exporter in FILES:
        if exporter.kind == kind:
            return exporter
    raise _unknown(kind, FILES)


def exporter_of(kind: str) -> AnyExporter:
    """Return the exporter of this kind, whatever it sends. Raises UnknownKind."""
    for exporter in KINDS:
        if exporter.kind == kind:
            return exporter
    raise _unknown(kind, KINDS)


def _unknown(kind: str, among: tuple[AnyExporter, ...]) -> UnknownKind:
    known = ", ".join(exporter.kind for exporter in among)
    return UnknownKind(f'there is no export type "{kind}"; there are: {known}')
