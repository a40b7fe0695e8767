"""Where a sealed secret belongs: profile, field and origin. Sealing and opening must say the same words."""

from __future__ import annotations

from typing import Any

from models.profile import Profile
from models.sealed import Seal

SEALED = "sealed"
"""Key of a sealed setting as it is stored: {"signingSecret": {"sealed": "..."}}."""


def settings_place(profile_id: int, key: str, origin: str) -> tuple[str, ...]:
    """Name the place of a secret setting. origin: scheme, host and port it may be sent to."""
    return ("profiles", str(profile_id), f"settings.{key}", origin)


def mapping_place(profile_id: int, export_name: str, occurrence: int, origin: str) -> tuple[str, ...]:
    """Name the place of a secret mapping, by its Export Name and occurrence (from 0) in the profile."""
    return ("mappings", str(profile_id), export_name, str(occurrence), origin)


def is_sealed(value: object) -> bool:
    """Say whether a stored setting is a sealed secret."""
    return isinstance(value, dict) and set(value) == {SEALED}


def open_settings(profile: Profile, seal: Seal, origin: str) -> dict[str, Any]:
    """Give a profile's settings with every secret opened. Raises CannotOpen."""
    return {
        key: seal.open(value[SEALED], *settings_place(profile.id, key, origin)) if is_sealed(value) else value
        for key, value in profile.settings.items()
    }
