"""The settings of a profile's exporter: checked by its settings model, secrets sealed, kept when not given anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError

from exporters.base import Settings
from exporters.errors import AddressBlocked, BadSettings
from exporters.fields import Mark, marked, secret_names
from exporters.guard import Guard
from exporters.transfer import judge_target
from models.profile import Profile
from models.rules.mapping import Fault
from models.sealed import CannotOpen, Seal
from models.secret_places import SEALED, is_sealed, settings_place
from web.profiles.faults import is_storable, readable, unknown_keys

AGAIN = "give the secret again"
"""The words of every refusal to keep a stored secret."""

_WORDS = {
    "missing": "This is required.",
    "extra_forbidden": "This key is unknown.",
    "int_type": "Give a whole number.",
    "int_parsing": "Give a whole number.",
    "int_from_float": "Give a whole number.",
    "float_type": "Give a number.",
    "float_parsing": "Give a number.",
    "bool_type": "Give true or false.",
    "bool_parsing": "Give true or false.",
    "string_type": "Give a text, in quotes.",
}


@dataclass(slots=True)
class GivenSettings:
    """What was read. With faults the model may hold defaults only: enough for the exporter to look at the mappings.

    origin is None while nobody knows where the profile sends to.
    """

    model: Settings | None = None
    origin: str | None = None
    faults: list[Fault] = field(default_factory=list)


def address_faults(guard: Guard, kind: type[Settings], given: object) -> list[Fault]:
    """Say whether the address in these settings may be dialled. May look its name up, so hold no lock meanwhile."""
    target = kind.dialled(given) if isinstance(given, Mapping) else None
    if target is None:
        return []
    try:
        judge_target(guard, *target)
    except AddressBlocked as blocked:
        (name,) = marked(kind, Mark.DIALLED)
        return [Fault(f"settings.{kind.model_fields[name].alias or name}", f"{blocked}.")]
    return []


def read_settings(kind: type[Settings], given: object, *, profile: Profile | None, seal: Seal) -> GivenSettings:
    """Check the settings of a document. Secrets that are left out are taken from the stored profile."""
    if given is None:
        given = {}
    if not isinstance(given, Mapping):
        return GivenSettings(faults=[Fault("settings", "Give an object.")])
    read = GivenSettings(faults=list(unknown_keys(given, keys_of(kind), "settings")))
    unstorable = [Fault(place, "This value cannot be stored.") for place in _unstorable(given, "settings")]
    if unstorable:
        read.faults += unstorable
        return read
    read.origin = _origin(kind, given)
    whole = {key: value for key, value in given.items() if key in keys_of(kind)}
    if profile is not None and read.origin is not None:
        _keep_secrets(read, kind, whole, profile, seal, read.origin)
    try:
        read.model = kind.model_validate(whole)
        read.faults += [Fault(f"settings.{wrong.key}", wrong.message) for wrong in read.model.mistakes()]
    except ValidationError as error:
        told = {fault.path for fault in read.faults}  # a secret that cannot be kept is not missing, too
        read.faults += [fault for fault in faults_of(error) if fault.path not in told]
        blank: dict[str, Any] = {name: "" for name, spec in kind.model_fields.items() if spec.is_required()}
        read.model = kind.model_construct(**blank)
    return read


def lacking(read: GivenSettings) -> list[Fault]:
    """Say what must still be given before the profile may be switched on."""
    lacks = read.model.lacks() if read.model is not None else ()
    return [Fault(f"settings.{lack.key}", lack.message) for lack in lacks]


def keys_of(kind: type[BaseModel]) -> tuple[str, ...]:
    """Give the settings' names as they stand in the document."""
    return tuple(spec.alias or name for name, spec in kind.model_fields.items())


def secret_keys(kind: type[BaseModel]) -> tuple[str, ...]:
    """Give the document's names of the write-only settings."""
    return tuple(kind.model_fields[name].alias or name for name in secret_names(kind))


def stored_form(model: Settings, *, profile_id: int, seal: Seal, origin: str) -> dict[str, Any]:
    """Write checked settings as they are stored: keys as in the document, secrets sealed for this profile and origin."""
    stored: dict[str, Any] = {}
    for key, value in model.model_dump(by_alias=True).items():
        if isinstance(value, SecretStr):
            sealed = seal.close(value.get_secret_value(), *settings_place(profile_id, key, origin))
            stored[key] = {SEALED: sealed}
        else:
            stored[key] = value
    return stored


def faults_of(error: ValidationError) -> Iterator[Fault]:
    """Say pydantic's findings in our words, each at its place. What was given is never repeated."""
    for found in error.errors(include_url=False, include_input=False):
        message = _WORDS.get(found["type"]) or readable(found["msg"].removeprefix("Value error, "))
        yield Fault(_path(found["loc"]), message if message.endswith(".") else f"{message}.")


def _path(loc: tuple[int | str, ...]) -> str:
    if loc[:1] == ("successBody",):
        loc = loc[:1] + loc[2:]  # the second is the kind of rule, which is no place of the document
    return "settings" + "".join(f"[{part}]" if isinstance(part, int) else f".{readable(part)[:60]}" for part in loc)


def _origin(kind: type[Settings], given: Mapping[str, object]) -> str | None:
    try:
        return kind.origin_of(given)
    except BadSettings:
        return None


def _keep_secrets(
    read: GivenSettings, kind: type[Settings], whole: dict[str, Any], profile: Profile, seal: Seal, target: str
) -> None:
    for key in secret_keys(kind):
        stored = profile.settings.get(key)
        if key in whole or not isinstance(stored, dict) or not is_sealed(stored):
            continue
        try:
            whole[key] = seal.open(stored[SEALED], *settings_place(profile.id, key, target))
        except CannotOpen:
            message = f"{AGAIN}: the stored one is bound to another address, or its key is gone."
            read.faults.append(Fault(f"settings.{key}", message))


def _unstorable(value: object, place: str) -> Iterator[str]:
    if (isinstance(value, str) and not is_storable(value)) or (isinstance(value, float) and not isfinite(value)):
        yield place
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if not is_storable(str(key)):
                yield place
            yield from _unstorable(inner, f"{place}.{readable(str(key))[:60]}")
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _unstorable(inner, f"{place}[{index}]")
