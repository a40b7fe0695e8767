"""Test connection: the steps of an exporter against its server, for a stored profile or one that was never saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exporters.base import FileExporter, Step
from exporters.errors import UnknownKind
from exporters.registry import file_exporter
from exporters.transfer import FileDoor
from models.base import db
from models.profile import Profile
from models.rules.mapping import Fault
from web import audit, installed
from web.audit import Act
from web.profiles.faults import Refused, readable
from web.profiles.settings import address_faults, read_settings
from web.profiles.shown import document_of
from web.test_pace import take_turn


def probe_stored(profile: Profile, *, actor: str) -> list[Step]:
    """Test a stored profile's connection. Raises Refused."""
    document = document_of(profile)
    return probe(document["exportType"], document["settings"], profile=profile, actor=actor)


def probe(kind: object, settings: object, *, profile: Profile | None, actor: str) -> list[Step]:
    """Test the connection that these settings ask for; secrets left out are the stored profile's.

    Raises Refused, of which TooManyTests is one. Commits before it dials: no transaction is open while the network is used.
    """
    exporter = _exporter(kind, settings, profile)
    take_turn(db.session(), actor)
    target = f"profile {profile.name}" if profile is not None else "a profile not saved yet"
    audit.note(Act.TESTED, target, actor=actor, text=exporter.target())
    db.session.commit()
    return list(exporter.probe(FileDoor(installed.guard())))


def steps_document(steps: list[Step]) -> dict[str, Any]:
    """Write the steps as in the API."""
    return {
        "ok": all(step.ok for step in steps),
        "steps": [
            {
                "stage": step.stage,
                "ok": step.ok,
                "durationMs": step.duration_ms,
                "message": step.message,
                "hint": step.hint,
                "hostKey": step.host_key,
            }
            for step in steps
        ],
    }


def _exporter(kind: object, settings: object, profile: Profile | None) -> FileExporter:
    if not isinstance(kind, str):
        raise Refused([Fault("exportType", "Give the export type, such as ftp.")])
    try:
        found = file_exporter(kind)
    except UnknownKind as error:
        raise Refused([Fault("exportType", readable(str(error)))]) from error
    given = settings if isinstance(settings, Mapping) else {}
    blocked = address_faults(installed.guard(), found.Settings, given)
    read = read_settings(found.Settings, settings, profile=profile, seal=installed.seal())
    if read.faults or blocked or read.model is None:
        raise Refused([*read.faults, *blocked])
    return found(read.model, [])
