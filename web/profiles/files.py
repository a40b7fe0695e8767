"""What a profile document says of files, beyond its settings model: times, names, and what people should know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from exporters.base import Settings
from exporters.csv_file import warnings_in
from exporters.csv_settings import CsvSettings
from models.campaign import Campaign, Product
from models.rules import filenames, schedule
from models.rules.filenames import BadName, NameFacts
from models.rules.mapping import Fault
from models.rules.schedule import BadSchedule
from web.profiles.mappings import Row, column_of
from web.profiles.routes import ALL, RouteKey

_SOME_TIME = datetime(2026, 11, 23, 6, tzinfo=UTC)


def file_faults(session: Session, settings: Settings, routes: Sequence[RouteKey], *, profile: str) -> Iterator[Fault]:
    """Say why these settings cannot make files at their times, under names of their own."""
    if not isinstance(settings, CsvSettings):
        return
    try:
        schedule.parse(settings.schedule)
    except BadSchedule as error:
        yield Fault("settings.schedule", str(error))
    try:
        filenames.check(settings.file_name)
    except BadName as error:
        yield Fault("settings.fileName", str(error))
    else:
        yield from _alike(session, settings.file_name, routes, profile)
    try:
        filenames.check_folder(str(getattr(settings, "folder", "")))
    except BadName as error:
        yield Fault("settings.folder", str(error))


def file_warnings(settings: Settings, rows: Sequence[Row]) -> Iterator[Fault]:
    """Say what people should know of a file, and may leave as it is."""
    if not isinstance(settings, CsvSettings):
        return
    for warning in warnings_in(settings, [column_of(row) for row in rows]):
        place = "settings.preset" if warning.index < 0 else f"mappings[{rows[warning.index].index}]"
        message = warning.message[:1].upper() + warning.message[1:]
        yield Fault(place, message if message.endswith(".") else f"{message}.")


def _alike(session: Session, template: str, routes: Sequence[RouteKey], profile: str) -> Iterator[Fault]:
    campaigns = _names(session, Campaign.campaign_id, Campaign.name, {route.campaign for route in routes})
    products = _names(session, Product.product_id, Product.name, {route.product for route in routes})
    facts = [
        NameFacts(
            profile=profile,
            customer_type=route.customer_type.label,
            campaign=campaigns[route.campaign],
            product=products[route.product],
            at=_SOME_TIME,
            run=0,
            seq=0,
            part=1,
            rows=0,
            uuid="",
        )
        for route in routes
    ]
    if (same := filenames.alike(template, facts)) is not None:
        first, second = (index + 1 for index in same)
        yield Fault(
            "settings.fileName", f"Routes {first} and {second} would have one name: put {{route}} or {{run}} into it."
        )


def _names(
    session: Session, key: InstrumentedAttribute[str], name: InstrumentedAttribute[str | None], ids: set[str | None]
) -> dict[str | None, str]:
    """Name campaigns or products by their ids; one that has no name yet, or is not known, is its id."""
    found = {row[0]: row[1] for row in session.execute(sa.select(key, name).where(key.in_(ids - {None})))}
    return {id_: ALL if id_ is None else found.get(id_) or id_ for id_ in ids}
