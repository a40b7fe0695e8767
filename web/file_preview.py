"""What a file profile would make, and when: names, first lines, next times. Looks, and marks nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from exporters.errors import BadSettings
from models import ledger, run_plans
from models.base import db
from models.mapping_rows import UnreadableMappings
from models.profile import Profile, Route
from models.rules.customer_types import parse, route_types
from models.rules.event_document import NewEvent
from models.rules.schedule import BadSchedule, Slot
from models.snapshots import RouteFacts
from web import installed
from web.profiles.routes import RouteKey, key_of
from worker.file_plan import Unwritable, dry_run, preview_lines, preview_name, waiting_lines

TIMES = 5
MOST_ROUTES = 20
LAST_DAY = timedelta(hours=24)


class NoFile(Exception):
    """There can be no file; one sentence."""


@dataclass(frozen=True, slots=True)
class RouteFile:
    """One route's next file. last_day: how many rows a new route takes at first; None: it is not new."""

    route_id: int
    words: str
    name: str
    waiting: int
    last_day: int | None


def of_event(profile: Profile, event: NewEvent, now: datetime) -> tuple[str, list[str]]:
    """Give name and lines of the file that would hold this event. Raises NoFile."""
    route = _route_of(profile, event)
    zone = installed.config().account_time_zone
    try:
        lines = preview_lines(profile, route, [event], db.session.connection(), account_time_zone=zone)
        return preview_name(profile, route, at=_next(profile, now), rows=1, account_time_zone=zone), lines
    except (BadSettings, Unwritable, UnreadableMappings) as error:
        raise NoFile(f"No file can be made: {error}.") from error


def first_lines(profile: Profile, route: Route, sample: NewEvent) -> tuple[list[str], bool]:
    """Give the first lines of a route's next file, and whether they are the sample's as nothing waits. Raises NoFile."""
    zone, connection = installed.config().account_time_zone, db.session.connection()
    try:
        lines = waiting_lines(profile, route, connection, account_time_zone=zone)
        if len(lines) > bool(profile.settings.get("header", True)):
            return lines, False
        return preview_lines(profile, route, [sample], connection, account_time_zone=zone), True
    except (BadSettings, Unwritable, UnreadableMappings) as error:
        raise NoFile(f"No file can be made: {error}.") from error


def route_files(profile: Profile, now: datetime, known: Sequence[RouteKey] | None = None) -> list[RouteFile]:
    """Name the next file of each route. known: the routes that were on before; all others count their last day."""
    zone, at = installed.config().account_time_zone, _next(profile, now)
    waiting = ledger.waiting(db.session(), profile)
    found = []
    for route in profile.live_routes[:MOST_ROUTES]:
        is_new = known is not None and key_of(route) not in known
        found.append(
            RouteFile(
                route_id=route.id,
                words=" / ".join(RouteFacts.of(route).words),
                name=preview_name(profile, route, at=at, rows=waiting.get(route.id, 0), account_time_zone=zone),
                waiting=waiting.get(route.id, 0),
                last_day=ledger.last_day(db.session(), route, since=now - LAST_DAY) if is_new else None,
            )
        )
    return found


def times(profile: Profile, now: datetime) -> list[Slot]:
    """Give the next times the profile makes files; none when a person starts them."""
    try:
        return run_plans.next_runs(profile, now, installed.config().account_time_zone, TIMES)
    except BadSchedule:  # another program wrote it
        return []


def whole_file(profile: Profile, route: Route, now: datetime) -> tuple[str, Iterator[bytes]]:
    """Give name and bytes of the whole next file, taken by nobody. Raises NoFile.

    What cannot be made is told at once; the bytes come over a connection of their own, closed with the iterator.
    """
    zone, at = installed.config().account_time_zone, _next(profile, now)
    try:
        name = preview_name(profile, route, at=at, rows=1, account_time_zone=zone)
        pieces = _pieces(profile, route, at, zone)
        first = next(pieces, b"")
    except (BadSettings, Unwritable, UnreadableMappings) as error:
        raise NoFile(f"No file can be made: {error}.") from error
    return f"dry-run_{name}", _with(first, pieces)


def _pieces(profile: Profile, route: Route, at: datetime, zone: str) -> Iterator[bytes]:
    options: Any = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with db.engine.connect().execution_options(**options) as connection:
        yield from dry_run(profile, route, connection, at=at, account_time_zone=zone)


def _with(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _next(profile: Profile, now: datetime) -> datetime:
    return next((slot.at for slot in times(profile, now)), now)


def _route_of(profile: Profile, event: NewEvent) -> Route:
    """Find the route whose file would hold the event; the first one where none would. Raises NoFile."""
    if not profile.live_routes:
        raise NoFile("This profile has no route: there is nothing to make a file of.")
    kinds = route_types(parse(event.customer_type))
    taking = (
        route
        for route in profile.live_routes
        if parse(route.customer_type) in kinds
        and route.campaign_id in {None, event.campaign_id}
        and (not event.products or route.product_id is None or route.product_id in event.products)
    )
    return next(taking, profile.live_routes[0])
