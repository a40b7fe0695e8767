"""The lists of deliveries over a small database that the bench's loader has filled: right answers, out of indexes."""

import itertools
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from bench.load_people import TESTER
from bench.loader import NotEmpty, load
from models import finding
from models.delivery import Attempt, Delivery
from models.event import Event
from models.finding import FAILING, STREAMS, Wanted, looked_until, newest
from models.gates import shown_state
from models.profile import Gate, Profile
from tests.factories import engine_on
from tests.servers import Servers

SIZES = {"deliveries": 6_000, "customers": 500, "profiles": 60, "days": 3}


@pytest.fixture(scope="module")
def loaded(servers: Servers) -> Iterator[sa.Engine]:
    """A database with everything in it, of this module alone."""
    with servers.database() as url, engine_on(url) as engine:
        list(load(engine, **SIZES))
        yield engine


@pytest.fixture
def session(loaded: sa.Engine) -> Iterator[Session]:
    with Session(loaded) as one:
        yield one


def found(session: Session, wanted: Wanted, limit: int = 51) -> list[int]:
    ids = newest(session, wanted, limit=limit)
    return list(session.scalars(sa.select(ids.c.id).order_by(ids.c.id.desc())))


def read_plainly(session: Session, wanted: Wanted, limit: int = 51) -> list[int]:
    """The same question, put to every delivery."""
    query = (
        sa.select(Delivery.id)
        .join(Event, Event.id == Delivery.event_id)
        .join(Profile, Profile.id == Delivery.profile_id)
        .join(Gate, Gate.profile_id == Profile.id)
    )
    if wanted.state == FAILING:
        query = query.where(Delivery.state == "pending", Delivery.retried)
    elif wanted.state is not None:
        query = query.where(shown_state == wanted.state)
    if wanted.profiles is not None:
        query = query.where(wanted.profiles)
    if wanted.status is not None:
        refused = sa.select(Attempt.delivery_id).where(Attempt.status == wanted.status, Attempt.status >= 300)
        query = query.where(Delivery.id.in_(refused))
    for column, value in (
        (Event.customer_id, wanted.customer_id),
        (Event.order_key, wanted.order_key),
        (Event.event_key, wanted.event_key),
    ):
        query = query if value is None else query.where(column == value)
    query = query if wanted.before is None else query.where(Delivery.id < wanted.before)
    query = query if wanted.since is None else query.where(Delivery.created_at >= wanted.since)
    query = query if wanted.until is None else query.where(Delivery.created_at < wanted.until)
    return list(session.scalars(query.order_by(Delivery.id.desc()).limit(limit)))


def questions(session: Session) -> Iterator[Wanted]:
    """Every filter alone and in pairs with each other."""
    profiles = {"many": 3, "paused": 2, "down": 1, "none": 54, "nobody": 10**9}
    event = session.scalars(
        sa.select(Event).where(Event.customer_id == TESTER).order_by(Event.id.desc()).limit(1)
    ).one()
    middle = session.scalars(sa.select(Event.accepted_at).order_by(Event.id).offset(1500).limit(1)).one()
    values: dict[str, list[Any]] = {
        "profiles": [Profile.id == number for number in profiles.values()],
        "state": list(STREAMS),
        "customer_id": [TESTER, "nobody"],
        "order_key": [event.order_key, "none"],
        "event_key": [event.event_key, "none"],
        "status": [503, 302, 418],
        "since": [middle],
        "until": [middle + timedelta(hours=5)],
        "before": [3000, 1],
    }
    singles = [(name, value) for name, given in values.items() for value in given]
    yield Wanted()
    for name, value in singles:
        yield Wanted(**{name: value})
    for (name, value), (other, also) in itertools.combinations(singles, 2):
        if name != other:
            yield Wanted(**{name: value, other: also})
    for state, status, profile in itertools.product(STREAMS, (503, 302), values["profiles"]):
        yield Wanted(state=state, status=status, profiles=profile, before=5000)


def test_every_pair_of_filters_finds_what_reading_all_rows_finds(session: Session) -> None:
    answers = {"none": 0, "some": 0}
    for wanted in questions(session):
        ids = found(session, wanted)
        assert ids == read_plainly(session, wanted), wanted
        answers["some" if ids else "none"] += 1
    assert min(answers.values()) > 50  # both kinds were really asked for


def test_pages_joined_together_are_the_whole_list(session: Session) -> None:
    for state in (None, "held", "cancelled"):
        ids: list[int] = []
        before = None
        while page := found(session, Wanted(state=state, profiles=Profile.id < 30, before=before), limit=700):
            ids += page
            before = page[-1]
        assert ids == read_plainly(session, Wanted(state=state, profiles=Profile.id < 30), limit=100_000)


def test_a_search_among_many_refusals_stops_and_says_where_it_goes_on(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "LOOKED_THROUGH", 40)
    ids: list[int] = []
    before, stops = None, 0
    while True:
        wanted = Wanted(status=503, state="delivered", before=before)
        page = found(session, wanted)
        ids += page
        stopped = looked_until(session, wanted)
        if stopped is None:
            break
        before, stops = stopped, stops + 1
    assert stops > 2
    assert ids == read_plainly(session, Wanted(status=503, state="delivered"), limit=100_000)


def test_other_searches_never_stop_halfway(session: Session) -> None:
    assert looked_until(session, Wanted(state="cancelled")) is None
    assert looked_until(session, Wanted(status=503, customer_id=TESTER)) is None


def scans(session: Session, query: Any) -> list[dict[str, Any]]:
    """Plan a statement, with sequential scans as dear as Postgres can make them; give all its nodes."""
    bound = query.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
    session.execute(sa.text("SET LOCAL enable_seqscan = off"))
    told = session.connection().exec_driver_sql(f"EXPLAIN (FORMAT JSON) {bound}").scalar_one()
    plans = told if isinstance(told, list) else json.loads(told)
    return list(nodes(plans[0]["Plan"]))


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def test_no_question_walks_a_large_table(session: Session) -> None:
    for wanted in questions(session):
        for node in scans(session, sa.select(newest(session, wanted, limit=51))):
            assert node["Node Type"] != "Seq Scan" or node["Relation Name"] in {"profiles", "gates"}, wanted


@pytest.mark.parametrize("state", [None, *STREAMS])
def test_a_profile_is_listed_out_of_indexes_that_hold_nothing_else(session: Session, state: str | None) -> None:
    query = sa.select(newest(session, Wanted(profiles=Profile.id == 3, state=state, before=4000), limit=51))
    used = {node["Index Name"] for node in scans(session, query) if "deliveries" in node.get("Index Name", "")}
    assert used
    assert used <= {"ix_deliveries_open", "ix_deliveries_delivered", "ix_deliveries_aside", "ix_deliveries_leased"}


def test_refusals_of_a_profile_are_found_by_profile_and_status(session: Session) -> None:
    query = sa.select(newest(session, Wanted(profiles=Profile.id == 3, status=503), limit=51))
    conditions = [
        node.get("Index Cond", "") for node in scans(session, query) if "attempts" in node.get("Relation Name", "")
    ]
    assert conditions
    assert all("profile_id" in one and "status" in one for one in conditions)


def test_the_loader_leaves_a_database_alone_that_is_in_use(loaded: sa.Engine) -> None:
    with pytest.raises(NotEmpty):
        list(load(loaded, **SIZES))
