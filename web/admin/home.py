"""Home: how every profile is doing, what needs a person, and the way to every list."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask import current_app
from flask_admin import expose
from sqlalchemy.exc import OperationalError

from models.base import db, utc_now
from models.delivery import Attempt, Delivery
from models.gates import gate_reason
from models.heartbeat import Heartbeat
from models.profile import Gate, Profile, Route
from web.admin.file_states import file_states
from web.admin.page import IndexPage

PATIENCE_MS = 3000
TICK_IS_LATE = timedelta(minutes=1)


class Home(IndexPage):
    """The first page."""

    @expose("/")
    def index(self) -> str:
        """Show what waits, what went out today, and what needs a person."""
        profiles = db.session.execute(_profiles()).all()
        waiting = {row.profile_id: row for row in db.session.execute(_waiting())}
        tick = db.session.scalar(sa.select(Heartbeat.at).where(Heartbeat.name == "tick"))
        return str(
            self.render(
                "admin/home.html",
                profiles=profiles,
                waiting=waiting,
                files=file_states([row.Profile for row in profiles], _midnight()),
                delivered=_patiently(_delivered_since(_midnight())),
                tick=tick,
                tick_is_late=tick is None or utc_now() - tick > TICK_IS_LATE,
                now=utc_now(),
                without_route=db.session.execute(_without_route()).all(),
            )
        )


def _profiles() -> sa.Select[Any]:
    return (
        sa.select(Profile, gate_reason.label("closed"), Gate.fault, Gate.fault_message, Gate.fault_since)
        .outerjoin(Gate, Gate.profile_id == Profile.id)
        .where(Profile.deleted_at.is_(None))
        .order_by(sa.func.lower(Profile.name))
    )


def _waiting() -> sa.Select[Any]:
    """Count what is open by profile; the partial indexes hold nothing else."""
    return (
        sa.select(
            Delivery.profile_id,
            sa.func.count().label("count"),
            sa.func.min(Delivery.due_at).label("oldest"),
            sa.func.count().filter(Delivery.retried).label("failing"),
        )
        .where(Delivery.state == "pending")
        .group_by(Delivery.profile_id)
    )


def _delivered_since(moment: datetime) -> sa.Select[Any]:
    return (
        sa.select(Delivery.profile_id, sa.func.count())
        .join(Attempt, Attempt.delivery_id == Delivery.id)
        .where(Attempt.started_at >= moment, Attempt.outcome == "delivered")
        .group_by(Delivery.profile_id)
    )


def _without_route() -> sa.Select[Any]:
    has_route = sa.exists().where(Route.profile_id == Profile.id, Route.enabled)
    return sa.select(Profile.id, Profile.name).where(Profile.deleted_at.is_(None), Profile.enabled, ~has_route)


def _patiently(statement: sa.Select[Any]) -> dict[int, int] | None:
    """Give the counts by profile; None when Postgres takes too long to count that many."""
    try:
        with db.session.begin_nested():
            db.session.execute(sa.text(f"SET LOCAL statement_timeout = {PATIENCE_MS}"))
            return {row[0]: row[1] for row in db.session.execute(statement)}
    except OperationalError:
        return None


def _midnight() -> datetime:
    zone = ZoneInfo(current_app.config["WAYBILL"].account_time_zone)
    return utc_now().astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
