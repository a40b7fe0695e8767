"""A file profile made ready to write: its compiled projection as COPY, its header, its settings.

Runs, previews and dry runs all go through a FilePlan, so what is shown is what is written. Web pages may import this
module: it only reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, cast
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from pydantic import ValidationError

from exporters.base import Column, Json
from exporters.columns import header_name
from exporters.csv_settings import CsvSettings
from exporters.errors import BadSettings
from models import file_rows, mapping_rows, snapshots
from models.file_rows import Lines
from models.mapping_rows import UnreadableMappings
from models.profile import Profile, Route
from models.rules import cells
from models.rules.cells import Dialect
from models.rules.event_document import NewEvent
from models.rules.filenames import NameFacts, file_name
from models.rules.mapping import FieldMapping, Static
from models.rules.projection import Source, project
from models.rules.sql import given, literal_sql, null
from models.snapshots import RouteFacts
from worker.encoding import BOM, WINDOWS, Encoder
from worker.encoding import Unwritable as Unwritable
from worker.packing import packer

_SLOW_READER = "SET LOCAL statement_timeout = '1h'"
"""Whoever downloads a dry run may read slowly; COPY waits for him, but not for ever."""

_CSV_KEYS = frozenset(info.alias or name for name, info in CsvSettings.model_fields.items())


@dataclass(frozen=True, slots=True)
class FilePlan:
    """One profile and one of its routes, at one version, ready to write files."""

    name: str
    version: int
    settings: CsvSettings
    columns: tuple[str, ...]
    route: RouteFacts
    zone: ZoneInfo
    account_time_zone: str
    skips_completed: bool
    _mappings: tuple[FieldMapping, ...]

    @classmethod
    def of(cls, profile: Profile, route: RouteFacts, *, account_time_zone: str) -> Self:
        """Read a profile, saved or not, or that of a snapshot. Raises BadSettings when it can make no file."""
        try:
            mappings = mapping_rows.read_rows(profile.mappings)
            given = {key: value for key, value in profile.settings.items() if key in _CSV_KEYS}
            settings = CsvSettings.model_validate(given)
        except (ValidationError, UnreadableMappings) as error:
            raise BadSettings(_readable(error)) from error
        columns = tuple(row for row in mappings if header_name(Column(row.export_name)) is None)
        if not columns:
            raise BadSettings("A file needs at least one column: add a mapping.")
        return cls(
            name=profile.name,
            version=profile.version,
            settings=settings,
            columns=tuple(row.export_name for row in columns),
            route=route,
            zone=ZoneInfo(profile.time_zone or account_time_zone),
            account_time_zone=account_time_zone,
            skips_completed=profile.skip_completed_partials,
            _mappings=columns,
        )

    def copy_sql(self, run_id: int) -> str:
        """Write the COPY of a run's rows: the lines of its file, without the header, ended by LF, in UTF-8."""
        return self._copy(file_rows.of_run(run_id))

    def copy_waiting_sql(self, route_id: int, *, most: int | None = None) -> str:
        """Write the COPY of the rows that the route's next run would take."""
        return self._copy(file_rows.waiting(route_id, skips_completed=self.skips_completed, most=most))

    def copy_events_sql(self, events: Sequence[NewEvent]) -> str:
        """Write the COPY of events that need not be stored."""
        return self._copy(file_rows.of_events(events))

    def line_count(self, order: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
        """Say how many lines an order makes, from the column of its snapshot."""
        return self._lines.count(order)

    @property
    def makes_a_line_each(self) -> bool:
        """Whether every order makes one line: then nobody need look into the orders to count them."""
        return not self._lines.per_item

    @property
    def header(self) -> str | None:
        """The line of headers without its end; None: the file has none."""
        return cells.header_line(self.columns, self._dialect) if self.settings.header else None

    @property
    def is_packed(self) -> bool:
        """Whether the file itself is compressed."""
        return self.settings.compression != "none"

    def file_name(self, facts: NameFacts, *, is_parted: bool) -> str:
        """Write the file's name, as if it was never used before."""
        return self._named(facts, self.settings.compression, is_parted=is_parted)

    def pieces(
        self, encoder: Encoder, copied: Iterable[bytes], facts: NameFacts, *, is_parted: bool
    ) -> Iterator[bytes]:
        """Write the file: copied lines -> its delivered bytes, in pieces of any size. facts.rows: about how many."""
        member = self._named(facts, "none", is_parted=is_parted)
        pack = packer(self.settings.compression, member=member, at=facts.at, rows=facts.rows)
        if facts.rows or (self.settings.empty_file != "zero" and self.header is not None):
            yield pack.feed(encoder.head(self.header))
        for piece in encoder.lines(copied):
            yield pack.feed(piece)
        yield pack.end()

    def encoder(self) -> Encoder:
        """Give what turns lines into bytes; one for each file."""
        return Encoder(self.settings, self.columns)

    def _named(self, facts: NameFacts, compression: str, *, is_parted: bool) -> str:
        settings = self.settings
        return file_name(
            settings.file_name, facts, extension=settings.extension, compression=compression, is_parted=is_parted
        )

    @property
    def _lines(self) -> Lines:
        only = self.route.product if self.settings.items == "route" else None
        return Lines(per_item=self.settings.row_per == "item", product=only)

    @property
    def _dialect(self) -> Dialect:
        settings = self.settings
        return Dialect(
            delimiter=settings.delimiter,
            quote=settings.quote,
            decimal_sign=settings.decimal_sign,
            is_guarded=settings.formula_guard,
            keeps_line_breaks=settings.line_breaks == "keep",
        )

    def _copy(self, rows: file_rows.Rows) -> str:
        """Each expression runs once, in the inner select; OFFSET 0 keeps the cells' several uses of it from undoing that."""
        order = self._lines.of(rows).subquery("o").c
        projection = project(self._mappings, self._source(order), Json)
        inner = sa.select(order.row_id, *projection.select_columns).offset(sa.literal_column("0")).subquery("s").c
        dialect, is_alone = self._dialect, len(self.columns) == 1
        written = [
            cells.cell(_read(row, column, inner), held, dialect, is_alone=is_alone).label(column.name)
            for row, column, held in zip(self._mappings, projection.columns, projection.types, strict=True)
        ]
        options = cells.copy_options([cells.kind_of(held) for held in projection.types], dialect)
        return f"/* files: write */ COPY ({literal_sql(sa.select(*written).select_from(inner.row_id.table))}) TO STDOUT WITH {options}"

    def _source(self, order: Any) -> Source:
        return Source(
            order=order.order_snapshot,
            customer_type=order.customer_type,
            event_key=order.event_key,
            occurred_at=order.occurred_at,
            delivery_id=order.row_id,
            attempt=sa.literal_column("1"),
            profile_name=self.name,
            time_zone=self.zone.key,
            account_time_zone=self.account_time_zone,
        )


def plan_of(snapshot: dict[str, Any]) -> FilePlan:
    """Make the plan of a claimed run. Raises BadSettings."""
    return FilePlan.of(
        snapshots.profile_of(snapshot),
        snapshots.route_of(snapshot),
        account_time_zone=snapshot["accountTimeZone"],
    )


def preview_lines(
    profile: Profile, route: Route, events: Sequence[NewEvent], connection: sa.Connection, *, account_time_zone: str
) -> list[str]:
    """Write the header and the lines that these events would make. The profile may be one that was never saved.

    Raises BadSettings, and Unwritable for a character that the encoding must not lose.
    """
    plan = FilePlan.of(profile, RouteFacts.of(route), account_time_zone=account_time_zone)
    return _shown(plan, connection, plan.copy_events_sql(events) if events else None)


def waiting_lines(
    profile: Profile, route: Route, connection: sa.Connection, *, account_time_zone: str, most: int = 3
) -> list[str]:
    """Write the header and the first lines of the next file, and mark nothing. The route is a stored one."""
    plan = FilePlan.of(profile, RouteFacts.of(route), account_time_zone=account_time_zone)
    return _shown(plan, connection, plan.copy_waiting_sql(route.id, most=most))[: most + (plan.header is not None)]


def preview_name(profile: Profile, route: Route, *, at: datetime, rows: int, account_time_zone: str) -> str:
    """Write the name that a file of this slot would bear; the run's number and uuid are made up."""
    plan = FilePlan.of(profile, RouteFacts.of(route), account_time_zone=account_time_zone)
    return plan.file_name(_facts(plan, at, rows), is_parted=False)


def dry_run(
    profile: Profile, route: Route, connection: sa.Connection, *, at: datetime, account_time_zone: str
) -> Iterator[bytes]:
    """Write the whole next file of a stored route, packed as it would be, and mark nothing. One file, without parts.

    The iterator must be read to its end, or closed, before the connection is used again.
    """
    plan = FilePlan.of(profile, RouteFacts.of(route), account_time_zone=account_time_zone)
    return _whole(plan, connection, plan.copy_waiting_sql(route.id), _facts(plan, at, rows=1))


def _whole(plan: FilePlan, connection: sa.Connection, statement: str, facts: NameFacts) -> Iterator[bytes]:
    connection.execute(sa.text(_SLOW_READER))
    with copied(connection, statement) as lines:
        yield from filter(None, plan.pieces(plan.encoder(), lines, facts, is_parted=False))


@contextmanager
def copied(connection: sa.Connection, statement: str) -> Iterator[Iterator[bytes]]:
    """Run a COPY and give its lines, one a block. Left early, the statement is cancelled."""
    driver = cast("Any", connection.connection.driver_connection)
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        yield iter(copy)


def _shown(plan: FilePlan, connection: sa.Connection, statement: str | None) -> list[str]:
    encoder = plan.encoder()
    header = plan.header
    shown = [] if header is None else [_text(encoder.head(header).removeprefix(BOM).rstrip(b"\r\n"), plan)]
    if statement is None:
        return shown
    with copied(connection, statement) as lines:
        shown += [_text(encoder.one(bytes(line[:-1])), plan) for line in lines]
    return shown


def _text(line: bytes, plan: FilePlan) -> str:
    return line.decode("cp1252" if plan.settings.encoding == WINDOWS else "utf-8")


def _read(row: FieldMapping, column: sa.ColumnElement[Any], inner: Any) -> sa.ColumnElement[Any]:
    """Take a column from the inner select. A static value stands in the outer one, where Postgres works it out once."""
    if isinstance(row.source, Static):
        return given(row.source.text) if row.source.text else null()
    return cast("sa.ColumnElement[Any]", inner[column.name])


def _facts(plan: FilePlan, at: datetime, rows: int) -> NameFacts:
    customer_type, campaign, product = plan.route.words
    local = at.astimezone(plan.zone)
    return NameFacts(plan.name, customer_type, campaign, product, local, 1, 1, 1, rows, str(UUID(int=0)))


def _readable(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"settings.{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error)
