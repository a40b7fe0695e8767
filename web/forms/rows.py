"""The rows of a profile: one form for a field mapping, one for a route, each to and from its part of the document."""

from __future__ import annotations

import re
from typing import Any

from wtforms import Form, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # the stubs lag behind 3.3

from models.rules.customer_types import CustomerType
from models.rules.mapping import ValueType, WhenEmpty

ALL = "all"


def _select(label: str, choices: dict[str, str]) -> SelectField:
    return SelectField(
        label, choices=[SelectChoice(value, text) for value, text in choices.items()], validate_choice=False
    )


class MappingRow(Form):
    """Export Name <- Field, Static value or Template."""

    name = StringField("Export Name")
    source = _select("From", {"field": "Field", "static": "Static", "template": "Template"})
    field = StringField("Field")
    value = TextAreaField("Value")
    modifiers = StringField("Modifiers")
    type = _select("Type", {"": "auto"} | {kind.value: kind.value for kind in ValueType})
    empty = _select("When empty", {"": "auto"} | {what.value: what.value for what in WhenEmpty})
    secret = _select("Secret", {"": "auto", "yes": "yes", "no": "no"})

    @property
    def is_blank(self) -> bool:
        """Say whether nobody has written anything into the row."""
        return not any((self.name.data, self.field.data, self.value.data, self.modifiers.data))

    @property
    def keeps_secret(self) -> bool:
        """Say whether the row stands for a stored secret that stays as it is."""
        return self.source.data == "static" and self.secret.data == "yes" and not self.value.data

    def document(self) -> dict[str, object]:
        """Write the row as in the profile document."""
        row: dict[str, object] = {"exportName": self.name.data or ""}
        source = self.source.data or "field"
        if not self.keeps_secret:
            text = self.field.data if source == "field" else self.value.data
            row[source] = (text or "").replace("\r\n", "\n")
        if chain := split_chain(self.modifiers.data or ""):
            row["modifiers"] = chain
        row |= {key: value for key, value in (("type", self.type.data), ("whenEmpty", self.empty.data)) if value}
        if source == "static" and self.secret.data:
            row["secret"] = self.secret.data == "yes"
        return row


class RouteRow(Form):
    """Customer type x campaign (or all) x product (or all)."""

    customer_type = _select("Customer type", {"": "Choose ..."} | {kind.value: kind.label for kind in CustomerType})
    campaign = StringField("Campaign", default=ALL)
    product = StringField("Product", default=ALL)

    @property
    def is_blank(self) -> bool:
        """Say whether nobody has chosen anything in the row."""
        return not self.customer_type.data and {self.campaign.data or ALL, self.product.data or ALL} == {ALL}

    def document(self) -> dict[str, object]:
        """Write the row as in the profile document."""
        return {
            "customerType": self.customer_type.data or "",
            "campaign": (self.campaign.data or ALL).strip(),
            "product": (self.product.data or ALL).strip(),
        }


def mapping_values(row: dict[str, Any]) -> dict[str, Any]:
    """Give the form's values for a mapping of a document."""
    source = next((key for key in ("field", "template") if key in row), "static")
    secret = row.get("secret")
    return {
        "name": row.get("exportName", ""),
        "source": source,
        "field": row.get("field", ""),
        "value": row.get(source, "") if source != "field" else "",
        "modifiers": join_chain(row.get("modifiers") or ()),
        "type": row.get("type") or "",
        "empty": row.get("whenEmpty") or "",
        "secret": "" if secret is None else "yes" if secret else "no",
    }


def route_values(row: dict[str, Any]) -> dict[str, Any]:
    """Give the form's values for a route of a document; its type may be a label."""
    slugs = {kind.label: kind.value for kind in CustomerType}
    return {
        "customer_type": slugs.get(row["customerType"], row["customerType"]),
        "campaign": str(row.get("campaign", ALL)),
        "product": str(row.get("product", ALL)),
    }


def split_chain(text: str) -> list[str]:
    r"""Split `trim | map:a=b` into modifiers; `\|` is the character itself."""
    parts = re.split(r"(?<!\\) ?\| ?", text)
    return [part.replace("\\|", "|") for part in parts if part.strip()]


def join_chain(modifiers: Any) -> str:
    """Write modifiers as one line that `split_chain` reads back."""
    return " | ".join(str(modifier).replace("|", "\\|") for modifier in modifiers)
