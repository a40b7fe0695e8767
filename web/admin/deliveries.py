"""Deliveries: newest first, with what people are told of each; its own page has every attempt."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose

from models.account import Role
from models.base import db
from models.by_hand import cancel, send_again
from models.delivery import Attempt, Delivery
from models.event import Event
from models.finding import FAILING, STREAMS, Wanted, looked_until, newest
from models.gates import shown_reason, shown_state
from models.profile import Gate, Profile
from web import audit, installed
from web.admin import asked
from web.admin.page import PAGE_SIZE, Page
from web.audit import Act
from web.guard import actor, needs

STATES = {
    "pending": "pending: waits for its time",
    "leased": "leased: on its way",
    "held": "held: waits for its profile or a person",
    "delivered": "delivered",
    "skipped": "skipped",
    "cancelled": "cancelled",
}
FILTERS = ("profile", "state", "customer", "order", "event", "status", "since", "until")
OPEN = frozenset({"pending", "leased", "held"})
MOST_ATTEMPTS = 100


class Deliveries(Page):
    """The list, the page of one, and what an operator may do to it."""

    @expose("/")
    def index(self) -> str:
        """List deliveries by what was asked for; pages are cut by id, never counted."""
        before = asked.number("before")
        wanted = _wanted(before)
        rows = db.session.execute(_listed(newest(db.session(), wanted, limit=PAGE_SIZE + 1))).all()
        stopped = looked_until(db.session(), wanted) if len(rows) <= PAGE_SIZE else None
        return str(
            self.render(
                "admin/deliveries.html",
                rows=rows[:PAGE_SIZE],
                older=rows[PAGE_SIZE - 1].id if len(rows) > PAGE_SIZE else stopped,
                is_cut=stopped is not None,
                is_newest=before is None,
                profiles=db.session.execute(_profiles()).all(),
                states={FAILING: "failing: tried, not delivered yet", **STATES},
                asked={name: asked.text(name) for name in FILTERS},
                again=_as_replay(),
            )
        )

    @expose("/<int:delivery_id>")
    def one(self, delivery_id: int) -> str:
        """Show one delivery with its attempts, the last first."""
        found = db.session.execute(_one(asked.row_id(delivery_id))).one_or_none() or abort(404)
        attempts = db.session.scalars(
            sa.select(Attempt)
            .where(Attempt.delivery_id == delivery_id)
            .order_by(Attempt.started_at.desc(), Attempt.lease_token.desc())
            .limit(MOST_ATTEMPTS)
        ).all()
        return str(
            self.render(
                "admin/delivery.html",
                page_name=f"Delivery {delivery_id}",
                row=found,
                attempts=attempts,
                is_open=found.Delivery.state in OPEN,
                is_cut=len(attempts) == MOST_ATTEMPTS,
            )
        )

    @expose("/<int:delivery_id>/again", methods=("POST",))
    @needs(Role.OPERATOR)
    def again(self, delivery_id: int) -> ResponseReturnValue:
        """Send it once more."""
        done = send_again(db.session(), [_existing(delivery_id)])
        if done:
            audit.note(Act.SENT_AGAIN, f"delivery {delivery_id}", actor=actor())
        db.session.commit()
        installed.ring()
        if done:
            flash("Due now: it is sent again.", "success")
        else:
            flash(
                "Not sent again: it is on its way at this moment, its profile is deleted, or its order was paid by test card.",
                "error",
            )
        return redirect(url_for(".one", delivery_id=delivery_id))

    @expose("/<int:delivery_id>/cancel", methods=("POST",))
    @needs(Role.OPERATOR)
    def cancel(self, delivery_id: int) -> ResponseReturnValue:
        """Give it up, in the name of the person who says why."""
        reason = request.form.get("reason", "").replace("\x00", "").strip()[:500]
        _existing(delivery_id)
        if not reason:
            flash("Say why you cancel it.", "error")
            return redirect(url_for(".one", delivery_id=delivery_id))
        done = cancel(db.session(), [delivery_id], actor=actor(), reason=reason)
        if done:
            audit.note(Act.CANCELLED, f"delivery {delivery_id}", actor=actor(), text=reason)
        db.session.commit()
        flash("Cancelled." if done else "It was finished already.", "success" if done else "error")
        return redirect(url_for(".one", delivery_id=delivery_id))


def _existing(delivery_id: int) -> int:
    found = db.session.scalar(sa.select(Delivery.id).where(Delivery.id == asked.row_id(delivery_id)))
    return found or abort(404)


def _shown() -> sa.Select[Any]:
    return (
        sa.select(shown_state.label("state"), shown_reason.label("reason"))
        .join(Event, Event.id == Delivery.event_id)
        .join(Profile, Profile.id == Delivery.profile_id)
        .outerjoin(Gate, Gate.profile_id == Profile.id)
    )


def _one(delivery_id: int) -> sa.Select[Any]:
    return _shown().add_columns(Delivery, Event, Profile, Gate.fault_message).where(Delivery.id == delivery_id)


def _wanted(before: int | None) -> Wanted:
    number, state = asked.number("profile"), asked.text("state")
    return Wanted(
        before=before,
        profiles=Profile.id == number if number else None,
        state=state if state in STREAMS else None,
        customer_id=asked.text("customer") or None,
        order_key=asked.text("order") or None,
        event_key=asked.text("event") or None,
        status=asked.number("status"),
        since=asked.moment("since"),
        until=asked.moment("until"),
    )


def _listed(found: sa.Subquery) -> sa.Select[Any]:
    statement = _shown().add_columns(
        Delivery.id,
        Delivery.tries,
        Delivery.retried,
        Delivery.due_at,
        Delivery.finished_at,
        Event.customer_type,
        Event.customer_id,
        Event.order_key,
        Event.event_key,
        Profile.name.label("profile"),
        Profile.id.label("profile_id"),
    )
    return statement.join(found, found.c.id == Delivery.id).order_by(Delivery.id.desc())


def _as_replay() -> dict[str, str]:
    """Say the filters in the words of a replay's form."""
    name = None
    if (number := asked.number("profile")) is not None:
        name = db.session.scalar(sa.select(Profile.name).where(Profile.id == number, Profile.deleted_at.is_(None)))
    state = asked.text("state")
    given = {
        "profile": name or "",
        "state": state if state in STATES else "",
        "customer": asked.text("customer"),
        "event": asked.text("event"),
        "since": asked.text("since"),
        "until": asked.text("until"),
    }
    return {key: text for key, text in given.items() if text}


def _profiles() -> sa.Select[Any]:
    return sa.select(Profile.id, Profile.name, Profile.deleted_at).order_by(
        Profile.deleted_at.is_not(None), sa.func.lower(Profile.name)
    )
