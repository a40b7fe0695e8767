"""Small builders that tests of all levels share: an engine, profiles with mappings, routes and gate, events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.base import engine_options, utc_now
from models.campaign import Campaign, Product
from models.intake import Accepted, accept
from models.profile import Gate, Mapping, Profile, Route

UTC = ZoneInfo("UTC")
ALL = "all"

_numbers = count(1)


@contextmanager
def engine_on(url: str, *, pool_size: int = 8) -> Iterator[sa.Engine]:
    """Lend an engine with Waybill's own options on a migrated database."""
    engine = sa.create_engine(
        sa.make_url(url).set(drivername="postgresql+psycopg"), **engine_options(pool_size=pool_size)
    )
    try:
        yield engine
    finally:
        engine.dispose()


def unique(prefix: str) -> str:
    """Give a name that no other test of this process uses."""
    return f"{prefix}-{next(_numbers)}"


def order_document(**fields: Any) -> dict[str, Any]:
    """An order of the customer Jane with an id of its own. A field given as None is left out."""
    order = {"clientOrderId": unique("B"), "customerId": 77, "firstName": "Jane", "emailAddress": "jane@example.com"}
    return {name: value for name, value in (order | fields).items() if value is not None}


def event_document(event_id: str | None = None, customer_type: str = "New Sale", **more: Any) -> dict[str, Any]:
    """An event document. Top-level keys are given as they are, all others go into the order.

    For example: event_document("ev-1", "Partial", testCard=True, campaignId=1)
    """
    top: dict[str, Any] = {name: more.pop(name) for name in ("occurredAt", "testCard") if name in more}
    order = more.pop("order", None)
    return {
        "eventId": event_id or unique("ev"),
        "customerType": customer_type,
        **top,
        "order": order_document(**more) if order is None else order,
    }


def accept_events(
    engine: sa.Engine, *documents: Any, now: datetime | None = None, zone: ZoneInfo = UTC, **options: Any
) -> Accepted:
    """Accept events as the intake does and commit."""
    with engine.begin() as connection:
        return accept(connection, documents, now=now or utc_now(), zone=zone, **options)


def route(customer_type: str = "new_sale", campaign: str | int = ALL, product: str | int = ALL) -> Route:
    """A route by slug, campaign id and product id. Saving it through `add_profile` makes the records it names."""
    return Route(
        customer_type=customer_type,
        campaign_id=None if campaign == ALL else str(campaign),
        product_id=None if product == ALL else str(product),
    )


def add_profile(
    engine: sa.Engine,
    *routes: Route,
    url: str = "http://127.0.0.1:9/postback",
    settings: dict[str, Any] | None = None,
    mappings: Sequence[dict[str, Any]] = ({"export_name": "first_name", "field": "firstName"},),
    **columns: Any,
) -> int:
    """Save a postback profile with its gate and give its id. Interval 0 unless told: its deliveries are due at once.

    Without routes it takes every New Sale. mappings are the columns of their rows. A file profile has no url.
    """
    columns = {"name": unique("Profile"), "export_type": "postback", "interval_minutes": 0} | columns
    target = {"url": url} if columns["export_type"] == "postback" else {}
    with Session(engine) as session, session.begin():
        for one in routes:
            _name(session, Campaign.campaign_id, one.campaign_id)
            _name(session, Product.product_id, one.product_id)
        profile = Profile(
            **columns,
            settings=target | (settings or {}),
            mappings=[Mapping(**row) for row in mappings],
            routes=list(routes) or [route()],
            gate=Gate(),
        )
        session.add(profile)
        session.flush()
        return profile.id


def _name(session: Session, column: Any, id_: str | None) -> None:
    if id_ is not None:
        session.execute(insert(column.class_).values({column.key: id_}).on_conflict_do_nothing())


DELIVERIES = sa.text(
    """SELECT d.*, e.event_key, p.name AS profile FROM deliveries d JOIN events e ON e.id = d.event_id
    JOIN profiles p ON p.id = d.profile_id ORDER BY d.id"""
)


def deliveries(engine: sa.Engine, *, profile: int | None = None, event: str | None = None) -> list[sa.Row[Any]]:
    """All deliveries with their event_key and their profile's name, of one profile or event if told."""
    with engine.connect() as connection:
        rows = connection.execute(DELIVERIES).all()
    return [row for row in rows if profile in {None, row.profile_id} and event in {None, row.event_key}]
