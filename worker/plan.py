"""A profile made ready to send: its exporter and its compiled projection. The one renderer.

Deliveries, preview and test send all go through a Plan, so what is shown is what is sent. Web pages may import this
module beside the doorbell: it only reads, and sends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.dialects import postgresql

from exporters.base import Column, Json, Parcel, RecordExporter, Request, WhenEmpty
from exporters.errors import BadSettings, UnknownKind
from exporters.registry import record_exporter
from models import mapping_rows
from models.delivery import Delivery
from models.event import Event
from models.profile import Profile
from models.rules.again import Pace
from models.rules.customer_types import CustomerType
from models.rules.event_document import NewEvent
from models.rules.mapping import FieldMapping
from models.rules.mapping import Static as StaticSource
from models.rules.projection import Projection, Source, project
from models.sealed import CannotOpen, Seal
from models.secret_places import open_settings

_EVENTS = Event.__table__.c
_DELIVERIES = Delivery.__table__.c

SAMPLE_DELIVERY = 0
"""deliveryId in a preview: there is no delivery yet."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How hard a receiver may be pushed. rate is per second, None without limit; timeout in seconds."""

    in_flight: int
    rate: float | None
    timeout: int
    pace: Pace


@dataclass(frozen=True, slots=True)
class Plan:
    """One profile at one version, ready to write requests."""

    profile_id: int
    version: int
    name: str
    exporter: RecordExporter
    limits: Limits
    skips_partials: bool
    key_prefix: str
    _projection: Projection[Json]
    _statement: str
    _parameters: Dict[str, Any]

    @classmethod
    def of(cls, profile: Profile, *, seal: Seal, account_time_zone: str, installation: str) -> Plan:
        """Compile a stored profile. Raises BadSettings when what is stored cannot be used."""
        exporter, mappings = _exporter(profile, seal)
        for fault in exporter.faults():
            raise BadSettings(f"mapping {fault.index + 1}: {fault.message}")
        projection = _project(
            profile,
            mappings,
            account_time_zone,
            event=_EVENTS,
            delivery_id=_DELIVERIES.id,
            attempt=_DELIVERIES.tries,
        )
        statement, parameters = _compile(
            sa.select(Delivery.id, *projection.select_columns)
            .join(Event, Event.id == Delivery.event_id)
            .where(Delivery.id == sa.any_(sa.bindparam("ids", type_=postgresql.ARRAY(sa.BigInteger()))))
        )
        return cls(
            profile_id=profile.id,
            version=profile.version,
            name=profile.name,
            exporter=exporter,
            limits=_limits(exporter),
            skips_partials=profile.skip_completed_partials
            and any(route.customer_type == CustomerType.PARTIAL for route in profile.routes),
            key_prefix=f"wb_{installation}_",
            _projection=projection,
            _statement=statement,
            _parameters=parameters,
        )

    def key_of(self, delivery_id: int) -> str:
        """The delivery's `webhook-id`: the same in every attempt, unlike any other installation's."""
        return f"{self.key_prefix}{delivery_id}"

    def parcels(self, connection: sa.Connection, delivery_ids: Sequence[int], now: datetime) -> dict[int, Parcel]:
        """Render deliveries: id -> Parcel. One statement for all of them."""
        driver = cast("Any", connection.connection.driver_connection)
        rows = driver.execute(self._statement, {**self._parameters, "ids": list(delivery_ids)}).fetchall()
        values = self._projection.values
        return {row[0]: Parcel(key=self.key_of(row[0]), values=values(row[1:]), at=now) for row in rows}

    def request(self, parcel: Parcel) -> Request:
        """Write the request of a parcel. Raises Unsendable or BadSettings."""
        return self.exporter.request(parcel)


def preview(
    profile: Profile,
    event: NewEvent,
    connection: sa.Connection,
    *,
    seal: Seal,
    account_time_zone: str,
    now: datetime,
    delivery_id: int = SAMPLE_DELIVERY,
) -> Request:
    """Write the request that this event would make, and send nothing. Raises BadSettings or Unsendable.

    The profile may be one that was never saved.
    """
    key = f"preview_{delivery_id}"
    return trial(
        profile,
        event,
        connection,
        seal=seal,
        account_time_zone=account_time_zone,
        now=now,
        key=key,
        delivery_id=delivery_id,
    )[1]


def trial(
    profile: Profile,
    event: NewEvent,
    connection: sa.Connection,
    *,
    seal: Seal,
    account_time_zone: str,
    now: datetime,
    key: str,
    delivery_id: int = SAMPLE_DELIVERY,
) -> tuple[RecordExporter, Request]:
    """Write a request with a key of its own, and give the exporter that can judge its reply. Raises as preview does."""
    exporter, mappings = _exporter(profile, seal)
    given = (
        sa.select(
            sa.cast(sa.literal(event.snapshot), postgresql.JSONB).label("order_snapshot"),
            sa.literal(event.customer_type).label("customer_type"),
            sa.literal(event.event_key).label("event_key"),
            sa.literal(event.occurred_at, sa.DateTime(timezone=True)).label("occurred_at"),
            sa.literal(delivery_id, sa.BigInteger()).label("delivery_id"),
            sa.literal(1, sa.Integer()).label("attempt"),
        )
        .offset(0)  # or Postgres reads the document again for every column
        .subquery("event")
        .c
    )
    projection = _project(
        profile, mappings, account_time_zone, event=given, delivery_id=given.delivery_id, attempt=given.attempt
    )
    row = connection.execute(sa.select(given.event_key, *projection.select_columns)).one()
    return exporter, exporter.request(Parcel(key=key, values=projection.values(row[1:]), at=now))


def _exporter(profile: Profile, seal: Seal) -> tuple[RecordExporter, Sequence[FieldMapping]]:
    mappings = mapping_rows.read_rows(profile.mappings)
    try:
        kind = record_exporter(profile.export_type)
        origin = kind.Settings.origin_of(profile.settings)
        settings = kind.Settings.model_validate(open_settings(profile, seal, origin))
        statics = mapping_rows.open_statics(profile, seal, origin)
    except (UnknownKind, ValidationError, CannotOpen, BadSettings) as error:
        raise BadSettings(_readable(error)) from error
    columns = [
        Column(
            name=mapping.export_name,
            when_empty=WhenEmpty(mapping.when_empty.value) if mapping.when_empty else None,
            static=statics[index] if isinstance(mapping.source, StaticSource) else None,
            secret=mapping.secret,
        )
        for index, mapping in enumerate(mappings)
    ]
    return kind(settings, columns), mappings


def _project(
    profile: Profile,
    mappings: Sequence[FieldMapping],
    account_time_zone: str,
    *,
    event: Any,
    delivery_id: sa.ColumnElement[Any],
    attempt: sa.ColumnElement[Any],
) -> Projection[Json]:
    """Compile the mappings over an event's columns: the stored ones, or those of a preview."""
    source = Source(
        order=event.order_snapshot,
        customer_type=event.customer_type,
        event_key=event.event_key,
        occurred_at=event.occurred_at,
        delivery_id=delivery_id,
        attempt=attempt,
        profile_name=profile.name,
        time_zone=profile.time_zone or account_time_zone,
        account_time_zone=account_time_zone,
    )
    return project(mappings, source, Json)


def _limits(exporter: RecordExporter) -> Limits:
    settings = cast("Any", exporter).settings
    return Limits(
        in_flight=settings.max_in_flight,
        rate=settings.rate_per_second,
        timeout=settings.timeout_seconds,
        pace=Pace(
            first=timedelta(seconds=settings.retry_first_seconds), cap=timedelta(seconds=settings.retry_cap_seconds)
        ),
    )


def _compile(statement: sa.Select[Any]) -> tuple[str, dict[str, Any]]:
    """Compile once: SQLAlchemy would walk the whole projection again for every batch."""
    compiled = statement.compile(dialect=postgresql.psycopg.dialect())  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects are untyped
    return str(compiled), dict(compiled.params)


def _readable(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"settings.{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error)
