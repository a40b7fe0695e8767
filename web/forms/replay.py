"""To which deliveries something is done, what, and how fast."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from flask_wtf import FlaskForm
from wtforms import DateTimeLocalField, FloatField, IntegerField, SelectField, StringField, validators
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # the stubs lag behind 3.3

from models.by_hand import Deed
from models.finding import FAILING
from models.replay import MOST_PER_SECOND, Filters
from web.api.queries import STATES
from web.delivery_acts import WORDS
from web.profiles.faults import is_storable

MINUTES = ("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")


def _storable(_form: FlaskForm, field: StringField) -> None:
    if field.data and not is_storable(field.data):
        raise validators.ValidationError("This text holds no whole characters.")


class ReplayForm(FlaskForm):
    """What to do, and the filters. Left empty, a filter takes all."""

    deed = SelectField(
        "Do this",
        default=Deed.SEND_AGAIN.value,
        choices=[SelectChoice(deed.value, words) for deed, words in WORDS.items()],
    )
    reason = StringField(
        "Why",
        [validators.Length(max=500), _storable],
        description="To put aside or cancel: it stands with each delivery.",
    )

    profile = SelectField("Profile", default="")
    state = SelectField(
        "State",
        default="",
        choices=[SelectChoice("", "All states"), *(SelectChoice(state, state) for state in (FAILING, *STATES))],
    )
    since = DateTimeLocalField("Accepted from", [validators.Optional()], format=list(MINUTES))
    until = DateTimeLocalField("Accepted before", [validators.Optional()], format=list(MINUTES))
    customer = StringField("Customer id", [validators.Length(max=300), _storable])
    event = StringField("Event id", [validators.Length(max=300), _storable])
    order = StringField("Order id", [validators.Length(max=300), _storable])
    status = IntegerField("Refused with HTTP status", [validators.Optional(), validators.NumberRange(300, 999)])
    per_second = FloatField(
        "At most so many in a second",
        [validators.Optional(), validators.NumberRange(0.1, MOST_PER_SECOND)],
        description="Empty: as fast as the profile's own limits allow.",
    )

    def validate_reason(self, field: StringField) -> None:
        """Refuse to hold or cancel without a word."""
        if self.deed.data in set(Deed) and Deed(self.deed.data).needs_reason and not (field.data or "").strip():
            raise validators.ValidationError("Say why: whoever sees it later wants to know.")

    @property
    def pace(self) -> float | None:
        """How many in a second; None: no limit."""
        return self.per_second.data

    def filters(self, zone: ZoneInfo) -> Filters:
        """Give what was asked for; times are meant in the account's zone."""
        return Filters(
            profile=self.profile.data or None,
            state=self.state.data or None,
            customer_id=(self.customer.data or "").strip() or None,
            event_id=(self.event.data or "").strip() or None,
            order_key=(self.order.data or "").strip() or None,
            status=self.status.data,
            since=_moment(self.since.data, zone),
            until=_moment(self.until.data, zone),
        )


def _moment(given: datetime | None, zone: ZoneInfo) -> datetime | None:
    return None if given is None else given.replace(tzinfo=zone).astimezone(UTC)
