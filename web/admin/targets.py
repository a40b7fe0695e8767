"""Where a profile sends to, in one line, without opening any secret."""

from __future__ import annotations

from pydantic import ValidationError

from exporters.base import Column
from exporters.errors import ExporterError
from exporters.registry import KINDS, exporter_of
from models.profile import Profile
from models.secret_places import is_sealed

LABELS = {exporter.kind: exporter.label for exporter in KINDS}


def target_of(profile: Profile) -> str:
    """Give "GET postingmydata.com"; a sentence when what is stored cannot be used."""
    settings = {key: value for key, value in profile.settings.items() if not is_sealed(value)}
    columns = [Column(name=row.export_name, static=row.static, secret=row.secret) for row in profile.mappings]
    try:
        kind = exporter_of(profile.export_type)
        return kind(kind.Settings.model_validate(settings), columns).target()
    except (ExporterError, ValidationError):
        return "settings cannot be used"


def label_of(export_type: str) -> str:
    """Give the export type as people read it."""
    return LABELS.get(export_type, export_type)
