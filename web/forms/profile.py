"""The form of one profile: general settings, the exporter's own, field mappings and routes."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    FieldList,
    FormField,
    HiddenField,
    IntegerField,
    StringField,
    widgets,
)
from wtforms.validators import Optional

from exporters.base import AnySettings
from web.forms.rows import MappingRow, RouteRow, mapping_values, route_values
from web.forms.settings import GroupSetting, settings_form

MOST_ROWS = 600


class ProfileForm(FlaskForm):
    """What every profile has. `drawn` adds the exporter's settings."""

    makes_files: ClassVar[bool] = False
    version = HiddenField()
    name = StringField("Profile name", description="What people call it. No slash.")
    enabled = BooleanField(
        "Enabled",
        default=True,
        description="Off: nothing new is collected, what waits is held. Switched on, it also takes the last 24 hours.",
    )
    interval_minutes = IntegerField(
        "Interval (minutes)", [Optional()], default=15, description="0: as it happens.", widget=widgets.NumberInput()
    )
    delay_minutes = IntegerField(
        "Export Delay (minutes)",
        [Optional()],
        default=0,
        description="Added to the interval: 15 and 5 run every 20 minutes.",
    )
    time_zone = StringField(
        "Time zone", description="For dates in this profile, such as Europe/Berlin. Empty: the account's."
    )
    skip_completed_partials = BooleanField(
        "Skip completed partials",
        default=True,
        description="A Partial is not sent any more once its order was completed.",
    )
    pci_reference = StringField("PCI document", description="Needed to export card or bank fields.")
    pci_valid_until = StringField("Valid until", widget=widgets.DateInput())
    mappings = FieldList(FormField(MappingRow), max_entries=MOST_ROWS)
    routes = FieldList(FormField(RouteRow), max_entries=MOST_ROWS)

    def document(self, *, export_type: str, paused: bool) -> dict[str, Any]:
        """Write the form as a profile document. Rows nobody wrote into are no rows."""
        self.settings: GroupSetting
        pci = {"reference": self.pci_reference.data, "validUntil": self.pci_valid_until.data}
        document = {
            "name": self.name.data or "",
            "exportType": export_type,
            "enabled": bool(self.enabled.data),
            "paused": paused,
            "intervalMinutes": self.interval_minutes.data,
            "delayMinutes": self.delay_minutes.data,
            "timeZone": (self.time_zone.data or "").strip() or None,
            "skipCompletedPartials": bool(self.skip_completed_partials.data),
            "pciDocument": pci if any(pci.values()) else None,
            "settings": self.settings.document(),
            "mappings": [row.form.document() for row in self.used("mappings")],
            "routes": [row.form.document() for row in self.used("routes")],
        }
        return {key: value for key, value in document.items() if value is not None}

    def used(self, name: str) -> list[Any]:
        """Give the rows somebody wrote into, in the document's order."""
        return [row for row in self[name] if not row.form.is_blank]

    def hang(self, path: str, message: str) -> None:
        """Put a fault of the document at its field; what has none stands above the form."""
        field = self.field_at(path)
        if field is None:
            self.form_errors.append(f"{path}: {message}" if path else message)
        elif hasattr(field, "form"):  # a whole row, or a group
            field.faults = [*getattr(field, "faults", ()), message]
        else:
            field.errors = [*field.errors, message]

    def field_at(self, path: str) -> Any:
        """Give the field that a path of the document stands for; None when there is none."""
        steps = re.findall(r"[^.\[\]]+", path)
        if not steps:
            return None
        head, rest = steps[0], steps[1:]
        if head == "settings":
            return _deepest(self.settings, rest) if rest else None
        if head in _ROWS and rest:
            rows = self.used(head)
            row = rows[int(rest[0])] if rest[0].isdecimal() and int(rest[0]) < len(rows) else None
            return row if row is None or len(rest) == 1 else self._cell(row, rest[1])
        name = _TOP.get(".".join(steps[:2])) or _TOP.get(head)
        return self[name] if name else None

    @staticmethod
    def _cell(row: Any, key: str) -> Any:
        name = _CELLS.get(key)
        return row.form[name] if name else row


_ROWS = {"mappings": MappingRow, "routes": RouteRow}
_CELLS = {
    "exportName": "name",
    "field": "field",
    "static": "value",
    "template": "value",
    "modifiers": "modifiers",
    "type": "type",
    "whenEmpty": "empty",
    "secret": "secret",
    "customerType": "customer_type",
    "campaign": "campaign",
    "product": "product",
}
_TOP = {
    "name": "name",
    "enabled": "enabled",
    "intervalMinutes": "interval_minutes",
    "delayMinutes": "delay_minutes",
    "timeZone": "time_zone",
    "skipCompletedPartials": "skip_completed_partials",
    "pciDocument": "pci_reference",
    "pciDocument.validUntil": "pci_valid_until",
}


def drawn(settings: AnySettings, *, makes_files: bool = False) -> type[ProfileForm]:
    """Draw the form for one export type."""
    fields: dict[str, Any] = {"settings": GroupSetting(settings_form(settings), "Settings"), "makes_files": makes_files}
    if makes_files:
        fields["delay_minutes"] = IntegerField(
            "Export Delay (minutes)",
            [Optional()],
            default=0,
            description="An order is so old before a file takes it; a Partial completed meanwhile is left out.",
            widget=widgets.NumberInput(),
        )
        fields["time_zone"] = StringField(
            "Time zone", description="Of the schedule, names and dates, such as Europe/Berlin. Empty: the account's."
        )
    return type("DrawnProfileForm", (ProfileForm,), fields)


def values_of(document: dict[str, Any], *, version: int) -> dict[str, Any]:
    """Give the form's values for a profile document."""
    pci = document.get("pciDocument") or {}
    values: dict[str, Any] = {
        field: document[key] for key, field in _TOP.items() if key in document and field != "pci_reference"
    }
    values |= {
        "version": version,
        "pci_reference": pci.get("reference", ""),
        "pci_valid_until": pci.get("validUntil"),
        "settings": document.get("settings", {}),
        "mappings": [mapping_values(row) for row in document.get("mappings", ())],
        "routes": [route_values(row) for row in document.get("routes", ())],
    }
    return values


def _deepest(group: Any, steps: list[str]) -> Any:
    """Follow a path into nested groups as far as there are fields for it."""
    field = group
    for step in steps:
        form = getattr(field, "form", None)
        if form is None or step not in form:
            break
        field = form[step]
    return field
