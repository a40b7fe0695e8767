"""Runs over the API, and what a customer's history says of files."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from models.profile import Gate, Profile
from models.run import FileItem
from tests.factories import accept_events, event_document, unique
from tests.file_rows import add_file_profile, add_run, add_upload, fill
from tests.integration.web.api.conftest import Program
from web.api import shapes

CONTENT = b"order,name\r\nB1,Jane\r\nB2,Joe\r\n"


@pytest.fixture
def profile(session: Session) -> Profile:
    return add_file_profile(session)


def _only(pia: Program, query: str) -> Any:
    (item,) = pia.get(f"/runs?{query}").json["items"]
    shapes.Run.model_validate(item)
    return item


def test_a_planned_run_has_no_file_yet(pia: Program, profile: Profile, session: Session) -> None:
    run = add_run(session, profile)
    expected = {
        "id": run.id,
        "profile": profile.name,
        "route": f"Partial / {profile.routes[0].campaign_id} / all",
        "period": "2026-11-23",
        "fileName": None,
        "state": "planned",
        "uploadState": None,
        "rows": 0,
        "bytes": 0,
        "sha256": None,
        "error": None,
    }
    assert _only(pia, f"profile={profile.name}") == expected
    assert pia.get(f"/runs/{run.id}").json == expected


def test_a_written_run_names_its_file(pia: Program, profile: Profile, session: Session) -> None:
    run = add_run(session, profile, content=CONTENT)
    item = _only(pia, f"profile={profile.name.upper()}")
    assert (item["state"], item["rows"], item["bytes"]) == ("written", 2, len(CONTENT))
    assert (item["fileName"], item["sha256"], item["error"]) == (run.file_name, run.sha256, None)


def test_the_last_upload_is_the_one_that_is_told(pia: Program, session: Session) -> None:
    profile = add_file_profile(session, "ftp")
    run = add_run(session, profile, content=CONTENT)
    add_upload(session, run, state="delivered", finished_at=sa.func.now())
    add_upload(session, run, error="553 no right to write")
    item = _only(pia, f"profile={profile.name}")
    assert (item["state"], item["uploadState"], item["error"]) == ("written", "pending", "553 no right to write")


@pytest.mark.parametrize(
    ("columns", "gate", "run_state", "upload_state", "error"),
    [
        ({"paused": True}, {}, "held", "held", "paused"),
        ({"enabled": False}, {}, "held", "held", "disabled"),
        ({}, {"fault": "upload", "fault_since": sa.func.now()}, "planned", "held", "uploads stopped"),
        ({}, {"fault": "making", "fault_since": sa.func.now()}, "held", "pending", "files cannot be made"),
    ],
)
def test_behind_a_closed_gate_what_waits_is_held(
    pia: Program,
    session: Session,
    columns: dict[str, Any],
    gate: dict[str, Any],
    run_state: str,
    upload_state: str,
    error: str,
) -> None:
    profile = add_file_profile(session, "ftp", **columns)
    if gate:
        session.execute(sa.update(Gate).where(Gate.profile_id == profile.id).values(**gate))
    planned = add_run(session, profile)
    written = add_run(session, profile, content=CONTENT)
    add_upload(session, written)
    first, second = (pia.get(f"/runs/{run.id}").json for run in (planned, written))
    assert (first["state"], second["state"], second["uploadState"]) == (run_state, "written", upload_state)
    assert error in {first["error"], second["error"]}
    held = [item["id"] for item in pia.get(f"/runs?profile={profile.name}&state=held").json["items"]]
    assert held == ([planned.id] if run_state == "held" else [])


def test_pages_of_runs_follow_each_other(pia: Program, profile: Profile, session: Session) -> None:
    made = [add_run(session, profile).id for _ in range(5)]
    seen: list[int] = []
    after = ""
    while True:
        page = pia.get(f"/runs?profile={profile.name}&limit=2{after}").json
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert seen == made[::-1]


def test_filters_of_runs_that_cannot_be_are_400(pia: Program) -> None:
    for query in ("state=pending", "profil=x", "limit=0", "after=x", "profile=%00"):
        assert pia.get(f"/runs?{query}").status_code == 400, query


@pytest.mark.parametrize("number", ["0", "999999999999", "x", "9" * 30, "-1"])
def test_a_run_that_is_not_there_is_404(pia: Program, number: str) -> None:
    assert pia.get(f"/runs/{number}").status_code == 404


class TestHistory:
    """A row of a file leaves a line with its file and place."""

    @pytest.fixture
    def customer(self, engine: sa.Engine) -> str:
        return unique("cust")

    @pytest.fixture
    def keys(self, engine: sa.Engine, customer: str) -> list[str]:
        """Three orders in a row; the second is the customer's."""
        ids = [unique("other"), customer, unique("other")]
        events = [event_document(unique("ev"), "Partial", customerId=one, campaignId=unique("c")) for one in ids]
        accept_events(engine, *events)
        return [event["eventId"] for event in events]

    def _line(self, pia: Program, customer: str, profile: Profile) -> Any:
        answer = pia.get(f"/customers/{customer}/history")
        shapes.History.model_validate(answer.json)
        (line,) = [item for item in answer.json["items"] if item["profile"] == profile.name]
        return line

    def test_a_file_to_download(
        self, pia: Program, session: Session, profile: Profile, customer: str, keys: list[str]
    ) -> None:
        run = add_run(session, profile, content=CONTENT)
        fill(session, run, keys)
        line = self._line(pia, customer, profile)
        order = line["message"].split(" (")[0]
        name = f'"{profile.name}" ({profile.id})'
        assert line["message"] == f"{order} (Partial) exported in {run.file_name}, row 2, of {name}. View"
        assert (line["result"], line["runId"], line["deliveryId"]) == ("delivered", run.id, None)

    def test_a_file_with_a_row_for_each_item(
        self, pia: Program, session: Session, customer: str, keys: list[str]
    ) -> None:
        profile = add_file_profile(session, settings={"rowPer": "item"})
        run = add_run(session, profile, content=CONTENT)
        fill(session, run, keys)
        assert ", order 2, of " in self._line(pia, customer, profile)["message"]

    def test_an_upload_that_waits_fails_and_arrives(
        self, pia: Program, session: Session, customer: str, keys: list[str]
    ) -> None:
        profile = add_file_profile(session, "ftp")
        run = add_run(session, profile, content=CONTENT)
        fill(session, run, keys)
        upload = add_upload(session, run)
        line = self._line(pia, customer, profile)
        assert line["result"] == "pending"
        assert " not yet exported, written in " in line["message"]
        assert line["message"].endswith(": not uploaded yet. View")
        upload.error, upload.tries = "552 disk full.", 1
        session.commit()
        assert self._line(pia, customer, profile)["message"].endswith(": 552 disk full; not uploaded yet. View")
        upload.state, upload.finished_at = "delivered", sa.func.now()
        session.commit()
        line = self._line(pia, customer, profile)
        assert line["result"] == "delivered"
        assert f" exported in {run.file_name}, row 2, of " in line["message"]

    def test_a_row_that_waits_for_a_run(
        self, pia: Program, session: Session, profile: Profile, customer: str, keys: list[str]
    ) -> None:
        run = add_run(session, profile)
        fill(session, run, keys)
        session.execute(sa.update(FileItem).where(FileItem.run_id == run.id).values(run_id=None))
        session.commit()
        line = self._line(pia, customer, profile)
        assert (line["result"], line["runId"]) == ("pending", None)
        assert line["message"].endswith(": waits for the next run")
        profile.paused = True
        session.commit()
        line = self._line(pia, customer, profile)
        assert (line["result"], line["message"].rpartition(": ")[2]) == ("held", "paused")

    def test_a_row_that_is_skipped(
        self, pia: Program, session: Session, profile: Profile, customer: str, keys: list[str]
    ) -> None:
        run = add_run(session, profile)
        fill(session, run, keys)
        session.execute(
            sa.update(FileItem).where(FileItem.run_id == run.id).values(run_id=None, skipped="order completed")
        )
        session.commit()
        line = self._line(pia, customer, profile)
        assert line["result"] == "skipped"
        assert line["message"].endswith(": skipped: order completed")

    def test_pages_hold_every_entry_once(
        self, pia: Program, session: Session, profile: Profile, customer: str, keys: list[str]
    ) -> None:
        fill(session, add_run(session, profile, content=CONTENT), keys)
        whole = pia.get(f"/customers/{customer}/history").json["items"]
        found: list[Any] = []
        after = ""
        while True:
            page = pia.get(f"/customers/{customer}/history?limit=1{after}").json
            found += page["items"]
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        assert found == whole
        assert whole[-1]["kind"] == "event"
        assert profile.name in [line["profile"] for line in whole]
