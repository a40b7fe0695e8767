"""Tell, in one line of the log each, which profile has waited for 1, 6 and 24 hours, and that it is over."""

from __future__ import annotations

import logging
from datetime import datetime

import sqlalchemy as sa

from models import alerts

log = logging.getLogger(__name__)


def look(engine: sa.Engine, now: datetime) -> None:
    """Raise and clear. Told after the commit: what was not kept is seen, and told, by the next tick."""
    for row in alerts.move(engine, now):
        facts = {"profile_id": row.profile_id, "hours": row.hours, "since": row.since.isoformat()}
        if row.is_raised:
            log.warning("alert.raised", extra=facts | {"fault": row.because})
        else:
            log.info("alert.cleared", extra=facts | {"because": row.because})
