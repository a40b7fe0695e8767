"""Draws the form of any exporter from its settings model, and reads it back as a profile document's `settings`.

Titles, descriptions and limits come from the model; the save parses with the same model, so nothing is judged here.
A field left empty is left out of the document, and the model's default holds.
"""

from __future__ import annotations

import json
import types
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from wtforms import Form, FormField, SelectField, widgets
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # the stubs lag behind 3.3

from exporters.fields import Mark, OnlyWith, group, labels, marks, only_with, presets, secret_names
from web.forms.setting_fields import (
    MISSING,
    AreaSetting,
    ChoiceSetting,
    ForgetTick,
    LinesSetting,
    NumberSetting,
    ScalarSetting,
    SecretAreaSetting,
    SecretSetting,
    TextSetting,
    TickSetting,
)

FORGET = "forget_"
LONG = 500


class GroupSetting(FormField):  # type: ignore[type-arg]  # generic in the stubs only
    """A model inside the model, or one of several (`kind` chooses)."""

    form: Any

    def process(self, formdata: Any, data: Any = None, extra_filters: Any = None) -> None:  # noqa: ARG002 -- WTForms' signature
        """Fill the inner form. Its values come as one argument: a setting may be called `prefix`."""
        inner = data if isinstance(data, Mapping) else {}
        self.object_data = inner
        self.form = self.form_class(formdata=formdata, prefix=f"{self.name}{self.separator}", data=dict(inner))

    def document(self) -> object:
        """Give the inner document; left out when an optional choice is empty."""
        return self.form.document()


class SettingsForm(Form):
    """Base of all drawn forms. Fields bear the document's own keys.

    groups name those under each heading, depends those that mean something only with another one's choice.
    """

    model: ClassVar[type[BaseModel]]
    groups: ClassVar[Mapping[str | None, list[str]]]
    depends: ClassVar[Mapping[str, OnlyWith]]

    def document(self) -> object:
        """Read the form back as a document."""
        given = {field.short_name: field.document() for field in self}  # type: ignore[attr-defined]  # ours have it
        for name in [name for name, value in given.items() if value is MISSING]:
            tick = self._fields.get(f"{FORGET}{name}")
            if tick is not None and tick.data:
                given[name] = None
        return {name: value for name, value in given.items() if value is not MISSING}

    def tell_stored(self, keys: Iterable[str]) -> None:
        """Say which secrets are stored; the form then offers to keep them or to take them away."""
        for key in keys:
            if isinstance(field := self._fields.get(key), SecretSetting | SecretAreaSetting):
                field.is_stored = True


class RuleForm(Form):
    """One of several models, each by a key of its own, or none."""

    kinds: ClassVar[Mapping[str, type[BaseModel]]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        stored = kwargs.pop("data", None) or {}
        kind = next((key for key in self.kinds if key in stored), "")
        kwargs["data"] = {"kind": kind, **({kind: stored} if kind else {})}
        super().__init__(*args, **kwargs)

    def document(self) -> object:
        """Give the chosen model's document; MISSING when none is chosen."""
        kind = self["kind"].data
        return self[kind].document() if kind in self.kinds else MISSING  # type: ignore[attr-defined]  # a GroupSetting


def settings_form(model: type[BaseModel]) -> type[SettingsForm]:
    """Draw a model: a form class with one field for each of its settings."""
    fields = {_key(name, info): _draw(model, name, info) for name, info in model.model_fields.items()}
    for name in secret_names(model):
        if not model.model_fields[name].is_required():
            fields[FORGET + _key(name, model.model_fields[name])] = ForgetTick("Remove the stored one")
    return type(
        f"{model.__name__}Form",
        (SettingsForm,),
        {"model": model, "groups": _groups(model), "depends": _depends(model), **fields},
    )


def _depends(model: type[BaseModel]) -> dict[str, OnlyWith]:
    found = {_key(name, info): only_with(model, name) for name, info in model.model_fields.items()}
    return {key: mark for key, mark in found.items() if mark is not None}


def _groups(model: type[BaseModel]) -> dict[str | None, list[str]]:
    found: dict[str | None, list[str]] = {}
    for name, info in model.model_fields.items():
        found.setdefault(group(model, name), []).append(_key(name, info))
    return found


def _key(name: str, info: FieldInfo) -> str:
    return info.alias or name


def _draw(model: type[BaseModel], name: str, info: FieldInfo) -> Any:
    inner = _without_none(info.annotation)
    label, help_text = info.title or name.replace("_", " ").capitalize(), info.description or ""
    if models := _models(inner):
        return _group(models, label, help_text)
    default = None if info.is_required() else info.get_default(call_default_factory=True)
    common: dict[str, Any] = {"description": help_text, "default": default}
    if inner is bool:
        return TickSetting(label, **common)
    if inner is SecretStr:
        return _secret(model, name, label, help_text)
    if choices := _choices(inner):
        words = labels(model, name)
        shown = [SelectChoice(word, words.get(word, word)) for word in choices]
        none = [] if info.is_required() or default is not None else [SelectChoice("", "")]
        return ChoiceSetting(
            label, choices=[*none, *shown], validate_choice=False, render_kw=_fills(model, name), **common
        )
    if inner in {int, float, Decimal}:
        return NumberSetting(label, widget=widgets.NumberInput(), render_kw=_limits(info, inner), **common)
    if get_origin(inner) in {list, tuple}:
        return LinesSetting(label, description=f"{help_text} One a line.".strip(), default=default)
    if Mark.TEXT_AREA in marks(model, name):
        return AreaSetting(label, render_kw={"rows": 4, "data-wide": "1"}, **common)
    if inner is str:
        return TextSetting(label, render_kw={"data-wide": "1"} if _is_long(info) else None, **common)
    return ScalarSetting(label, **common)


def _secret(model: type[BaseModel], name: str, label: str, help_text: str) -> Any:
    if Mark.TEXT_AREA in marks(model, name):
        return SecretAreaSetting(label, description=help_text, render_kw={"rows": 4, "autocomplete": "off"})
    return SecretSetting(label, description=help_text, render_kw={"autocomplete": "new-password"})


def _fills(model: type[BaseModel], name: str) -> dict[str, str] | None:
    """Tell the page's script which fields a choice fills, by the document's keys."""
    if not (filled := presets(model, name)):
        return None
    keys = {field: _key(field, info) for field, info in model.model_fields.items()}
    by_key = {word: {keys[field]: value for field, value in values.items()} for word, values in filled.items()}
    return {"data-presets": json.dumps(by_key)}


def _group(models: list[type[BaseModel]], label: str, help_text: str) -> GroupSetting:
    if len(models) == 1:
        return GroupSetting(settings_form(models[0]), label, description=help_text)
    kinds = {_first_key(model): model for model in models}
    choices = [SelectChoice("", "a 2xx answer, nothing more")]
    choices += [SelectChoice(kind, (model.__doc__ or kind).strip().rstrip(".")) for kind, model in kinds.items()]
    fields: dict[str, Any] = {kind: GroupSetting(settings_form(model), kind) for kind, model in kinds.items()}
    fields["kind"] = SelectField(label, choices=choices, description=help_text, validate_choice=False)
    return GroupSetting(type("DrawnRuleForm", (RuleForm,), {"kinds": kinds, **fields}), label, description=help_text)


def _first_key(model: type[BaseModel]) -> str:
    name, info = next(iter(model.model_fields.items()))
    return _key(name, info)


def _without_none(annotation: Any) -> Any:
    """Strip Annotated and `| None`; a union of several stays as it is."""
    if get_origin(annotation) is Annotated:
        return _without_none(get_args(annotation)[0])
    parts = _parts(annotation)
    return _without_none(parts[0]) if len(parts) == 1 and parts[0] is not annotation else annotation


def _parts(annotation: Any) -> list[Any]:
    if get_origin(annotation) in {Union, types.UnionType}:
        return [part for part in get_args(annotation) if part is not type(None)]
    return [annotation]


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Name the models a field may hold; empty when it holds none."""
    found: list[type[BaseModel]] = []
    for part in _parts(annotation):
        inner = _without_none(part)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found.append(inner)
        elif inner is not annotation:
            found += _models(inner)
    return found


def _choices(annotation: Any) -> list[str]:
    if get_origin(annotation) is Literal:
        return [str(word) for word in get_args(annotation)]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(member.value) for member in annotation]
    return []


def _limits(info: FieldInfo, kind: Any) -> dict[str, Any]:
    limits: dict[str, Any] = {"step": "1" if kind is int else "any"}
    for mark in info.metadata:
        for name, attribute in (("min", "ge"), ("max", "le")):
            if hasattr(mark, attribute):
                limits[name] = getattr(mark, attribute)
    return limits


def _is_long(info: FieldInfo) -> bool:
    return any(getattr(mark, "max_length", 0) >= LONG for mark in info.metadata)
