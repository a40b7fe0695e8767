"""A workplace of files under test: file profiles, runs that are due, and a file server in memory that can misbehave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from exporters.base import Folder, Step
from exporters.errors import Refused, TryAgain
from exporters.registry import file_exporter
from models import chunks
from models.base import utc_now
from models.profile import Profile, Route
from models.run import Run
from models.secret_places import SEALED, settings_place
from tests.factories import add_profile, unique
from tests.integration.worker.works import Works
from worker import run_claim, runs, upload_claim, uploads
from worker.heart import Heart
from worker.upload_verdict import Ended
from worker.ways import Ways

NAME = "files"
PASSWORD = "canary-password"
SECRETS = ("password", "privateKey", "keyPassphrase")
MAPPINGS: tuple[dict[str, Any], ...] = (
    {"export_name": "order", "field": "clientOrderId"},
    {"export_name": "name", "field": "firstName"},
)
FTP = {"protocol": "ftp", "host": "files.example.com", "user": "waybill", "password": PASSWORD, "folder": "in"}


class Crash(BaseException):
    """The process is killed here: nothing after it happens, no handler of ours sees it."""


@dataclass
class FileServer:
    """A file server in memory, and the door to it. before and after each command something may go wrong.

    A command is (verb, name). What `before` or `after` raises, the client sees; a Crash ends the client.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    said: list[tuple[str, str]] = field(default_factory=list)
    before: Callable[[str, str], None] = lambda _verb, _name: None
    after: Callable[[str, str], None] = lambda _verb, _name: None
    places: list[Any] = field(default_factory=list)

    @contextmanager
    def folder(self, place: Any) -> Iterator[Folder]:
        self.places.append(place)
        with self.command("login", place.user):
            pass
        yield Client(self)

    @contextmanager
    def command(self, verb: str, name: str) -> Iterator[None]:
        self.before(verb, name)
        self.said.append((verb, name))
        yield
        self.after(verb, name)

    def verbs(self) -> list[str]:
        return [verb for verb, _ in self.said]

    def count(self, verb: str) -> int:
        return self.verbs().count(verb)

    def fail(self, verb: str, error: BaseException, *, when: str = "before", times: int = 10**9) -> None:
        """Have the next so many commands of this verb fail."""
        left = [times]

        def act(said: str, _name: str) -> None:
            if said == verb and left[0] > 0:
                left[0] -= 1
                raise error

        setattr(self, when, act)


class Client:
    """A session with the server in memory."""

    def __init__(self, server: FileServer) -> None:
        self.steps: list[Step] = []
        self._server = server

    def put(self, name: str, size: int, chunks: Iterator[bytes], sent: Callable[[int], None]) -> None:
        self._server.before("put", name)
        self._server.said.append(("put", name))
        self._server.files[name] = b""
        for chunk in chunks:
            self._server.before("piece", name)
            self._server.files[name] += chunk
            sent(len(self._server.files[name]))
        if len(self._server.files[name]) != size:
            raise TryAgain("not what was promised")
        self._server.after("put", name)

    def size(self, name: str) -> int | None:
        with self._server.command("size", name):
            content = self._server.files.get(name)
        return None if content is None else len(content)

    def read(self, name: str) -> Iterator[bytes]:
        yield self._server.files[name]

    def rename(self, old: str, new: str) -> None:
        with self._server.command("rename", f"{old} -> {new}"):
            if old not in self._server.files:
                raise Refused("550 no such file")
            self._server.files[new] = self._server.files.pop(old)

    def remove(self, name: str) -> None:
        with self._server.command("remove", name):
            self._server.files.pop(name, None)

    def make_folder(self, name: str) -> None:
        with self._server.command("mkdir", name):
            pass


class FileWorks(Works):
    """An installation with file profiles."""

    def __init__(self, database_url: str, redis_url: str = "redis://127.0.0.1:1/0") -> None:
        super().__init__(database_url, redis_url)
        self.server = FileServer()
        self.ways = Ways(self.place.seal)
        self._secrets: dict[int, dict[str, str]] = {}
        self.is_stopping = False
        self.heart = Heart(self.engine, stopping=lambda: self.is_stopping)

    # ---- what there is ---------------------------------------------------------------------------------------------

    def csv(self, *routes: Route, settings: dict[str, Any] | None = None, **columns: Any) -> int:
        """A CSV profile; unless told, its files come out as plain text."""
        return self._file_profile("csv", routes, {"preset": "standard"} | (settings or {}), columns)

    def ftp(self, *routes: Route, settings: dict[str, Any] | None = None, **columns: Any) -> int:
        """An FTP profile with a sealed password, at the server in memory."""
        return self._file_profile("ftp", routes, FTP | (settings or {}), columns)

    def at(self, server: Any, *routes: Route, settings: dict[str, Any] | None = None, **columns: Any) -> int:
        """An FTP profile at one of the real servers of tests.file_servers."""
        return self._file_profile("ftp", routes, server.document() | (settings or {}), columns)

    def _file_profile(self, kind: str, routes: Any, settings: dict[str, Any], columns: dict[str, Any]) -> int:
        columns = {"name": unique("Daily"), "mappings": MAPPINGS} | columns
        profile_id = add_profile(self.engine, *routes, export_type=kind, **columns)
        self.set(profile_id, kind=kind, **settings)
        return profile_id

    def set(self, profile_id: int, *, kind: str = "ftp", **changes: Any) -> None:
        """Save settings as a person would: the model fills what is not given, secrets are sealed, those not given kept."""
        with Session(self.engine) as session, session.begin():
            profile = session.get_one(Profile, profile_id)
            model = file_exporter(kind).Settings
            stored = {key: value for key, value in profile.settings.items() if key != "url"}
            kept = self._secrets.setdefault(profile_id, {})
            kept.update({key: changes[key] for key in SECRETS if key in changes})
            document = model.model_validate(stored | changes | kept).model_dump(mode="json", by_alias=True)
            for key, secret in kept.items():
                place = settings_place(profile_id, key, model.origin_of(document))
                document[key] = {SEALED: self.place.seal.close(secret, *place)}
            profile.settings = document
            profile.version += 1

    def plan(
        self,
        profile_id: int,
        slot: str | None = None,
        *,
        at: datetime | None = None,
        takes_before: datetime | None = None,
    ) -> list[int]:
        """Plan a run for each route of a profile, due now. Gives their ids."""
        at = at or utc_now()
        with Session(self.engine) as session, session.begin():
            routes = session.scalars(sa.select(Route.id).where(Route.profile_id == profile_id).order_by(Route.id))
            made = [
                Run(
                    profile_id=profile_id,
                    route_id=route_id,
                    slot=slot or unique("slot"),
                    slot_at=at,
                    period=at.date(),
                    takes_before=takes_before,
                )
                for route_id in routes
            ]
            session.add_all(made)
            session.flush()
            return [run.id for run in made]

    def old_event(self, age: timedelta, customer_type: str = "New Sale", **order: Any) -> str:
        """An event that was accepted so long ago."""
        (key,) = self.events(1, customer_type, **order)
        self.run(
            "UPDATE file_items f SET ready_at = f.ready_at - :age FROM events e"
            " WHERE e.id = f.event_id AND e.event_key = :key",
            age=age,
            key=key,
        )
        self.run("UPDATE events SET accepted_at = accepted_at - :age WHERE event_key = :key", age=age, key=key)
        return key

    # ---- step by step ----------------------------------------------------------------------------------------------

    def claim_run(self, name: str = NAME) -> run_claim.Lease | None:
        return run_claim.claim(self.engine, name=name, account_time_zone="UTC")

    def make(self) -> int:
        """Make all files that are due; gives how many."""
        made = 0
        while (lease := self.claim_run()) is not None:
            made += runs.make(self.engine, lease, heart=self.heart)
        return made

    def claim_upload(self, name: str = NAME, *, fresh_only: bool = False) -> upload_claim.Lease | None:
        return upload_claim.claim(self.engine, self.ways, name=name, fresh_only=fresh_only)

    def send(self, lease: upload_claim.Lease) -> Ended | None:
        return uploads.send(self.engine, lease, door=self.server, heart=self.heart)

    def send_all(self) -> int:
        """Try each upload that is due; gives how many tries there were."""
        tries = 0
        while (lease := self.claim_upload()) is not None:
            self.send(lease)
            tries += 1
        return tries

    # ---- what there is now -----------------------------------------------------------------------------------------

    def run_row(self, run_id: int) -> Any:
        (row,) = self.rows("SELECT * FROM runs WHERE id = :id", id=run_id)
        return row

    def upload(self, run_id: int) -> Any:
        """The last upload of a run."""
        return self.rows("SELECT * FROM uploads WHERE run_id = :id ORDER BY id", id=run_id)[-1]

    def tries(self, run_id: int) -> list[Any]:
        return list(
            self.rows(
                "SELECT t.* FROM upload_tries t JOIN uploads u ON u.id = t.upload_id WHERE u.run_id = :id ORDER BY t.id",
                id=run_id,
            )
        )

    def content(self, run_id: int) -> bytes:
        return b"".join(chunks.stream(self.engine, run_id))

    def items(self, profile_id: int) -> list[Any]:
        """The profile's ledger rows with their event_key, in order."""
        return list(
            self.rows(
                "SELECT f.*, e.event_key FROM file_items f JOIN events e ON e.id = f.event_id"
                " JOIN routes r ON r.id = f.route_id WHERE r.profile_id = :id ORDER BY f.event_id, f.route_id",
                id=profile_id,
            )
        )

    def uploads_due(self) -> None:
        """Let the time pass for what waits to be tried again."""
        self.run("UPDATE uploads SET due_at = now() WHERE state = 'pending'")

    def end_file_leases(self) -> None:
        """Let the time pass for leases of runs and uploads."""
        for table in ("runs", "uploads"):
            self.run(f"UPDATE {table} SET lease_until = now() - interval '1 second' WHERE lease_token IS NOT NULL")

    def session(self) -> Session:
        return Session(self.engine)

    def get(self, session: Session, run_id: int) -> Run:
        return session.get_one(Run, run_id)
