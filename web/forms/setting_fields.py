"""The single fields of a drawn settings form. Each gives its part of the document, or MISSING."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from wtforms import BooleanField, PasswordField, SelectField, StringField, TextAreaField

MISSING = object()
"""The field is left out of the document."""


class TextSetting(StringField):
    """A text, as it is typed."""

    def document(self) -> object:
        """Give the text; left out when empty."""
        return self.data or MISSING


class AreaSetting(TextAreaField):
    """Several lines."""

    def document(self) -> object:
        """Give the text with plain line ends; left out when empty."""
        return (self.data or "").replace("\r\n", "\n") or MISSING


class LinesSetting(AreaSetting):
    """A list, one entry a line."""

    def process_data(self, value: Any) -> None:
        """Show the list as lines."""
        self.data = "\n".join(str(entry) for entry in value or ())

    def document(self) -> object:
        """Give the list of lines that are not blank; left out when there is none."""
        return [line.strip() for line in (self.data or "").splitlines() if line.strip()] or MISSING


class NumberSetting(StringField):
    """A number; what is none is handed on as it was typed, so that the save names the fault."""

    def document(self) -> object:
        """Give the number, exact."""
        text = "" if self.data is None else str(self.data).strip()
        if not text:
            return MISSING
        try:
            return int(text)
        except ValueError:
            return _float(text)


class ScalarSetting(StringField):
    """A JSON value: true, 12, null; anything else is a text."""

    def process_data(self, value: Any) -> None:
        """Show texts bare, unless they would read as something else."""
        bare = isinstance(value, str) and _scalar(value) == value
        self.data = value if bare else json.dumps(value, default=str)

    def document(self) -> object:
        """Give the value."""
        return _scalar(self.data or "")


class TickSetting(BooleanField):
    """Yes or no."""

    def document(self) -> object:
        """Give true or false."""
        return bool(self.data)


class ChoiceSetting(SelectField):
    """One of a few words."""

    def document(self) -> object:
        """Give the chosen word; left out when none is."""
        return self.data or MISSING


class SecretSetting(PasswordField):
    """A secret: never shown; empty keeps the stored one."""

    is_stored = False

    def document(self) -> object:
        """Give the new secret; left out to keep the stored one."""
        return self.data or MISSING


class SecretAreaSetting(TextAreaField):
    """A secret of several lines, such as a private key: never shown; empty keeps the stored one."""

    is_stored = False

    def _value(self) -> str:
        """Write nothing into the page, whatever was typed."""
        return ""

    def document(self) -> object:
        """Give the new secret with plain line ends; left out to keep the stored one."""
        return (self.data or "").replace("\r\n", "\n") or MISSING


class ForgetTick(BooleanField):
    """Beside an optional secret: take the stored one away."""

    def document(self) -> object:
        """It is no setting itself; the form reads it beside its secret."""
        return MISSING


def _float(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


def _scalar(text: str) -> object:
    try:
        value = json.loads(text, parse_float=Decimal)
    except ValueError:
        return text
    return text if isinstance(value, dict | list) else value
