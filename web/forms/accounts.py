"""Forms for people and API keys."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    EmailField,
    IntegerField,
    PasswordField,
    SelectField,
    SelectMultipleField,
    StringField,
    validators,
    widgets,
)
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # the stubs lag behind 3.3

from models.account import Role, Scope
from web.login import MIN_PASSWORD

ROLES = {
    Role.VIEWER: "viewer: sees lists, attempts, history",
    Role.OPERATOR: "operator: also runs, sends again, pauses, cancels",
    Role.EDITOR: "editor: also changes profiles and their secrets",
    Role.ADMIN: "admin: also people and API keys",
}

SCOPES = {
    Scope.EVENTS_WRITE: "events:write, bring events in",
    Scope.READ: "read, see profiles, deliveries, history",
    Scope.OPERATE: "operate, run and replay",
    Scope.PROFILES_WRITE: "profiles:write, change profiles",
}


class NewUserForm(FlaskForm):
    """A new person, who chooses a password by a one-time link."""

    email = EmailField("E-mail address", [validators.InputRequired(), validators.Length(max=254)])
    role = SelectField("Role", choices=[SelectChoice(role.value, text) for role, text in ROLES.items()])


class UserForm(FlaskForm):
    """What an admin can change of a person."""

    role = SelectField("Role", choices=[SelectChoice(role.value, text) for role, text in ROLES.items()])
    active = BooleanField("May sign in", description="Taken away, all sign-ins end.")


class ChoosePasswordForm(FlaskForm):
    """A password, chosen by a one-time link."""

    password = PasswordField(
        "Password",
        [validators.InputRequired()],
        description=f"At least {MIN_PASSWORD} characters. A few words you can remember are better than a short riddle.",
        render_kw={"autocomplete": "new-password"},
    )


class ChangePasswordForm(FlaskForm):
    """A new password instead of the old one."""

    password = PasswordField(
        "New password",
        [validators.InputRequired()],
        description=f"At least {MIN_PASSWORD} characters.",
        render_kw={"autocomplete": "new-password"},
    )
    old = PasswordField(
        "Present password", [validators.InputRequired()], render_kw={"autocomplete": "current-password"}
    )


class ZoneForm(FlaskForm):
    """In which zone a person reads times."""

    time_zone = SelectField("Time zone", default="", description="Of every time you read and give here.")


class CodeForm(FlaskForm):
    """A code of the authenticator app."""

    code = StringField(
        "Code",
        [validators.InputRequired()],
        description="The six digits the app shows now.",
        render_kw={"autocomplete": "one-time-code", "inputmode": "numeric"},
    )


class KeyForm(FlaskForm):
    """A new API key."""

    name = StringField("Name", [validators.InputRequired(), validators.Length(max=100)])
    scopes = SelectMultipleField(
        "May",
        [validators.InputRequired("Tick at least one.")],
        choices=[SelectChoice(scope.value, text) for scope, text in SCOPES.items()],
        option_widget=widgets.CheckboxInput(),
        widget=widgets.ListWidget(prefix_label=False),
    )
    days = IntegerField(
        "Good for days", [validators.Optional(), validators.NumberRange(1, 3650)], description="Empty: until revoked."
    )
