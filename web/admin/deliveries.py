"""Deliveries: newest first, with what people are told of each; its own page has every attempt."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa
from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose

from models.account import Role
from models.base import db
from models.by_hand import Deed
from models.delivery import Attempt, Delivery
from models.event import Event
from models.finding import FAILING, STREAMS, Wanted, looked_until, newest
from models.gates import shown_reason, shown_state
from models.profile import Gate, Profile
from web import installed
from web.admin import asked
from web.admin.page import PAGE_SIZE, Page
from web.delivery_acts import WORDS, NotPossible, act_on, act_on_one, reason_of
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
NO_REASON = "Say why: whoever sees it later wants to know."
LEFT = " {} stay as they are: finished, on their way, or not for that."


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
                deeds=WORDS,
                before=before,
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
        return _do(Deed.SEND_AGAIN, delivery_id)

    @expose("/<int:delivery_id>/hold", methods=("POST",))
    @needs(Role.OPERATOR)
    def hold(self, delivery_id: int) -> ResponseReturnValue:
        """Put it aside, in the name of the person who says why."""
        return _do(Deed.HOLD, delivery_id)

    @expose("/<int:delivery_id>/release", methods=("POST",))
    @needs(Role.OPERATOR)
    def release(self, delivery_id: int) -> ResponseReturnValue:
        """Let it go on."""
        return _do(Deed.RELEASE, delivery_id)

    @expose("/<int:delivery_id>/cancel", methods=("POST",))
    @needs(Role.OPERATOR)
    def cancel(self, delivery_id: int) -> ResponseReturnValue:
        """Give it up, in the name of the person who says why."""
        return _do(Deed.CANCEL, delivery_id)

    @expose("/many", methods=("POST",))
    @needs(Role.OPERATOR)
    def many(self) -> ResponseReturnValue:
        """Do something to all that are ticked in the list."""
        given: dict[str, Any] = {name: text for name in (*FILTERS, "before") if (text := asked.text(name))}
        back = redirect(url_for(".index", **given))
        ids = [
            int(text) for text in request.form.getlist("id")[:PAGE_SIZE] if re.fullmatch(r"[0-9]{1,18}", text, re.ASCII)
        ]
        name, reason = request.form.get("deed", ""), reason_of(request.form.get("reason", ""))
        if name not in set(Deed) or not ids:
            flash("Tick deliveries, and choose what to do to them.", "error")
        elif reason is None or (Deed(name).needs_reason and not reason):
            flash(NO_REASON, "error")
        else:
            done = act_on(db.session(), Deed(name), ids, actor=actor(), reason=reason)
            db.session.commit()
            installed.ring()
            left = len(set(ids)) - len(done)
            flash(
                f"{WORDS[Deed(name)]}: done to {len(done)}." + (LEFT.format(left) if left else ""),
                "success" if done else "error",
            )
        return back


def _do(deed: Deed, delivery_id: int) -> ResponseReturnValue:
    number, back = _existing(delivery_id), redirect(url_for(".one", delivery_id=delivery_id))
    reason = reason_of(request.form.get("reason", "")) if deed.needs_reason else ""
    if deed.needs_reason and not reason:
        flash(NO_REASON, "error")
        return back
    try:
        said = act_on_one(db.session(), deed, number, actor=actor(), reason=reason or "")
    except NotPossible as error:
        flash(str(error), "error")
        return back
    db.session.commit()
    installed.ring()
    flash(said, "success")
    return back


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
    number = asked.number("profile")
    return Wanted(
        before=before,
        profiles=None if number is None else Profile.id == number,
        state=asked.one_of("state", STREAMS) or None,
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
        "state": state if state in STREAMS else "",
        "customer": asked.text("customer"),
        "event": asked.text("event"),
        "order": asked.text("order"),
        "status": asked.text("status"),
        "since": asked.text("since"),
        "until": asked.text("until"),
    }
    return {key: text for key, text in given.items() if text}


def _profiles() -> sa.Select[Any]:
    return sa.select(Profile.id, Profile.name, Profile.deleted_at).order_by(
        Profile.deleted_at.is_not(None), sa.func.lower(Profile.name)
    )
