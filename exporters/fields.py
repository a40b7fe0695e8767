"""What a form must know about a setting beyond its type: marks, hung on a field with `Annotated`.

    url: Annotated[str, Mark.FORGETS_SECRETS] = Field(title="Postback URL")

A `SecretStr` needs no mark: it is write-only by its type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr


class Mark(Enum):
    """One thing a form must know."""

    TEXT_AREA = "text area"  # several lines
    FORGETS_SECRETS = "forgets secrets"  # a new origin (Settings.origin_of) must not get the old secrets
    DIALLED = "dialled"  # where a refused address is told


@dataclass(frozen=True)
class Labels:
    """What people read in place of a choice's stored word."""

    of: Mapping[str, str]


@dataclass(frozen=True)
class Group:
    """The heading under which a form draws the setting."""

    title: str


@dataclass(frozen=True)
class Presets:
    """What each choice of this setting fills in others, by attribute; a form does it at once."""

    of: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class OnlyWith:
    """The setting means something only while another one, named as in the document, has one of these words."""

    key: str
    words: tuple[str, ...]


def only_with(model: type[BaseModel], name: str) -> OnlyWith | None:
    """Return what one field depends on; None: it always means something."""
    return next((mark for mark in model.model_fields[name].metadata if isinstance(mark, OnlyWith)), None)


def presets(model: type[BaseModel], name: str) -> Mapping[str, Mapping[str, Any]]:
    """Return what the choices of one field fill; nothing for most."""
    return next((mark.of for mark in model.model_fields[name].metadata if isinstance(mark, Presets)), {})


def labels(model: type[BaseModel], name: str) -> Mapping[str, str]:
    """Return the labels of one field's choices; a word that is missing is its own label."""
    return next((mark.of for mark in model.model_fields[name].metadata if isinstance(mark, Labels)), {})


def group(model: type[BaseModel], name: str) -> str | None:
    """Return the heading of one field; None: it stands under none."""
    return next((mark.title for mark in model.model_fields[name].metadata if isinstance(mark, Group)), None)


def marks(model: type[BaseModel], name: str) -> frozenset[Mark]:
    """Return the marks of one field of a settings model."""
    return frozenset(mark for mark in model.model_fields[name].metadata if isinstance(mark, Mark))


def marked(model: type[BaseModel], mark: Mark) -> tuple[str, ...]:
    """Return the names of the fields that bear this mark."""
    return tuple(name for name in model.model_fields if mark in marks(model, name))


def secret_names(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the names of the fields that are write-only."""
    return tuple(name for name, field in model.model_fields.items() if _holds_secret(field.annotation))


def _holds_secret(annotation: Any) -> bool:
    if get_origin(annotation) in (Union, UnionType):
        return any(_holds_secret(part) for part in get_args(annotation))
    return annotation is SecretStr
