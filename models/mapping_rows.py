"""Field mappings as they are stored: rows -> the rules' tree, and their secret statics opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from models.profile import Mapping, Profile
from models.rules import mapping as rules
from models.sealed import Seal
from models.secret_places import mapping_place


class UnreadableMappings(Exception):
    """What is stored was never checked by us: somebody wrote it into the table."""


def read_rows(rows: Sequence[Mapping]) -> tuple[rules.FieldMapping, ...]:
    """Read stored mappings. Raises UnreadableMappings with the first fault."""
    reading = rules.read([row_document(row) for row in rows], keeps_secrets=True)
    if reading.faults:
        fault = reading.faults[0]
        raise UnreadableMappings(f"{fault.path}: {fault.message}")
    return reading.mappings


def open_statics(profile: Profile, seal: Seal, origin: str) -> list[str | None]:
    """Give each mapping's static text, secret ones opened, in mapping order. Raises CannotOpen."""
    seen: Counter[str] = Counter()
    texts: list[str | None] = []
    for row in profile.mappings:
        place = mapping_place(profile.id, row.export_name, seen[row.export_name], origin)
        texts.append(row.static if row.sealed is None else seal.open(row.sealed, *place))
        seen[row.export_name] += 1
    return texts


def row_document(row: Mapping) -> dict[str, object]:
    """Write a stored row as in the profile document, but with its secret mark said; a sealed text is left out."""
    sources = {"field": row.field, "static": row.static, "template": row.template}
    document: dict[str, object] = {name: text for name, text in sources.items() if text is not None}
    document["exportName"] = row.export_name
    document["secret"] = row.secret
    document["modifiers"] = list(row.modifiers or ())
    document["type"] = row.type
    document["whenEmpty"] = row.when_empty
    return document
