"""Home says what needs a person, and says it no longer once that is mended."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from models import tallies
from models.base import db, utc_now
from models.heartbeat import BEAT
from models.profile import Gate, Profile
from models.run import Run
from tests.factories import accept_events, add_profile, event_document, route, unique
from tests.file_rows import add_file_profile, add_run, add_upload, forget_everything
from web.health import look

from .conftest import Browser


@pytest.fixture(autouse=True)
def session(app: Flask) -> Iterator[Session]:
    """An empty house in which everybody is at work."""
    with app.app_context():
        engine = db.engine
    with Session(engine) as session:
        forget_everything(session)
        for name in ("tick", "deliver:here:1"):
            session.execute(BEAT, {"name": name})
        session.commit()
        yield session


def attention(page: str) -> str:
    """Give the text between "Needs attention" and the profiles."""
    part = page[page.index("Needs attention") : page.index("<h2>Profiles")]
    return " ".join(re.sub(r"<[^>]+>", " ", part).split()).replace(" :", ":")


def last_result(page: str) -> str:
    """Give what the only profile's last try came to."""
    (cell,) = re.findall(r'data-label="Last result">(.*?)</td>', page, re.DOTALL)
    return re.sub(r"<[^>]+>", " ", cell).split()[0]


def profile_with_deliveries(session: Session, count: int = 1) -> tuple[int, str]:
    name = unique("Calls")
    number = add_profile(engine_of(session), route("partial"), name=name, url="https://postingmydata.com/")
    accept_events(engine_of(session), *(event_document(customer_type="Partial") for _ in range(count)))
    return number, name


def change(session: Session, statement: str, **values: object) -> None:
    session.execute(sa.text(statement), values)
    session.commit()


def engine_of(session: Session) -> sa.Engine:
    bind = session.get_bind()
    assert isinstance(bind, sa.Engine)
    return bind


def test_a_house_in_order_says_so(app: Flask, vera: Browser, session: Session) -> None:
    with app.app_context():
        refusals, degraded = look()
    assert (refusals, [name for name in degraded if name != "redis"]) == ([], [])
    profile_with_deliveries(session)
    assert "Nothing. Every receiver answers" in attention(vera.get("/admin/"))


def test_a_receiver_that_is_down_is_named_with_what_waits_and_a_button(
    olga: Browser, vera: Browser, session: Session
) -> None:
    number, name = profile_with_deliveries(session, 3)
    change(
        session,
        "UPDATE gates SET fault = 'breaker', fault_message = '503 five times', fault_since = now() WHERE profile_id = :n",
        n=number,
    )
    page = olga.get("/admin/")
    assert f"{name}: receiver down." in attention(page)
    assert "It said: 503 five times. 3 wait, the oldest for" in attention(page)
    assert f'aria-label="Resume {name}"' in page
    assert "Resume" not in attention(vera.get("/admin/"))
    olga.get("/admin/")
    assert olga.post(f"/admin/profiles/{number}/resume").status_code == 302
    assert name not in attention(olga.get("/admin/"))


@pytest.mark.parametrize(("hours", "level"), [(2, "info"), (7, "warning"), (25, "danger")])
def test_what_waits_for_long_is_told_louder_with_time(vera: Browser, hours: int, level: str, session: Session) -> None:
    number, name = profile_with_deliveries(session)
    change(session, "UPDATE deliveries SET due_at = now() - make_interval(hours => :h)", h=hours)
    page = vera.get("/admin/")
    assert f"{name}: 1 waits, the oldest for" in attention(page)
    assert f'class="alert alert-{level} wb-alert"' in page
    change(session, "UPDATE deliveries SET due_at = now()")
    assert name not in attention(vera.get("/admin/"))
    change(session, "UPDATE deliveries SET due_at = now() - interval '2 days'")
    change(session, "UPDATE profiles SET paused = true WHERE id = :n", n=number)
    assert name not in attention(vera.get("/admin/"))


@pytest.mark.parametrize(("hours", "level"), [(1, "info"), (6, "warning"), (24, "danger")])
def test_an_alert_that_nothing_else_explains_is_told_on_home_and_on_the_profile(
    edda: Browser, vera: Browser, hours: int, level: str, session: Session
) -> None:
    number, name = profile_with_deliveries(session)
    alert = "INSERT INTO alerts SELECT :n, now() - interval '30 h', :h, now()"
    change(session, alert, n=number, h=hours)
    page = vera.get("/admin/")
    assert f"{name}: its exports have waited for more than" in attention(page)
    assert f'class="alert alert-{level} wb-alert"' in page
    line = f"for more than {hours} {'hour' if hours == 1 else 'hours'}, since"
    assert line in edda.get(f"/admin/profile/{number}")
    assert line in vera.get(f"/admin/preview/{number}")
    change(session, "DELETE FROM alerts")
    assert name not in attention(vera.get("/admin/"))
    assert line not in edda.get(f"/admin/profile/{number}")


def test_events_that_nobody_takes_are_told_by_type_and_campaign(vera: Browser, session: Session) -> None:
    add_profile(engine_of(session), route("new_sale"))
    events = [event_document(customer_type="Decline", campaignId="c-lost", campaignName="Lost & found") for _ in "12"]
    accept_events(engine_of(session), *events, event_document(customer_type="New Sale"))
    text = attention(vera.get("/admin/"))
    assert "Events of the last 24 hours that no profile takes: Decline of campaign" in text
    assert "Lost &amp; found" in text
    assert "(2)." in text
    assert "New Sale" not in text
    change(session, "UPDATE events SET accepted_at = now() - interval '25 hours'")
    assert "no profile takes" not in attention(vera.get("/admin/"))


def test_a_profile_without_a_route_is_told(edda: Browser, session: Session) -> None:
    number, name = profile_with_deliveries(session)
    change(session, "UPDATE routes SET enabled = false WHERE profile_id = :n", n=number)
    assert f"{name}: has no route: it sends nothing." in attention(edda.get("/admin/"))
    change(session, "UPDATE profiles SET enabled = false WHERE id = :n", n=number)
    assert name not in attention(edda.get("/admin/"))


def test_files_that_failed_are_told_with_the_reason(vera: Browser, session: Session) -> None:
    profile = add_file_profile(session)
    run = add_run(session, profile, state="held", error="column 3: no such field")
    name, number = profile.name, run.id
    text = attention(vera.get("/admin/"))
    assert f"{name}: 1 file could not be made. column 3: no such field" in text
    session.execute(sa.update(Run).where(Run.id == number).values(state="cancelled", error=None))
    session.commit()
    assert name not in attention(vera.get("/admin/"))


def test_uploads_that_fail_are_told_until_they_arrive(vera: Browser, session: Session) -> None:
    profile = add_file_profile(session, "ftp")
    upload = add_upload(session, add_run(session, profile, content=b"a\r\n"), failures=1, error="530 no such user")
    name, number = profile.name, upload.id
    assert f"{name}: 1 upload failed. 530 no such user" in attention(vera.get("/admin/"))
    change(session, "UPDATE uploads SET state = 'delivered', finished_at = now(), error = NULL WHERE id = :n", n=number)
    assert name not in attention(vera.get("/admin/"))


def test_a_silent_schedule_and_silent_workers_are_told(vera: Browser, session: Session) -> None:
    change(session, "UPDATE heartbeats SET at = now() - interval '2 minutes'")
    text = attention(vera.get("/admin/"))
    assert "The schedule is silent." in text
    assert "No worker has been seen for a minute" in text
    change(session, "UPDATE heartbeats SET at = now()")
    text = attention(vera.get("/admin/"))
    assert "silent" not in text
    assert "No worker" not in text


def test_profiles_in_trouble_stand_first(vera: Browser, session: Session) -> None:
    for name in ("A fine one", "Z in trouble"):
        add_profile(engine_of(session), route("new_sale"), name=name)
    trouble = session.scalars(sa.select(Profile).where(Profile.name == "Z in trouble")).one()
    session.execute(sa.update(Gate).where(Gate.profile_id == trouble.id).values(fault="gone", fault_since=utc_now()))
    session.commit()
    table = vera.get("/admin/").partition("<h2>Profiles")[2]
    assert table.index("Z in trouble") < table.index("A fine one")


def test_today_and_the_last_fortnight_are_counted(vera: Browser, session: Session) -> None:
    number, _ = profile_with_deliveries(session)
    with engine_of(session).begin() as connection:
        tallies.count(connection, {number: (1_234, 2)}, zone="UTC")
    change(
        session,
        "INSERT INTO delivery_days (profile_id, day, share, delivered) SELECT :n, current_date - 3, 0, 66",
        n=number,
    )
    change(session, "UPDATE delivery_days SET failed_at = now() - interval '1 hour' WHERE failed_at IS NOT NULL")
    page = vera.get("/admin/")
    assert last_result(page) == "delivered"
    change(session, "UPDATE delivery_days SET failed_at = now() + interval '1 second' WHERE failed_at IS NOT NULL")
    assert last_result(vera.get("/admin/")) == "failed"
    assert "1,234 delivered" in page
    assert "2 failed tries" in page
    assert "14 days: 1,300 delivered, 2 failed; most on" in page


def test_home_asks_the_same_few_questions_however_much_there_is(vera: Browser, session: Session) -> None:
    asked: list[str] = []

    def listen(_c: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    def questions() -> int:
        asked.clear()
        vera.get("/admin/")
        return len(asked)

    profile_with_deliveries(session)
    sa.event.listen(engine_of(session), "before_cursor_execute", listen)
    try:
        few = questions()
        for _ in range(8):
            profile_with_deliveries(session, 5)
        assert questions() == few
    finally:
        sa.event.remove(engine_of(session), "before_cursor_execute", listen)


GROWING = {"deliveries", "attempts", "file_items", "events"}


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


@pytest.mark.parametrize("path", ["/admin/", "/admin/profiles/?q=a&state=on"])
def test_no_table_that_grows_is_read_from_end_to_end(path: str, vera: Browser, session: Session) -> None:
    profile_with_deliveries(session)
    add_run(session, add_file_profile(session), state="held", error="no such field")
    asked: list[tuple[str, Any]] = []

    def listen(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    sa.event.listen(engine_of(session), "before_cursor_execute", listen)
    try:
        vera.get(path)
    finally:
        sa.event.remove(engine_of(session), "before_cursor_execute", listen)
    read = set()
    session.execute(sa.text("SET LOCAL enable_seqscan = off"))  # tables are small here: is there an index at all?
    for statement, parameters in asked:
        if not statement.lstrip().startswith(("SELECT", "/*")) or "INSERT" in statement:
            continue
        explained = session.connection().exec_driver_sql(f"EXPLAIN (FORMAT json) {statement}", parameters).scalar_one()
        for node in nodes(explained[0]["Plan"]):
            if table := GROWING & {str(node.get("Relation Name")).partition("_2")[0]}:
                read |= table
                assert node["Node Type"] != "Seq Scan", statement
                # The newest events are taken from the end of their index, so many and no more.
                assert table == {"events"} or {"Index Cond", "Recheck Cond"} & node.keys(), statement
    assert "deliveries" in read


# ---- the list of profiles ----------------------------------------------------------------------------------------------


def test_the_list_is_filtered_by_name_type_state_and_customer_type(vera: Browser, session: Session) -> None:
    add_profile(engine_of(session), route("new_sale"), name="Buyers mail")
    add_profile(engine_of(session), route("partial"), name="Callers", paused=True)
    add_profile(engine_of(session), route("partial"), name="Old ones", enabled=False)
    add_file_profile(session, name="Warehouse")
    for query, expected in {
        "q=BUYERS": {"Buyers mail"},
        "type=csv": {"Warehouse"},
        "state=paused": {"Callers"},
        "state=off": {"Old ones"},
        "state=on": {"Buyers mail", "Warehouse"},
        "customers=new_sale": {"Buyers mail"},
        "customers=partial&state=off": {"Old ones"},
        "state=nonsense": set(),
        "type=%00": {"Buyers mail", "Callers", "Old ones", "Warehouse"},
    }.items():
        page = vera.get(f"/admin/profiles/?{query}")
        shown = {name for name in ("Buyers mail", "Callers", "Old ones", "Warehouse") if f">{name}</a>" in page}
        assert shown == expected, query


def test_an_editor_switches_a_profile_off_and_on_in_the_list(edda: Browser, session: Session) -> None:
    number, name = profile_with_deliveries(session)
    for word, is_on in (("", False), ("yes", True)):
        edda.get("/admin/profiles/")
        assert edda.post(f"/admin/profiles/{number}/switch", {"on": word}).status_code == 302
        session.expire_all()
        assert session.get_one(Profile, number).enabled is is_on
    lines = session.execute(
        sa.text("SELECT actor FROM audit_lines WHERE target = :name AND act = 'changed'"), {"name": f"profile {name}"}
    ).all()
    assert [line.actor for line in lines] == ["edda@example.com"] * 2


def test_a_profile_that_cannot_be_switched_on_says_why_on_its_page(edda: Browser, session: Session) -> None:
    number, _ = profile_with_deliveries(session)
    change(session, "UPDATE profiles SET enabled = false, settings = '{}' WHERE id = :n", n=number)
    edda.get("/admin/profiles/")
    answer = edda.post(f"/admin/profiles/{number}/switch", {"on": "yes"})
    assert answer.headers["Location"].endswith(f"/admin/profile/{number}")
    session.expire_all()
    assert not session.get_one(Profile, number).enabled


def test_a_profile_whose_receiver_is_down_can_be_resumed_or_paused_in_the_list(olga: Browser, session: Session) -> None:
    number, _ = profile_with_deliveries(session)
    path = f"/admin/profiles/{number}/resume"
    assert path not in olga.get("/admin/profiles/")
    change(session, "UPDATE gates SET fault = 'breaker', fault_since = now() WHERE profile_id = :n", n=number)
    page = olga.get("/admin/profiles/")
    assert path in page
    assert f"/admin/profiles/{number}/pause" in page
    assert olga.post(path).status_code == 302
    assert path not in olga.get("/admin/profiles/")


def test_an_operator_may_not_switch(olga: Browser, session: Session) -> None:
    number, _ = profile_with_deliveries(session)
    page = olga.get("/admin/profiles/")
    assert "/switch" not in page
    assert olga.post(f"/admin/profiles/{number}/switch", {"on": ""}).status_code == 403
    session.expire_all()
    assert session.get_one(Profile, number).enabled
