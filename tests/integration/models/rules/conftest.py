"""Renders one order through the projection in a real Postgres."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from models.rules.mapping import read
from models.rules.projection import Projection, Source, project

EVENT_TIME = "timestamptz '2026-11-23 15:00:00Z'"


@dataclass(frozen=True)
class Json:
    """A value that is JSON already."""

    text: str


@dataclass(frozen=True)
class Renderer:
    """Reads mappings, compiles them and runs them over one order."""

    connection: sa.Connection

    def compile(self, rows: list[dict[str, Any]], order: sa.ColumnElement[Any], **zones: str) -> Projection[Json]:
        reading = read([{"exportName": f"n{index}", **row} for index, row in enumerate(rows)], keeps_secrets=True)
        assert reading.faults == ()
        return project(reading.mappings, self.source(order, **zones), Json)

    def source(self, order: sa.ColumnElement[Any], **zones: str) -> Source:
        return Source(
            order=order,
            customer_type=sa.literal("new_sale", sa.Text()),
            event_key=sa.literal("ev-1001", sa.Text()),
            occurred_at=sa.literal_column(EVENT_TIME),
            delivery_id=sa.literal_column("12::bigint"),
            attempt=sa.literal_column("2"),
            profile_name="Call centre partials",
            **zones,
        )

    def texts(self, order: object, *rows: dict[str, Any], **zones: str) -> list[str | None]:
        """What query, form and CSV get."""
        snapshot = given(order)
        projection = self.compile(list(rows), snapshot.c.order, **zones)
        return list(self.connection.execute(sa.select(*projection.columns)).one())

    def values(self, order: object, *rows: dict[str, Any], **zones: str) -> list[object]:
        """What a JSON body gets."""
        snapshot = given(order)
        projection = self.compile(list(rows), snapshot.c.order, **zones)
        row = self.connection.execute(sa.select(*projection.select_columns, sa.literal(1)).select_from(snapshot)).one()
        return list(projection.values(row[:-1]))

    def text(self, order: object, name: str, *modifiers: str, **zones: str) -> str | None:
        return self.texts(order, {"field": name, "modifiers": list(modifiers)}, **zones)[0]


def given(order: object) -> sa.Subquery:
    text = order if isinstance(order, str) else json.dumps(order)
    return sa.select(sa.cast(sa.literal(text, sa.Text()), JSONB).label("order")).offset(0).subquery("event")


@pytest.fixture(scope="session")
def rules_connection(database_url: str) -> Iterator[sa.Connection]:
    url = sa.make_url(database_url).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture(scope="session")
def render(rules_connection: sa.Connection) -> Renderer:
    return Renderer(rules_connection)
