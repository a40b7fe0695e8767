"""Stored profiles as documents. Secrets are left out."""

from __future__ import annotations

from typing import Any

from exporters.errors import UnknownKind
from exporters.registry import exporter_of
from models.mapping_rows import UnreadableMappings, read_rows
from models.profile import Mapping, Profile
from models.secret_places import is_sealed
from web.profiles import routes
from web.profiles.settings import keys_of, secret_keys


def document_of(profile: Profile) -> dict[str, Any]:
    """Write a stored profile as its document, every key with its value. Given to a PUT it changes nothing."""
    return {
        "name": profile.name,
        "exportType": profile.export_type,
        "enabled": profile.enabled,
        "paused": profile.paused,
        "intervalMinutes": profile.interval_minutes,
        "delayMinutes": profile.delay_minutes,
        "timeZone": profile.time_zone,
        "skipCompletedPartials": profile.skip_completed_partials,
        "pciDocument": _pci_document(profile),
        "settings": _settings(profile),
        "mappings": _mappings(profile),
        "routes": [routes.document_of(route) for route in profile.live_routes],
    }


def _pci_document(profile: Profile) -> dict[str, str] | None:
    if profile.pci_reference is None or profile.pci_valid_until is None:
        return None
    return {"reference": profile.pci_reference, "validUntil": profile.pci_valid_until.isoformat()}


def _settings(profile: Profile) -> dict[str, Any]:
    shown = {key: value for key, value in profile.settings.items() if not is_sealed(value)}
    try:
        kind = exporter_of(profile.export_type).Settings
    except UnknownKind:
        return shown
    # in the order of the settings model: the database keeps keys in an order of its own
    order = [key for key in keys_of(kind) if key not in secret_keys(kind)]
    return {key: shown[key] for key in order if key in shown}


def _mappings(profile: Profile) -> list[dict[str, object]]:
    try:
        return [mapping.document() for mapping in read_rows(profile.mappings)]
    except UnreadableMappings:  # written by another program: shown as it stands, so that it can be mended
        return [_as_it_stands(row) for row in profile.mappings]


def _as_it_stands(row: Mapping) -> dict[str, object]:
    source = {"field": row.field, "static": row.static, "template": row.template}
    given = {key: value for key, value in source.items() if value is not None and not row.secret}
    return {"exportName": row.export_name, **given} | ({"secret": True} if row.secret else {})
