"""The field mappings of a profile document: read, checked against cards and the exporter, stored with sealed secrets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from exporters.base import Column, Settings, WhenEmpty
from exporters.registry import AnyExporter
from models.profile import Mapping, Profile
from models.rules import cards
from models.rules import mapping as rules
from models.rules.catalogue import Field
from models.rules.mapping import Fault, FieldMapping, Static
from models.rules.templates import Template
from models.sealed import CannotOpen, Seal
from models.secret_places import mapping_place
from web.profiles.settings import AGAIN


@dataclass(frozen=True, slots=True)
class Row:
    """One good row, with its place in the document. static is the text of a Static mapping, secret or not."""

    index: int
    mapping: FieldMapping
    static: str | None

    @property
    def sets_secret(self) -> bool:
        """Whether a secret came with the document; one that is kept did not."""
        source = self.mapping.source
        return self.mapping.secret and isinstance(source, Static) and source.text is not None


@dataclass(slots=True)
class GivenMappings:
    """What was read. rows are all of the document's only when there are no faults."""

    rows: list[Row] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)


def read_mappings(given: object, *, profile: Profile | None, seal: Seal, origin: str | None) -> GivenMappings:
    """Read the `mappings` of a document. A secret without a static is taken from the stored profile.

    origin: where the profile will send to; None while that is not known, then no stored secret is opened.
    """
    given = [] if given is None else given
    reading = rules.read(given, keeps_secrets=True)
    read = GivenMappings(faults=list(reading.faults), warnings=list(reading.warnings))
    kept = _Kept(profile, seal, origin)
    for index, mapping in _good(given, reading):
        text = mapping.source.text if isinstance(mapping.source, Static) else None
        occurrence = kept.count(mapping.export_name)
        if isinstance(mapping.source, Static) and text is None:
            text = kept.text(mapping.export_name, occurrence)
            if text is None and (origin is not None or not kept.holds(mapping.export_name, occurrence)):
                read.faults.append(Fault(f"mappings[{index}]", kept.message(mapping.export_name, occurrence)))
                continue
        read.faults += _card_faults(index, mapping, text)
        read.rows.append(Row(index, mapping, text))
    return read


def sensitive_faults(read: GivenMappings) -> Iterator[Fault]:
    """Name the rows that need a PCI document before the profile may be enabled."""
    places = [row.index for row in read.rows]
    for fault in rules.sensitive_fields([row.mapping for row in read.rows]):
        index, _, rest = fault.path.removeprefix("mappings[").partition("]")
        yield Fault(f"mappings[{places[int(index)]}]{rest}", fault.message)


def exporter_faults(read: GivenMappings, kind: AnyExporter, settings: Settings) -> Iterator[Fault]:
    """Say what the exporter itself has against the rows."""
    for fault in kind(settings, [column_of(row) for row in read.rows]).faults():
        message = fault.message[:1].upper() + fault.message[1:]
        yield Fault(f"mappings[{read.rows[fault.index].index}]", message if message.endswith(".") else f"{message}.")


def column_of(row: Row) -> Column:
    """Give a row as the exporter sees it."""
    when_empty = row.mapping.when_empty
    return Column(
        name=row.mapping.export_name,
        when_empty=WhenEmpty(when_empty.value) if when_empty else None,
        static=row.static,
        secret=row.mapping.secret,
    )


def stored_rows(rows: Sequence[Row], *, profile_id: int, seal: Seal, origin: str) -> list[Mapping]:
    """Make the table's rows, secrets sealed for this profile and origin."""
    seen: Counter[str] = Counter()
    stored: list[Mapping] = []
    for row in rows:
        name = row.mapping.export_name
        place = mapping_place(profile_id, name, seen[name], origin)
        seen[name] += 1
        stored.append(_stored(row, seal.close(row.static or "", *place) if row.mapping.secret else None))
    return stored


def _stored(row: Row, sealed: str | None) -> Mapping:
    mapping = row.mapping
    return Mapping(
        export_name=mapping.export_name,
        field=mapping.source.name if isinstance(mapping.source, Field) else None,
        static=row.static if isinstance(mapping.source, Static) and sealed is None else None,
        template=mapping.source.text if isinstance(mapping.source, Template) else None,
        sealed=sealed,
        secret=mapping.secret,
        modifiers=list(mapping.written),
        type=mapping.type.value if mapping.type else None,
        when_empty=mapping.when_empty.value if mapping.when_empty else None,
    )


def _good(given: object, reading: rules.Reading) -> Iterator[tuple[int, FieldMapping]]:
    """Yield the rows without a fault, with their place."""
    if not reading.faults:
        yield from enumerate(reading.mappings)
        return
    if not isinstance(given, Sequence) or isinstance(given, str | bytes) or len(given) > rules.MAX_MAPPINGS:
        return
    for index, row in enumerate(given):
        alone = rules.read([row], keeps_secrets=True)
        if not alone.faults:
            yield index, alone.mappings[0]


def _card_faults(index: int, mapping: FieldMapping, static: str | None) -> Iterator[Fault]:
    if static and (message := cards.scan_text(static)) is not None:
        yield Fault(f"mappings[{index}].static", message)
    if isinstance(mapping.source, Template) and (message := cards.scan_text(mapping.source.text)) is not None:
        yield Fault(f"mappings[{index}].template", message)
    for place, written in enumerate(mapping.written):
        if (message := cards.scan_text(written)) is not None:
            yield Fault(f"mappings[{index}].modifiers[{place}]", message)


class _Kept:
    """The statics the profile has now, by Export Name and occurrence."""

    def __init__(self, profile: Profile | None, seal: Seal, origin: str | None) -> None:
        self._rows: dict[tuple[str, int], Mapping] = {}
        self._profile_id = profile.id if profile is not None else 0
        self._seal = seal
        self._origin = origin or ""
        self._counted: Counter[str] = Counter()
        seen: Counter[str] = Counter()
        for row in profile.mappings if profile is not None else ():
            self._rows[row.export_name, seen[row.export_name]] = row
            seen[row.export_name] += 1

    def count(self, export_name: str) -> int:
        """Give the occurrence of the next row of this name."""
        self._counted[export_name] += 1
        return self._counted[export_name] - 1

    def holds(self, export_name: str, occurrence: int) -> bool:
        """Say whether a static is stored, whether or not it may be opened."""
        row = self._rows.get((export_name, occurrence))
        return row is not None and (row.sealed is not None or row.static is not None)

    def text(self, export_name: str, occurrence: int) -> str | None:
        """Give the stored static; None when there is none, or when it may not go to this origin."""
        row = self._rows.get((export_name, occurrence))
        if row is None or row.sealed is None:
            return None if row is None else row.static
        try:
            return self._seal.open(row.sealed, *mapping_place(self._profile_id, export_name, occurrence, self._origin))
        except CannotOpen:
            return None

    def message(self, export_name: str, occurrence: int) -> str:
        """Say why nothing could be kept."""
        row = self._rows.get((export_name, occurrence))
        if row is None or row.sealed is None:
            return f"{AGAIN}: none is stored under this name."
        return f"{AGAIN}: the stored one is bound to another address, or its key is gone."
