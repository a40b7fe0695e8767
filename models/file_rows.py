"""The rows of a file, before they are mapped: the events of a run, those that wait, or given ones.

Every select has the columns row_id, order_snapshot, customer_type, event_key and occurred_at, in the order of the file.
OFFSET 0 keeps Postgres from merging it with what is built on top, so each document is read from its page once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import aliased

from models.event import Event
from models.order import Order
from models.rules.customer_types import CustomerType
from models.rules.event_document import NewEvent
from models.rules.sql import Expression, constant, get_json, get_text, given
from models.run import FileItem

Rows = sa.Select[Any]

_ZERO: sa.ColumnElement[int] = sa.literal_column("0")
_NOTHING: Expression = sa.literal_column("'{}'::jsonb")
_NO_ITEMS: Expression = sa.literal_column("'[]'::jsonb")


@dataclass(frozen=True, slots=True)
class Lines:
    """How many lines an order makes. product: only its items count and show (settings.items = route); None: all."""

    per_item: bool = False
    product: str | None = None

    def of(self, rows: Rows) -> Rows:
        """Make a file's lines of its rows: items left out, or a line for each."""
        if not self.per_item and self.product is None:
            return rows
        row = rows.subquery("r")
        if not self.per_item:
            return _select(row.c, _with_items(row.c.order_snapshot, self._items(row.c.order_snapshot))).offset(_ZERO)
        item = (
            sa.func.jsonb_array_elements(self._items(row.c.order_snapshot))
            .table_valued(sa.column("item", postgresql.JSONB), with_ordinality="place", name="i")
            .render_derived()
        )
        alone = _with_items(row.c.order_snapshot, sa.func.jsonb_build_array(item.c.item))
        whole = row.c.order_snapshot
        none = whole if self.product is None else _with_items(whole, _NO_ITEMS)
        order = sa.case((item.c.item.is_(None), none), else_=alone)
        return _select(row.c, order).select_from(row.outerjoin(item, sa.true())).offset(_ZERO)

    def count(self, order: Expression) -> sa.ColumnElement[int]:
        """Say how many lines an order of this snapshot makes: for dealing rows to parts, and to check the file."""
        one = sa.literal_column("1", sa.Integer())
        if not self.per_item:
            return one
        return sa.func.greatest(one, sa.func.jsonb_array_length(self._items(order)), type_=sa.Integer())

    def _items(self, order: Expression) -> Expression:
        """Give an order's items as an array, whatever it holds there."""
        items = get_json(order, constant("items"))
        whole: Expression = sa.case((sa.func.jsonb_typeof(items) == constant("array"), items), else_=_NO_ITEMS)
        if self.product is None:
            return whole
        item = (
            sa.func.jsonb_array_elements(whole)
            .table_valued(sa.column("item", postgresql.JSONB), with_ordinality="place", name="p")
            .render_derived()
        )
        listed = sa.func.jsonb_agg(postgresql.aggregate_order_by(item.c.item, item.c.place))
        own = sa.func.btrim(get_text(item.c.item, constant("productId"))) == given(self.product)
        return sa.func.coalesce(sa.select(listed).select_from(item).where(own).scalar_subquery(), _NO_ITEMS)


def of_run(run_id: int) -> Rows:
    """The rows that a run has taken."""
    return _taken(FileItem).where(FileItem.run_id == sa.literal(run_id)).order_by(FileItem.event_id).offset(_ZERO)


def waiting(route_id: int, *, skips_completed: bool, most: int | None = None) -> Rows:
    """The rows of a route that its next run would take; with `most` the first few of them, found without a sort."""
    stays_out = sa.or_(
        Order.test_card,
        sa.and_(
            sa.literal_column("true" if skips_completed else "false"),
            ~FileItem.forced,
            Event.customer_type == given(CustomerType.PARTIAL.value),
            Order.completed_at.is_not(None),
        ),
    )
    waits = (
        sa.select(FileItem.id)
        .join(Event, Event.id == FileItem.event_id)
        .where(FileItem.route_id == sa.literal(route_id), FileItem.run_id.is_(None), FileItem.skipped.is_(None))
        .where(FileItem.ready_at <= sa.func.now())
        .where(~sa.exists().where(Order.order_key == Event.order_key, stays_out))
    )
    if most is not None:
        waits = waits.order_by(FileItem.ready_at, FileItem.event_id).limit(sa.literal(most))
    item = aliased(FileItem)
    return _taken(item).where(item.id.in_(waits)).order_by(item.event_id).offset(_ZERO)


def of_events(events: Sequence[NewEvent]) -> Rows:
    """Events that need not be stored: for a preview."""
    row = sa.union_all(*(_given(event, place) for place, event in enumerate(events))).subquery("given")
    return _select(row.c, row.c.order_snapshot).order_by(row.c.place).offset(_ZERO)


def _taken(item: Any) -> Rows:
    # || '{}' reads a long document from its own table once; without it each column would do so again.
    whole = Event.order_snapshot.op("||")(_NOTHING).label("order_snapshot")
    return sa.select(item.id.label("row_id"), whole, Event.customer_type, Event.event_key, Event.occurred_at).join(
        Event, Event.id == item.event_id
    )


def _given(event: NewEvent, place: int) -> Rows:
    return sa.select(
        sa.literal_column(str(place)).label("place"),
        sa.literal_column("0").label("row_id"),
        sa.cast(given(event.snapshot), postgresql.JSONB).label("order_snapshot"),
        given(event.customer_type).label("customer_type"),
        given(event.event_key).label("event_key"),
        sa.cast(given(event.occurred_at.isoformat()), sa.DateTime(timezone=True)).label("occurred_at"),
    )


def _select(row: Any, order: Expression) -> Rows:
    return sa.select(row.row_id, order.label("order_snapshot"), row.customer_type, row.event_key, row.occurred_at)


def _with_items(order: Expression, items: Expression) -> Expression:
    return order.op("||")(sa.func.jsonb_build_object(constant("items"), items))
