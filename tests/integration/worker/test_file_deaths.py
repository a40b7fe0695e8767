"""kill -9 at every step of a file's way: in the end it stands once, whole, and nothing else stands beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import trustme

from exporters.transfer import FileDoor
from models.run import RunState, UploadState
from tests.file_servers import FileServer, OpenSsh, Vsftpd
from tests.integration.worker.file_works import Crash, FileWorks
from tests.integration.worker.mortal_files import NAME
from tests.servers import ROOT, app_environment
from worker.files import run_files

STEPS = [
    ("before", "login"),
    ("before", "put"),
    ("before", "piece"),
    ("after", "put"),
    ("before", "rename"),
    ("after", "rename"),
]


def be_somebody(files: FileWorks) -> None:
    """A worker's life, up to its death: all that is due."""
    files.make()
    files.send_all()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_death_at_any_commit_costs_nothing(files: FileWorks, moment: str):
    """In memory, and so at every one of them: `before` it is lost, `after` it is kept, and its process never knows."""
    nth, was_deadly = 0, True
    while was_deadly:
        nth += 1
        profile = files.ftp(settings={"folder": f"in{nth}"})
        files.events(3)
        (run,) = files.plan(profile)
        was_deadly = _dies(files, nth, moment)
        files.end_file_leases()
        files.run("UPDATE uploads SET state = 'pending', lease_token = NULL, lease_until = NULL WHERE state = 'leased'")
        be_somebody(files)
        row = files.run_row(run)
        assert (row.state, row.orders) == (RunState.WRITTEN, 3)
        here = {name: content for name, content in files.server.files.items() if name.startswith(f"in{nth}/")}
        assert here == {f"in{nth}/{row.file_name}": files.content(run)}
        assert files.upload(run).state == UploadState.DELIVERED
        assert len(files.rows("SELECT FROM uploads WHERE run_id = :id", id=run)) == 1
    assert nth > 8


def _dies(files: FileWorks, nth: int, moment: str) -> bool:
    left = [nth]

    def shoot(connection: sa.Connection) -> None:
        left[0] -= 1
        if left[0] == 0:
            if moment == "after":
                driver: Any = connection.connection.driver_connection
                driver.commit()
            raise Crash

    sa.event.listen(files.engine, "commit", shoot)
    try:
        be_somebody(files)
    except Crash:
        return True
    finally:
        sa.event.remove(files.engine, "commit", shoot)
    return False


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(params=[OpenSsh, Vsftpd])
def server(request: pytest.FixtureRequest, tmp_path: Path, authority: trustme.CA) -> Iterator[FileServer]:
    made = OpenSsh(tmp_path / "server") if request.param is OpenSsh else Vsftpd(tmp_path / "server", authority)
    with made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize(("when", "verb"), STEPS, ids=[f"{when} {verb}" for when, verb in STEPS])
def test_a_worker_that_is_shot_leaves_one_whole_file_to_the_next(
    files: FileWorks, server: FileServer, when: str, verb: str
):
    profile = files.at(server, settings={"companion": "done"})
    files.events(500)
    (run,) = files.plan(profile)
    assert _shot(files, when, verb) == -signal.SIGKILL
    assert files.upload(run).state == UploadState.LEASED
    _work_on(files, run)
    row = files.run_row(run)
    assert server.names() == [row.file_name, f"{row.file_name}.done"]
    assert (server.root / "in" / row.file_name).read_bytes() == files.content(run)
    first, second = files.tries(run)
    assert (first.outcome, second.outcome) == ("unknown", "delivered")


def _shot(files: FileWorks, when: str, verb: str) -> int:
    """Have a worker shoot itself; gives how it ended."""
    url = files.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    command = [sys.executable, "-m", "tests.integration.worker.mortal_files", when, verb]
    environment = app_environment(url) | {"EGRESS_ALLOW": "127.0.0.1/32"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
    try:
        return process.wait(40)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _work_on(files: FileWorks, run: int) -> None:
    """Be the next worker of that name until the file is delivered."""
    place = files.workplace()

    def is_done() -> bool:
        return bool(files.upload(run).state == UploadState.DELIVERED)

    run_files(place, name=NAME, stopping=is_done, door=FileDoor(place.guard), box_seconds=30)
    assert is_done(), files.upload(run).error
