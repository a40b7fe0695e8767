"""In which zone people read and write times: their own, else the account's."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from flask_security import current_user

from web import installed
from web.profiles.head import time_zones


def account() -> ZoneInfo:
    """Give the zone of the whole installation."""
    return ZoneInfo(installed.config().account_time_zone)


def of_person() -> ZoneInfo:
    """Give the zone of who looks at this page; the account's until they choose one on their own page."""
    name = getattr(current_user, "time_zone", None)
    return ZoneInfo(name) if name in time_zones() else account()
