"""What is shown before a file is made: first lines, names, dry runs. Nothing of it marks a row."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from exporters.errors import BadSettings
from models import snapshots
from models.profile import Mapping, Profile, Route
from models.rules.event_document import NewEvent, read_event
from tests.factories import accept_events, engine_on, event_document, order_document, route, unique
from tests.integration.worker.paper import SLOT_AT, Desk, field, static
from worker.encoding import Unwritable
from worker.file_plan import FilePlan, dry_run, preview_lines, preview_name, waiting_lines

UTC = "UTC"
STANDARD = {"preset": "standard", "lineEnd": "lf"}


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    with engine_on(database_url) as engine:
        yield Desk(engine)


@pytest.fixture
def connection(desk: Desk) -> Iterator[sa.Connection]:
    with desk.engine.connect() as lent:
        yield lent


def unsaved(*rows: dict[str, Any], **settings: Any) -> Profile:
    return Profile(
        name="Not saved",
        export_type="csv",
        settings=settings,
        mappings=[Mapping(**row) for row in rows],
        skip_completed_partials=True,
    )


def event(**order: Any) -> NewEvent:
    return read_event(event_document("ev", order=order_document(**order)), now=SLOT_AT, zone=ZoneInfo(UTC))


def state_of(desk: Desk) -> Any:
    with desk.engine.connect() as connection:
        items = connection.execute(sa.text("SELECT id, run_id, skipped, ready_at FROM file_items ORDER BY id")).all()
        return items, connection.scalar(sa.text("SELECT count(*) FROM runs"))


def loaded(profile: Profile) -> tuple[Route, Any]:
    """The profile's route, with all that is read of both once the session is gone."""
    route = profile.routes[0]
    return route, (profile.mappings, route.campaign, route.product)


def stored(desk: Desk, profile_id: int, *orders: dict[str, Any]) -> tuple[Profile, Route]:
    """The profile and its route, for which these orders wait."""
    with Session(desk.engine, expire_on_commit=False) as session:
        profile = session.get_one(Profile, profile_id)
        found, _ = loaded(profile)
        events = desk.events(*orders)
        session.execute(
            sa.text(
                "INSERT INTO file_items (route_id, event_id, ready_at)"
                " SELECT :route, unnest(CAST(:events AS bigint[])), now()"
            ),
            {"route": found.id, "events": events},
        )
        session.commit()
        return profile, found


def test_a_preview_shows_header_and_lines_of_a_profile_that_was_never_saved(connection: sa.Connection) -> None:
    profile = unsaved(field("firstName", "first"), field("eventId"), field("deliveryId"), **STANDARD)
    events = [event(firstName='Zoë "Z"'), event(firstName="=1")]
    lines = preview_lines(profile, route(), events, connection, account_time_zone=UTC)
    assert lines == ["first,eventId,deliveryId", '"Zoë ""Z""",ev,0', "'=1,ev,0"]
    assert preview_lines(profile, route(), [], connection, account_time_zone=UTC) == lines[:1]


def test_a_preview_shows_what_windows_makes_of_it(connection: sa.Connection) -> None:
    profile = unsaved(field("firstName"), **STANDARD, encoding="windows-1252", header=False)
    assert preview_lines(profile, route(), [event(firstName="Łé")], connection, account_time_zone=UTC) == ["Lé"]
    strict = unsaved(field("firstName"), **STANDARD, encoding="windows-1252", unmappable="fail")
    with pytest.raises(Unwritable, match=r'row 1, column "firstName"'):
        preview_lines(strict, route(), [event(firstName="Ł")], connection, account_time_zone=UTC)


def test_a_preview_has_a_line_for_each_item(connection: sa.Connection) -> None:
    profile = unsaved(field("product1_name"), **STANDARD, rowPer="item", items="route")
    items = [{"productId": number, "name": f"P{number}"} for number in (4, 5)]
    assert preview_lines(profile, route(product=5), [event(items=items)], connection, account_time_zone=UTC)[1:] == [
        "P5"
    ]


def test_what_a_postback_sends_stands_in_the_file(desk: Desk, connection: sa.Connection) -> None:
    """One renderer: a text column holds what the query of a postback would."""
    order = order_document(
        orderId="9.00", hasUpsell="yes", orderTotal="49.90", dateCreated="2026-11-23 09:58:12", items=[{"a": [1, "x y"]}],
        custom1="7.0", nextBillDate="2026-12-23 10:00:00", billShipSame=True, city="Bonn",
    )  # fmt: skip
    names = ["orderId", "hasUpsell", "orderTotal", "dateCreated", "items", "nextBillDate", "shipCity", "customerType"]
    rows = [field(name) for name in names] + [
        field("custom1", "i", type="integer"),
        field("firstName", "j", type="json"),
    ]
    profile = unsaved(*rows, **STANDARD, header=False, delimiter="|", formulaGuard=False)
    line = preview_lines(profile, route(), [event(**order)], connection, account_time_zone=UTC)[0]
    assert line.replace('""', '"').replace('"[', "[").replace(']"', "]").split("|") == [
        "9", "1", "49.90", "2026-11-23 09:58:12", '[{"a":[1,"x y"]}]', "2026-12-23", "Bonn", "New Sale", "7", "Jane",
    ]  # fmt: skip


def test_the_first_waiting_lines_are_shown_and_wait_on(desk: Desk, connection: sa.Connection) -> None:
    orders = [order_document(firstName=name) for name in "abcde"]
    profile, own = stored(desk, desk.profile([field("firstName")], **STANDARD), *orders)
    before = state_of(desk)
    lines = waiting_lines(profile, own, connection, account_time_zone=UTC, most=2)
    assert lines == ["firstName", "a", "b"]
    assert state_of(desk) == before


def test_what_the_next_run_would_skip_is_not_shown(desk: Desk, connection: sa.Connection) -> None:
    profile_id = desk.profile([field("firstName")], route("partial", campaign=unique("71")), **STANDARD)
    with Session(desk.engine, expire_on_commit=False) as session:
        profile = session.get_one(Profile, profile_id)
        own, _ = loaded(profile)
        campaign = {"campaignId": own.campaign_id}
    orders = {name: order_document(firstName=name, **campaign) for name in "abc"}
    accept_events(desk.engine, *[event_document(unique("ev"), "Partial", order=order) for order in orders.values()])
    accept_events(
        desk.engine,
        event_document(unique("ev"), "New Sale", order=orders["b"]),
        event_document(unique("ev"), "Partial", order=orders["c"], testCard=True),
    )
    assert waiting_lines(profile, own, connection, account_time_zone=UTC) == ["firstName", "a"]
    profile.skip_completed_partials = False
    assert waiting_lines(profile, own, connection, account_time_zone=UTC) == ["firstName", "a", "b"]


def test_a_dry_run_is_the_whole_file_and_marks_nothing(desk: Desk, connection: sa.Connection) -> None:
    orders = [order_document(firstName=f"n{number}") for number in range(50)]
    profile, own = stored(desk, desk.profile([field("firstName")], **STANDARD, compression="gzip"), *orders)
    before = state_of(desk)
    pieces = dry_run(profile, own, connection, at=SLOT_AT, account_time_zone=UTC)
    assert gzip.decompress(b"".join(pieces)).decode().split() == [
        "firstName",
        *(order["firstName"] for order in orders),
    ]
    assert state_of(desk) == before
    assert connection.scalar(sa.text("SELECT 1")) == 1


def test_a_dry_run_that_nobody_reads_to_its_end_is_cancelled(desk: Desk, connection: sa.Connection) -> None:
    orders = [order_document(firstName="x" * 4000) for _ in range(200)]
    profile, own = stored(desk, desk.profile([field("firstName")], **STANDARD), *orders)
    pieces = dry_run(profile, own, connection, at=SLOT_AT, account_time_zone=UTC)
    assert next(pieces)
    pieces.close()  # type: ignore[attr-defined]  # a generator
    connection.rollback()
    assert connection.scalar(sa.text("SELECT 1")) == 1


def test_the_name_is_shown_before(desk: Desk) -> None:
    profile = unsaved(field("firstName"), fileName="{route}_{date}_{time}_{rows}", compression="zstd")
    profile.time_zone = "Asia/Kolkata"
    assert preview_name(profile, route(campaign="7"), at=SLOT_AT, rows=3, account_time_zone=UTC) == (
        "New_Sale_7_all_2026-11-23_113000_3.csv.zst"
    )


def test_what_can_make_no_file_says_so() -> None:
    facts = snapshots.RouteFacts("new_sale")
    with pytest.raises(BadSettings, match="at least one column"):
        FilePlan.of(unsaved(static("x", "header:X")), facts, account_time_zone=UTC)
    with pytest.raises(BadSettings, match=r"settings.delimiter"):
        FilePlan.of(unsaved(field("firstName"), delimiter="a"), facts, account_time_zone=UTC)
    with pytest.raises(BadSettings, match=r"mappings\[0\].field"):
        FilePlan.of(unsaved(field("nonsense")), facts, account_time_zone=UTC)


def test_a_snapshot_makes_the_same_plan_and_holds_no_secret(desk: Desk) -> None:
    profile_id = desk.profile(
        [field("firstName", "a", modifiers=["trim"], when_empty="null"), static("1", "b")],
        route(campaign="7"),
        preset="tab",
    )
    with Session(desk.engine) as session:
        profile = session.get_one(Profile, profile_id)
        profile.settings = {**profile.settings, "password": {"sealed": "canary"}}
        snapshot = snapshots.take(profile, profile.routes[0], account_time_zone="Europe/Berlin")
        again = snapshots.profile_of(snapshot)
        plan = FilePlan.of(profile, snapshots.RouteFacts.of(profile.routes[0]), account_time_zone="Europe/Berlin")
        session.rollback()
    assert "canary" not in str(snapshot)
    assert FilePlan.of(again, snapshots.route_of(snapshot), account_time_zone="Europe/Berlin") == plan
    assert plan.copy_sql(1) == FilePlan.of(
        again, snapshots.route_of(snapshot), account_time_zone="Europe/Berlin"
    ).copy_sql(1)
