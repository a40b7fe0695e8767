"""From rows to bytes: what stands in a file, and what is counted on the way."""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from models.chunks import NoBytes, stream
from models.compressed import unpack
from models.run import Run
from tests.factories import engine_on, order_document, route
from tests.integration.worker.paper import Desk, field, static
from worker.file_plan import plan_of
from worker.writing import Unwritable, write

BOM = b"\xef\xbb\xbf"
PLAIN = {"preset": "standard", "lineEnd": "lf", "header": False}
PACKINGS = {
    "none": lambda data: data,
    "gzip": gzip.decompress,
    "zstd": unpack,
    "zip": lambda data: zipfile.ZipFile(io.BytesIO(data)).read(zipfile.ZipFile(io.BytesIO(data)).namelist()[0]),
}


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    with engine_on(database_url) as engine:
        yield Desk(engine)


def named(*names: str) -> list[dict[str, Any]]:
    return [order_document(firstName=name) for name in names]


def items(*products: Any) -> dict[str, Any]:
    return order_document(items=[{"productId": product, "name": f"P{product}"} for product in products])


def test_a_file_has_a_header_and_a_line_for_each_order(desk: Desk) -> None:
    paper = desk.file([field("firstName", "first"), static("400", "list")], *named("Jane", "Zoë, the first"))
    assert paper.content == BOM + 'first,list\r\nJane,400\r\n"Zoë, the first",400\r\n'.encode()
    written = paper.written
    assert (written.rows, written.orders, written.chunks, written.replaced) == (2, 2, 1, 0)
    assert written.bytes == len(paper.content)
    assert written.sha256 == hashlib.sha256(paper.content).hexdigest()


def test_rows_stand_in_the_order_of_their_events(desk: Desk) -> None:
    events = desk.events(*named("1", "2", "3", "4"))
    paper = desk.write(desk.run(desk.profile([field("firstName")], **PLAIN), [events[i] for i in (2, 0, 3, 1)]))
    assert paper.lines == ["1", "2", "3", "4"]


def test_a_long_header_and_one_given_twice_stand_whole(desk: Desk) -> None:
    long = "é" * 80
    paper = desk.file([field("firstName", long), field("lastName", long)], *named("a"), preset="standard")
    assert paper.lines == [f"{long},{long}", "a,"]


def test_header_mappings_are_no_columns(desk: Desk) -> None:
    rows = [static("x", "header:X-Own"), field("firstName"), static("POST", "Header:httpMethod")]
    assert desk.file(rows, *named("a")).lines == ["firstName", "a"]


def test_numbers_of_orders_look_as_in_a_postback(desk: Desk) -> None:
    order = order_document(orderId="9.00", hasUpsell="yes", orderTotal="007", price="199.00", custom1="Yes")
    rows = [field(name) for name in ("orderId", "hasUpsell", "orderTotal", "price")]
    rows.append(field("custom1", type="boolean"))
    assert desk.file(rows, order, **PLAIN).lines == ["9,1,007,199.00,1"]


def test_the_file_knows_its_rows_and_says_it_is_the_first_try(desk: Desk) -> None:
    paper = desk.file([field("deliveryId"), field("attempt"), field("customerType")], *named("a"), **PLAIN)
    with desk.engine.connect() as connection:
        item = connection.scalar(sa.text("SELECT id FROM file_items WHERE run_id = :id"), {"id": paper.run_id})
    assert paper.lines == [f"{item},1,New Sale"]


# ---- formulas ------------------------------------------------------------------------------------------------------

RUNNING = ["=1", "==1", "@x", "+1+1", "-1-1", "\tx", "\rx", "\N{FULLWIDTH EQUALS SIGN}1"]
HARMLESS = ["-5.00", "+49 30 123", "-"]


def test_what_would_run_in_a_spreadsheet_gets_a_quote_in_front(desk: Desk) -> None:
    rows = [field("firstName", "=h"), field("orderTotal"), static("=a", "s")]
    orders = [order_document(firstName=text, orderTotal=-5) for text in RUNNING + HARMLESS]
    paper = desk.file(rows, *orders, preset="standard", delimiter="|")
    cells = [line.split("|") for line in paper.content.decode().split("\r\n")[:-1]]
    assert cells[0] == ["'=h", "orderTotal", "s"]
    assert [row[0].strip('"') for row in cells[1:]] == [f"'{text}" for text in RUNNING] + HARMLESS
    assert {row[1] for row in cells[1:]} == {"-5"}
    assert {row[2] for row in cells[1:]} == {"'=a"}


def test_without_the_guard_values_are_exact(desk: Desk) -> None:
    rows = [field("firstName", "=h"), static("=a", "s")]
    paper = desk.file(rows, *named(*RUNNING, *HARMLESS), preset="standard", formulaGuard=False, quote="all")
    expected = [("=h", "s"), *((text, "=a") for text in RUNNING + HARMLESS)]
    assert paper.content.decode() == "".join(f'"{a}","{b}"\r\n' for a, b in expected)


def test_a_formula_is_no_number_because_it_stands_in_a_column_of_numbers(desk: Desk) -> None:
    orders = [order_document(orderTotal=value, nextBillDate=value) for value in ("=1+1", "-1+1", "-1.50")]
    paper = desk.file([field("orderTotal"), field("nextBillDate")], *orders, **PLAIN)
    assert paper.lines == ["'=1+1,'=1+1", "'-1+1,'-1+1", "-1.50,-1.50"]


def test_a_formula_behind_a_line_break_stays_guarded_when_that_becomes_a_blank(desk: Desk) -> None:
    paper = desk.file([field("firstName")], *named("\n=1", "a\r\nb\rc\nd"), **PLAIN, lineBreaks="space")
    assert paper.lines == ["' =1", "a b c d"]


# ---- encodings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "expected"), [("nearest", b"Lukasz"), ("question", b"?ukasz")])
def test_what_windows_does_not_know_is_replaced_and_counted(desk: Desk, how: str, expected: bytes) -> None:
    paper = desk.file([field("firstName")], *named("Łukasz"), **PLAIN, encoding="windows-1252", unmappable=how)
    assert paper.content == expected + b"\n"
    assert paper.written.replaced == 1


def test_what_windows_knows_is_kept(desk: Desk) -> None:
    paper = desk.file([field("firstName", "é€")], *named("Zoë…€"), preset="standard", encoding="windows-1252")
    assert paper.content == "é€\r\nZoë…€\r\n".encode("cp1252")
    assert paper.written.replaced == 0


@pytest.mark.parametrize("sign", ["\N{FULLWIDTH COMMA}", "\N{FULLWIDTH QUOTATION MARK}", "\N{SMALL PLUS SIGN}1", "漢"])
def test_a_replacement_parts_no_columns_and_begins_no_formula(desk: Desk, sign: str) -> None:
    paper = desk.file([field("firstName"), static("x")], *named(sign), **PLAIN, encoding="windows-1252")
    assert paper.content.decode() == f"?{sign[1:]},x\n"


def test_where_nothing_may_be_lost_row_and_column_are_named(desk: Desk) -> None:
    rows = [static('a",\n"b', "s"), field("firstName", "first")]
    settings = {"preset": "standard", "encoding": "windows-1252", "unmappable": "fail"}
    with pytest.raises(Unwritable) as refused:
        desk.file(rows, *named("a", 'b"\n,', "Łukasz"), **settings)
    assert str(refused.value) == 'row 3, column "first": Ł (U+0141) does not fit Windows-1252'
    with pytest.raises(Unwritable, match=r'the header of column "Ł": Ł \(U\+0141\) does not fit'):
        desk.file([field("firstName", "a"), field("lastName", "Ł")], *named("a"), **settings)
    with pytest.raises(Unwritable, match=r"row 301, column"):
        desk.file(rows, *named(*["a" * 2000] * 300, "漢"), **settings)


# ---- rows of items -------------------------------------------------------------------------------------------------


def test_an_order_gives_a_row_for_each_item_and_one_without_items(desk: Desk) -> None:
    rows = [field("clientOrderId"), field("product1_name"), field("product2_name"), field("product1_crmId")]
    orders = [items(), items(4), items(4, 5, 6), order_document(items="none")]
    paper = desk.file(rows, *orders, **PLAIN, rowPer="item")
    ids = [order["clientOrderId"] for order in orders]
    assert paper.lines == [
        f"{ids[0]},,,",
        f"{ids[1]},P4,,4",
        *(f"{ids[2]},P{number},,{number}" for number in (4, 5, 6)),
        f"{ids[3]},,,",
    ]
    assert (paper.written.rows, paper.written.orders) == (6, 4)


@pytest.mark.parametrize(
    ("row_per", "lines"), [("order", ["P4,P4,", "P4,,", ",,"]), ("item", ["P4,,", "P4,,", "P4,,", ",,"])]
)
def test_only_the_routes_product_is_shown_where_that_is_asked(desk: Desk, row_per: str, lines: list[str]) -> None:
    rows = [field(f"product{slot}_name") for slot in (1, 2, 3)]
    profile = desk.profile(rows, route(product=4), **PLAIN, rowPer=row_per, items="route")
    events = desk.events(items(4, 5, " 4 "), items("4"), items(5))
    with desk.engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE events SET order_snapshot = replace(order_snapshot::text, 'P 4 ', 'P4')::jsonb")
        )
    assert desk.write(desk.run(profile, events)).lines == lines


@pytest.mark.parametrize(
    ("settings", "counts"),
    [
        ({}, [1, 1, 1, 1]),
        ({"rowPer": "item"}, [1, 1, 3, 1]),
        ({"rowPer": "item", "items": "route"}, [1, 1, 2, 1]),
        ({"items": "route"}, [1, 1, 1, 1]),
    ],
)
def test_how_many_lines_an_order_makes_is_known_before(desk: Desk, settings: Any, counts: list[int]) -> None:
    profile = desk.profile([field("firstName")], route(product=4), **settings)
    orders = [items(), items(4), items(4, 5, "4"), order_document(items={"productId": 4})]
    run = desk.run(profile, desk.events(*orders))
    events = sa.table("events", sa.column("id"), sa.column("order_snapshot"))
    with desk.engine.connect() as connection:
        found = connection.scalars(
            sa.select(desk.plan(run).line_count(events.c.order_snapshot))
            .select_from(events)
            .where(sa.text("id IN (SELECT event_id FROM file_items WHERE run_id = :id)"))
            .order_by(events.c.id),
            {"id": run},
        )
        assert list(found) == counts


# ---- without rows, packed, in pieces -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "content"),
    [
        ({"emptyFile": "header"}, BOM + b"firstName\r\n"),
        ({"emptyFile": "zero"}, b""),
        ({"emptyFile": "header", "header": False}, b""),
    ],
)
@pytest.mark.parametrize("packing", PACKINGS)
def test_a_file_without_rows_is_what_was_asked_for(desk: Desk, settings: Any, content: bytes, packing: str) -> None:
    paper = desk.file([field("firstName")], **settings, compression=packing)
    assert PACKINGS[packing](paper.content) == content
    assert (paper.written.rows, paper.written.bytes) == (0, len(paper.content))


@pytest.mark.parametrize("packing", PACKINGS)
def test_packing_twice_gives_the_same_bytes_and_a_good_file(desk: Desk, packing: str) -> None:
    orders = named(*(f"{number:05}" * 400 for number in range(600)))
    profile = desk.profile([field("firstName")], **PLAIN, name=f"Packed {packing}", compression=packing)
    events = desk.events(*orders)
    first = desk.write(desk.run(profile, events))
    again = desk.write(made_again(desk, first.run_id))
    assert first.content == again.content
    assert PACKINGS[packing](first.content) == b"".join(b"%s\n" % order["firstName"].encode() for order in orders)
    assert first.written.stored_packed == (packing != "none")
    assert first.written.chunks == -(-len(first.content) // (1 << 20))


def made_again(desk: Desk, run_id: int) -> int:
    """A run over the same rows, which the ledger leaves with the first."""
    with Session(desk.engine) as session, session.begin():
        old = session.get_one(Run, run_id)
        names = ("profile_id", "route_id", "part", "slot_at", "period", "snapshot")
        facts = {name: getattr(old, name) for name in names}
        new = Run(**facts, slot=f"manual-{run_id}", state="claimed", source_id=run_id)
        session.add(new)
        session.flush()
        return new.id


def test_a_zip_holds_one_file_of_its_own_name_and_nothing_of_the_machine(desk: Desk) -> None:
    paper = desk.file([field("firstName")], *named("a"), **PLAIN, fileName="orders_{rows}_{ymd}", compression="zip")
    assert paper.written.file_name == "orders_1_20261123.csv.zip"
    (entry,) = zipfile.ZipFile(io.BytesIO(paper.content)).infolist()
    assert (entry.filename, entry.date_time, entry.create_system) == (
        "orders_1_20261123.csv",
        (2026, 11, 23, 6, 0, 0),
        3,
    )


def test_a_name_tells_slot_rows_and_parts(desk: Desk) -> None:
    profile = desk.profile(
        [field("firstName")], fileName="{customerType}_{date}_{time}_{rows}_{seq}", time_zone="America/New_York"
    )
    first, second = desk.events(*named("a", "b"))
    one = desk.write(desk.run(profile, [first], slot="2026-11-23/1"))
    assert one.written.file_name == "New_Sale_2026-11-23_010000_1_1.csv"
    parts = [desk.run(profile, [second], slot="2026-11-24/1"), desk.run(profile, [], slot="2026-11-24/1", part=2)]
    names = [desk.write(run).written.file_name for run in parts]
    assert names == ["New_Sale_2026-11-23_010000_1_2-p1.csv", "New_Sale_2026-11-23_010000_0_2-p2.csv"]


# ---- faults --------------------------------------------------------------------------------------------------------


def test_a_row_that_is_missing_is_noticed(desk: Desk) -> None:
    """Nothing of ours deletes an event that a run has taken; a hand may."""
    events = desk.events(*named("a", "b"))
    run = desk.run(desk.profile([field("firstName")]), events)
    with desk.engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
        connection.execute(sa.text("DELETE FROM events WHERE id = :id"), {"id": events[0]})
    with pytest.raises(Unwritable, match=r"2 rows were taken, but 1 came out"):
        desk.write(run)


def test_a_writer_whose_lease_is_lost_stores_nothing(desk: Desk) -> None:
    run_id = desk.run(desk.profile([field("firstName")]), desk.events(*named("a")))

    def lost() -> None:
        raise TimeoutError

    with desk.engine.connect() as reader, Session(desk.engine) as session:
        run = session.get_one(Run, run_id)
        with pytest.raises(TimeoutError):
            write(reader, session.connection(), run, plan_of(run.snapshot or {}), alive=lost)
        assert reader.scalar(sa.text("SELECT 1")) == 1
    with desk.engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM run_chunks WHERE run_id = :id"), {"id": run_id}) == 0


def test_a_run_without_a_snapshot_was_never_claimed(desk: Desk) -> None:
    run_id = desk.run(desk.profile([field("firstName")]), [])
    with desk.engine.connect() as reader, Session(desk.engine) as session:
        run, plan = session.get_one(Run, run_id), desk.plan(run_id)
        run.snapshot = None
        with pytest.raises(Unwritable, match="never claimed"):
            write(reader, session.connection(), run, plan, alive=lambda: None)


def test_what_is_not_written_or_gone_cannot_be_read(desk: Desk) -> None:
    run_id = desk.run(desk.profile([field("firstName")]), [])
    with pytest.raises(NoBytes, match="not written"):
        stream(desk.engine, run_id)
    paper = desk.file([field("firstName")], *named("a"))
    with desk.engine.begin() as connection:
        connection.execute(sa.text("UPDATE runs SET bytes_gone_at = now() WHERE id = :id"), {"id": paper.run_id})
    with pytest.raises(NoBytes, match="are gone"):
        stream(desk.engine, paper.run_id)


def test_bytes_that_go_while_they_are_read_are_told(desk: Desk) -> None:
    paper = desk.file([field("firstName")], *named(*["x" * 4000] * 600), **PLAIN)
    pieces = stream(desk.engine, paper.run_id)
    assert len(next(pieces)) == 1 << 20
    with desk.engine.begin() as connection:
        connection.execute(sa.text("UPDATE runs SET bytes_gone_at = now() WHERE id = :id"), {"id": paper.run_id})
        connection.execute(sa.text("DELETE FROM run_chunks WHERE run_id = :id"), {"id": paper.run_id})
    with pytest.raises(NoBytes, match="went while"):
        next(pieces)
