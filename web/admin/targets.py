"""Where a profile sends to, in one line, without opening any secret."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from exporters.base import AnySettings, Column, Settings
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
        return kind(_without_secrets(kind.Settings, settings), columns).target()
    except (ExporterError, ValidationError):
        return "settings cannot be used"


def _without_secrets(kind: AnySettings, given: dict[str, Any]) -> Settings:
    """Read settings of which the secrets are left out. A server asks for its password: then they are taken as stored."""
    required = {info.alias or name for name, info in kind.model_fields.items() if info.is_required()}
    try:
        return kind.model_validate(given)
    except ValidationError:
        if not required <= given.keys():
            raise
        return kind.model_construct(**given)


def is_clear_text(profile: Profile) -> bool:
    """Say whether password and data go out readable for everybody on the way."""
    kind = LABELS.get(profile.export_type) and exporter_of(profile.export_type)
    return bool(kind and getattr(kind, "in_clear_text", lambda _settings: False)(profile.settings))


def label_of(export_type: str) -> str:
    """Give the export type as people read it."""
    return LABELS.get(export_type, export_type)
