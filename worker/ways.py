"""The exporters of file profiles as they are set now: a retry goes by today's host and password, with the run's bytes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr, ValidationError
from sqlalchemy.orm import Session

from exporters.base import FileExporter
from exporters.errors import BadSettings, UnknownKind
from exporters.registry import file_exporter
from models.profile import Profile
from models.sealed import CannotOpen, Seal
from models.secret_places import open_settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Way:
    """One profile at one version. folder is a template; secrets must appear in no record of ours.

    is_open: a file grows under its final name, so that somebody may have it from its first byte on.
    """

    profile_id: int
    version: int
    name: str
    exporter: FileExporter
    destination: str
    folder: str
    is_open: bool
    secrets: tuple[str, ...]


class Ways:
    """A cache by profile and version."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal
        self._ways: dict[int, Way] = {}

    def get(self, session: Session, profile_id: int) -> Way:
        """Give a profile's way as it is stored now. Raises BadSettings when the settings cannot be used."""
        version = session.scalars(sa.select(Profile.version).where(Profile.id == profile_id)).one()
        way = self._ways.get(profile_id)
        if way is None or way.version != version:
            profile = session.get_one(Profile, profile_id)
            try:
                way = self._ways[profile_id] = _way(profile, self._seal)
            except BadSettings:
                raise
            except Exception as error:  # somebody wrote into the table what no check let through; the others go on
                log.exception("profile.unusable", extra={"profile_id": profile_id})
                raise BadSettings(f"internal error: {type(error).__name__}") from error
        return way


def _way(profile: Profile, seal: Seal) -> Way:
    try:
        kind = file_exporter(profile.export_type)
        origin = kind.Settings.origin_of(profile.settings)
        settings: Any = kind.Settings.model_validate(open_settings(profile, seal, origin))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise BadSettings(f"settings.{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (UnknownKind, CannotOpen) as error:
        raise BadSettings(str(error)) from error
    exporter = kind(settings, ())
    destination = exporter.destination()
    if destination is None:
        raise BadSettings("files of this profile are fetched, not uploaded")
    given = dict(settings)
    secrets = tuple(value.get_secret_value() for value in given.values() if isinstance(value, SecretStr))
    return Way(
        profile_id=profile.id,
        version=profile.version,
        name=profile.name,
        exporter=exporter,
        destination=destination,
        folder=str(given.get("folder", "")),
        is_open=given.get("temp_name") == "none",
        secrets=tuple(secret for secret in secrets if secret),
    )
