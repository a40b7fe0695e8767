"""Customers: found by id, e-mail address, phone or order; a page shows what was sent about one."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa
from flask import abort
from flask_admin import expose

from models.base import db, utc_now
from models.customer import Customer
from models.event import Event
from models.history import Cursor, of_customer
from models.order import Order
from web import zone
from web.admin import asked
from web.admin.page import PAGE_SIZE, Page

LATELY = 500


class Customers(Page):
    """The search and one customer."""

    @expose("/")
    def index(self) -> str:
        """Find customers; without a question, those of the latest events."""
        wanted = asked.text("q")
        statement = _matching(wanted) if wanted else _latest()
        customers = db.session.scalars(statement.limit(PAGE_SIZE)).all()
        return str(self.render("admin/customers.html", customers=customers, wanted=wanted))

    @expose("/one")
    def one(self) -> str:
        """Show a customer's orders and history."""
        customer = db.session.get(Customer, asked.text("id")) or abort(404)
        orders = db.session.scalars(
            sa.select(Order)
            .where(Order.customer_id == customer.customer_id)
            .order_by(Order.last_event_at.desc())
            .limit(PAGE_SIZE)
        ).all()
        after = asked.read("after", Cursor.read)
        history, following = of_customer(
            db.session(),
            customer.customer_id,
            limit=PAGE_SIZE,
            after=after,
            now=utc_now(),
            zone=zone.of_person(),
        )
        return str(
            self.render(
                "admin/customer.html",
                page_name=customer.full_name or f"Customer {customer.customer_id}",
                customer=customer,
                orders=orders,
                history=history,
                older=str(following) if following else None,
                is_newest=after is None,
            )
        )


def _matching(wanted: str) -> sa.Select[Any]:
    of_order = sa.select(Order.customer_id).where(Order.order_key == wanted)
    ways = [
        Customer.customer_id == wanted,
        sa.func.lower(Customer.email) == wanted.lower(),
        Customer.customer_id.in_(of_order),
    ]
    digits = re.sub(r"[^0-9]", "", wanted)
    if len(digits) >= 5:  # fewer are no phone number
        ways.append(Customer.phone_digits == digits)
    return sa.select(Customer).where(sa.or_(*ways)).order_by(Customer.last_seen_at.desc())


def _latest() -> sa.Select[Any]:
    events = sa.select(Event.customer_id).order_by(Event.id.desc()).limit(LATELY).subquery()
    return (
        sa.select(Customer)
        .where(Customer.customer_id.in_(sa.select(events.c.customer_id)))
        .order_by(Customer.last_seen_at.desc())
    )
