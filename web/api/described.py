"""What the OpenAPI document says of a view: written beside the view, in its own words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, TypeVar

from pydantic import BaseModel

View = TypeVar("View", bound=Callable[..., Any])
Shapes = type[BaseModel] | UnionType


@dataclass(frozen=True, slots=True)
class Description:
    """answers: status -> shape, or several with |; None for an answer without a body. query: a shape whose fields are the parameters."""

    summary: str
    answers: Mapping[int, Shapes | None]
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    note: str = ""
    body_types: tuple[str, ...] = ("application/json",)
    answer_type: str = "application/json"


_descriptions: dict[Callable[..., Any], Description] = {}


def describe(
    summary: str,
    *,
    answers: Mapping[int, Shapes | None],
    body: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    note: str = "",
    body_types: tuple[str, ...] = ("application/json",),
    answer_type: str = "application/json",
) -> Callable[[View], View]:
    """Describe a view for the OpenAPI document and the page made from it."""

    def keep(view: View) -> View:
        _descriptions[view] = Description(summary, answers, body, query, note, body_types, answer_type)
        return view

    return keep


def description_of(view: Callable[..., Any]) -> Description | None:
    """Give what was said of a view."""
    return _descriptions.get(view)
