"""The recipe of docs/operations.md, taken out of the page and run: a live system is dumped, lost, and goes on elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dev import postgres_binaries
from models.restoring import GAP
from tests.factories import accept_events, event_document
from tests.integration.worker.file_works import FileWorks
from tests.integration.worker.works import Works, wait_until
from tests.receivers import Receiver
from tests.servers import ROOT, app_environment
from worker import reaper

MAPPINGS = ({"export_name": "event", "field": "eventId"},)


def recipe(title: str) -> str:
    """Give the commands of a section of the page."""
    page = (ROOT / "docs" / "operations.md").read_text()
    section = page.split(f"\n### {title}\n")[1].split("\n### ")[0].split("\n## ")[0]
    return "\n".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL))


@dataclass
class Shell:
    """Somebody at a terminal, who has set the variables that the page names."""

    backup: Path

    def follow(self, title: str, database_url: str) -> None:
        programs = (str(Path(sys.executable).parent), str(postgres_binaries.find()), os.environ["PATH"])
        environment = app_environment(database_url) | {"PATH": ":".join(programs), "BACKUP": str(self.backup)}
        done = subprocess.run(
            ["sh", "-euc", recipe(title)], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path / "waybill.dump")


@pytest.fixture
def old(fresh_database_url: str) -> Iterator[FileWorks]:
    made = FileWorks(fresh_database_url)
    yield made
    made.close()


def url_of(works: Works) -> str:
    return works.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


def told(receiver: Receiver) -> dict[str, set[str]]:
    """The events that arrived under each webhook-id."""
    found: dict[str, set[str]] = {}
    for seen in list(receiver.seen):
        found.setdefault(seen.headers["webhook-id"], set()).add(seen.target.partition("=")[2])
    return found


def due(works: Works) -> bool:
    reaper.reap(works.engine)
    works.make_due()
    return works.is_done()


def ledger(works: Works) -> tuple[int, Counter[Any]]:
    """How many rows there are, and how many of them stand in each run's files."""
    rows = works.rows("SELECT run_id, count(*) AS many FROM file_items GROUP BY 1")
    return sum(row.many for row in rows), Counter({row.run_id: row.many for row in rows})


def test_the_recipe_loses_nothing_and_gives_no_number_twice(old: FileWorks, empty_database_url: str, shell: Shell):
    with Receiver() as receiver:
        postbacks, files = old.profile(receiver.url(), mappings=MAPPINGS), old.csv()
        earlier = old.events(20)
        old.plan(files)
        old.make()
        with old.pumping():
            wait_until(lambda: old.states()["delivered"] > 5)
            waiting = old.events(30)  # some of them are on their way when the backup is made
            shell.follow("Backup", url_of(old))
            forgotten = old.events(10)
            old.plan(files)
            old.make()
            wait_until(old.is_done)
        before = told(receiver)
        assert set().union(*before.values()) == {*earlier, *waiting, *forgotten}

        shell.follow("Restore", empty_database_url)
        new = FileWorks(empty_database_url)
        try:
            known = {row.event_key for row in new.rows("SELECT event_key FROM events")}
            assert known == {*earlier, *waiting}
            others = new.events(10)
            repeated = [event_document(key) for key in (*waiting, *forgotten)]
            taken = accept_events(new.engine, *repeated)
            assert (taken.accepted, taken.duplicates) == (10, 30)
            new.end_leases()
            with new.pumping():
                wait_until(lambda: due(new))
            everything = {*earlier, *waiting, *others, *forgotten}
            after = told(receiver)
            assert all(len(events) == 1 for events in after.values())  # an id means one event for ever
            assert set().union(*after.values()) == everything
            assert {row.event_key for row in new.deliveries(postbacks) if row.state == "delivered"} == everything

            new.plan(files)
            new.make()
            total, by_run = ledger(new)
            assert total == len(everything)
            assert by_run[None] == 0
            assert sum(row.rows for row in new.rows("SELECT rows FROM runs WHERE state = 'written'")) == total
            for row in new.rows("SELECT id, rows FROM runs WHERE state = 'written'"):
                assert len(new.content(row.id).splitlines()) == row.rows + 1  # and a header
        finally:
            new.close()


def test_a_restored_database_goes_on_beyond_every_number_it_gave(old: FileWorks, empty_database_url: str, shell: Shell):
    old.profile()
    old.events(3)
    shell.follow("Backup", url_of(old))
    shell.follow("Restore", empty_database_url)
    new = Works(empty_database_url)
    try:
        new.events(1)
        ids = [row.id for row in new.deliveries()]
        assert ids[-1] > ids[-2] + GAP - 1
        assert new.rows("SELECT FROM audit_lines WHERE act = 'restored a backup'")
    finally:
        new.close()


def test_nothing_is_loaded_into_a_database_that_is_not_empty(old: FileWorks, shell: Shell):
    old.profile()
    old.events(1)
    shell.follow("Backup", url_of(old))
    with pytest.raises(AssertionError, match="already exists"):
        shell.follow("Restore", url_of(old))
    assert len(old.deliveries()) == 1
