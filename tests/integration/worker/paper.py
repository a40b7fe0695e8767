"""A writing desk for tests: file profiles, orders, runs that have taken them, and the files that come of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from exporters.csv_settings import CsvSettings
from models import snapshots
from models.chunks import stream
from models.event import Event
from models.profile import Profile
from models.run import FileItem, Run
from tests.factories import add_profile, unique
from worker.file_plan import FilePlan, plan_of
from worker.writing import Written, write

SLOT_AT = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)

_slots = count(1)


@dataclass(frozen=True, slots=True)
class Paper:
    """A finished file."""

    run_id: int
    written: Written
    content: bytes

    @property
    def lines(self) -> list[str]:
        return self.content.decode("utf-8-sig").splitlines()


class Desk:
    """One database, and hands to make files on it."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def profile(self, mappings: Sequence[dict[str, Any]], *routes: Any, **settings: Any) -> int:
        """Save a CSV profile. Settings are those of its document; the mappings columns of their rows."""
        columns = {name: settings.pop(name) for name in ("name", "time_zone") if name in settings}
        stored = CsvSettings.model_validate(settings).model_dump(by_alias=True)
        return add_profile(self.engine, *routes, export_type="csv", settings=stored, mappings=mappings, **columns)

    def events(self, *orders: dict[str, Any], customer_type: str = "new_sale") -> list[int]:
        """Store orders as they are, past the intake; gives their events' ids, in order."""
        if not orders:
            return []
        rows = [
            {"event_key": unique("ev"), "customer_type": customer_type, "order_snapshot": order} for order in orders
        ]
        with self.engine.begin() as connection:
            made = connection.execute(
                sa.insert(Event).returning(Event.id, sort_by_parameter_order=True),
                [row | {"routed_at": SLOT_AT, "refusal": "of a test"} for row in rows],
            )
            return list(made.scalars())

    def run(self, profile_id: int, events: Sequence[int], *, part: int = 1, slot: str | None = None) -> int:
        """A claimed run of the profile's first route that has taken these events."""
        with Session(self.engine) as session, session.begin():
            profile = session.get_one(Profile, profile_id)
            route = profile.routes[0]
            run = Run(
                profile_id=profile_id,
                route_id=route.id,
                slot=slot or f"test-{next(_slots)}",
                part=part,
                slot_at=SLOT_AT,
                period=SLOT_AT.date(),
                state="claimed",
                snapshot=snapshots.take(profile, route),
            )
            session.add(run)
            session.flush()
            session.add_all(
                FileItem(route_id=route.id, event_id=event, ready_at=SLOT_AT, run_id=run.id) for event in events
            )
            return run.id

    def plan(self, run_id: int) -> FilePlan:
        with Session(self.engine) as session:
            return plan_of(session.get_one(Run, run_id).snapshot or {})

    def write(self, run_id: int) -> Paper:
        """Write a claimed run and commit it, as the worker does."""
        with self.engine.connect() as reader, Session(self.engine) as session:
            run = session.get_one(Run, run_id)
            written = write(reader, session.connection(), run, self.plan(run_id), alive=lambda: None)
            run.state, run.file_name, run.sha256 = "written", written.file_name, written.sha256
            run.rows, run.bytes, run.orders = written.rows, written.bytes, written.orders
            run.replaced, run.stored_packed = written.replaced, written.stored_packed
            session.commit()
        return Paper(run_id, written, b"".join(stream(self.engine, run_id)))

    def file(self, mappings: Sequence[dict[str, Any]], *orders: dict[str, Any], **settings: Any) -> Paper:
        """From profile to finished file in one go."""
        return self.write(self.run(self.profile(mappings, **settings), self.events(*orders)))


def field(name: str, export_name: str | None = None, **more: Any) -> dict[str, Any]:
    return {"export_name": export_name or name, "field": name, **more}


def static(text: str, export_name: str = "s") -> dict[str, Any]:
    return {"export_name": export_name, "static": text}
