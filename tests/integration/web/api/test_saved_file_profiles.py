"""What saving and deleting a file profile means for its slots, its ledger, its runs and its uploads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from models import jobs
from models.profile import Profile
from models.run import Run, Upload
from tests.factories import accept_events, event_document, unique
from tests.file_rows import add_run, add_upload, fill
from tests.integration.web.api.conftest import Program

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def campaign() -> str:
    """A campaign that no other test has events of."""
    return unique("campaign")


@pytest.fixture
def csv(campaign: str) -> dict[str, Any]:
    return {
        "name": unique("Daily"),
        "exportType": "csv",
        "settings": {"schedule": "daily 06:00"},
        "mappings": [{"exportName": "order", "field": "clientOrderId"}],
        "routes": [{"customerType": "Partial", "campaign": campaign, "product": "all"}],
    }


def stored(session: Session, document: dict[str, Any]) -> Profile:
    session.expire_all()
    return session.scalars(sa.select(Profile).where(Profile.name == document["name"]).order_by(Profile.id)).all()[-1]


def happen(session: Session, campaign: str, *keys: str, customer_type: str = "Partial") -> list[str]:
    """Accept so many events of the campaign; gives their keys."""
    given = [unique(key) for key in keys]
    engine = session.get_bind()
    assert isinstance(engine, sa.Engine)
    accept_events(engine, *[event_document(key, customer_type, campaignId=campaign) for key in given])
    return given


def ledger(session: Session, document: dict[str, Any]) -> dict[str, Any]:
    """The rows of a profile by the first word of their event's key."""
    rows = session.execute(
        sa.text(
            """SELECT e.event_key, f.run_id, f.skipped, f.ready_at - e.accepted_at AS age FROM file_items f
            JOIN events e ON e.id = f.event_id JOIN routes r ON r.id = f.route_id WHERE r.profile_id = :id"""
        ),
        {"id": stored(session, document).id},
    )
    return {row.event_key.split("-")[0]: row for row in rows}


# ---- edits never call up past slots


@pytest.mark.parametrize(
    ("change", "is_moved"),
    [
        ({"settings": {"schedule": "daily 07:00"}}, True),
        ({"settings": {"schedule": "manual"}}, True),
        ({"timeZone": "Asia/Tokyo"}, True),
        ({"settings": {"schedule": "daily 06:00", "delimiter": ";"}}, False),
        ({"delayMinutes": 9}, False),
        ({"paused": True}, False),
        ({"routes": []}, False),
        ({}, False),
    ],
)
def test_a_new_time_calls_up_no_past_slot_and_any_other_edit_forgets_none(
    pia: Program, session: Session, csv: dict[str, Any], change: dict[str, Any], is_moved: bool
):
    pia.save(csv, status=201)
    profile = stored(session, csv)
    assert abs(profile.planned_until - datetime.now(UTC)) < timedelta(minutes=1)
    profile.planned_until = LONG_AGO
    session.commit()
    pia.save(csv | change, status=200)
    assert (stored(session, csv).planned_until != LONG_AGO) is is_moved


def test_what_was_off_owes_no_slot_of_that_time_and_what_was_paused_does(
    pia: Program, session: Session, csv: dict[str, Any]
):
    for change, is_moved in (({"enabled": False}, True), ({"paused": True}, False)):
        pia.save(csv | change)
        stored(session, csv).planned_until = LONG_AGO
        session.commit()
        pia.save(csv)
        assert (stored(session, csv).planned_until != LONG_AGO) is is_moved


# ---- the ledger


def test_a_new_delay_holds_for_what_waits(pia: Program, session: Session, csv: dict[str, Any], campaign: str):
    pia.save(csv)
    happen(session, campaign, "a")
    pia.save(csv | {"delayMinutes": 45})
    assert ledger(session, csv)["a"].age == timedelta(minutes=45)


def test_a_profile_that_is_switched_on_is_owed_the_day_before(
    pia: Program, session: Session, csv: dict[str, Any], campaign: str
):
    happen(session, campaign, "before")
    pia.save(csv)
    happen(session, campaign, "after")
    engine = session.get_bind()
    assert isinstance(engine, sa.Engine)
    while jobs.run_one_batch(engine):
        pass
    assert set(ledger(session, csv)) == {"before", "after"}


def test_a_route_that_is_taken_out_and_put_back_exports_no_row_twice(
    pia: Program, session: Session, csv: dict[str, Any], campaign: str
):
    pia.save(csv)
    (key,) = happen(session, campaign, "taken")
    run = add_run(session, stored(session, csv), content=b"order\nB1\n")
    fill(session, run, [key])
    pia.save(csv | {"routes": []})
    happen(session, campaign, "meanwhile")
    pia.save(csv)
    engine = session.get_bind()
    assert isinstance(engine, sa.Engine)
    while jobs.run_one_batch(engine):
        pass
    rows = ledger(session, csv)
    assert (rows["taken"].run_id, rows["meanwhile"].run_id) == (run.id, None)


# ---- what waits for a person


def test_any_save_lets_files_and_uploads_go_on(pia: Program, session: Session, csv: dict[str, Any]):
    pia.save(csv)
    profile = stored(session, csv)
    held = add_run(session, profile, state="held", error="a character does not fit", tries=3)
    sent = add_upload(session, add_run(session, profile, content=b"x"), state="held", login_failures=3, error="530")
    profile.gate.fault, profile.gate.fault_since = "upload", LONG_AGO
    session.commit()
    pia.save(csv)
    session.expire_all()
    run, upload = session.get_one(Run, held.id), session.get_one(Upload, sent.id)
    assert (run.state, run.error, run.tries) == ("planned", None, 0)
    assert (upload.state, upload.login_failures) == ("pending", 0)
    assert stored(session, csv).gate.fault is None


# ---- deleting


def test_a_deleted_profile_ends_what_is_open_in_the_callers_name_and_keeps_the_rest(
    pia: Program, session: Session, csv: dict[str, Any], campaign: str
):
    pia.save(csv)
    profile = stored(session, csv)
    taken, waits = happen(session, campaign, "taken", "waits")
    done = add_run(session, profile, content=b"order\nB1\n")
    fill(session, done, [taken])
    lease: dict[str, Any] = {"lease_token": 1, "lease_until": datetime.now(UTC), "leased_by": "files"}
    open_runs = [
        add_run(session, profile, state="planned"),
        add_run(session, profile, state="held", error="x"),
        add_run(session, profile, state="claimed", claimed_at=LONG_AGO, **lease),
    ]
    uploads = [
        add_upload(session, done, state=state, **(lease if state == "leased" else {}))
        for state in ("delivered", "pending", "held", "leased")
    ]
    assert pia.call("DELETE", f"/profiles/{csv['name']}").status_code == 204
    session.expire_all()
    assert {(run.state, run.lease_token) for run in open_runs} == {("cancelled", None)}
    assert {run.error for run in open_runs} == {str(open_runs[0].error)}
    assert str(open_runs[0].error).startswith("cancelled by ")
    assert str(open_runs[0].error).endswith(": profile deleted")
    assert (done.state, [upload.state for upload in uploads]) == ("written", ["delivered"] + ["cancelled"] * 3)
    rows = ledger(session, csv)
    assert (rows["taken"].run_id, rows["taken"].skipped) == (done.id, None)
    assert (rows["waits"].run_id, rows["waits"].skipped) == (None, "profile deleted")
    assert waits

    pia.save(csv, status=201)
    happen(session, campaign, "new")
    assert set(ledger(session, csv)) == {"new"}


def test_deleting_one_profile_leaves_the_others_alone(
    pia: Program, session: Session, csv: dict[str, Any], campaign: str
):
    other = csv | {"name": unique("Other")}
    pia.save(csv)
    pia.save(other)
    happen(session, campaign, "a")
    run = add_run(session, stored(session, other))
    pia.call("DELETE", f"/profiles/{csv['name']}")
    session.expire_all()
    assert session.get_one(Run, run.id).state == "planned"
    assert ledger(session, other)["a"].skipped is None
