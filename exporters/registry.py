"""The only list of export types."""

from __future__ import annotations

from exporters.base import RecordExporter
from exporters.errors import UnknownKind
from exporters.postback import Postback

RECORDS: tuple[type[RecordExporter], ...] = (Postback,)


def record_exporter(kind: str) -> type[RecordExporter]:
    """Return the exporter of this kind. Raises UnknownKind."""
    for exporter in RECORDS:
        if exporter.kind == kind:
            return exporter
    known = ", ".join(exporter.kind for exporter in RECORDS)
    raise UnknownKind(f'there is no export type "{kind}"; there are: {known}')
