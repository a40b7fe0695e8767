"""Several machines at one Postgres and one Redis; one is cut off for longer than its lease and comes back."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from config import Config
from models.run import RunState, UploadState
from tests.integration.worker.file_works import FileWorks
from tests.integration.worker.machines import machine
from tests.integration.worker.works import Works, wait_until
from tests.lines import Cable, Line, NoNamespaces
from tests.receivers import Receiver
from tests.servers import ROOT, app_environment
from worker import run_claim, runs, upload_claim, uploads
from worker.app import open_workplace
from worker.heart import Heart


@contextmanager
def laid() -> Iterator[Cable]:
    """Lay a cable, or say why this part is left out here."""
    try:
        with Cable() as cable:
            yield cable
    except NoNamespaces as reason:
        pytest.skip(f"no network namespaces here: {reason}")


def url_of(works: Works) -> str:
    return works.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


# ---- postbacks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["lines", "cable"])
def test_a_machine_that_was_cut_off_longer_than_its_lease_neither_loses_nor_overwrites(
    works_with_redis: Works, empty_redis_url: str, tmp_path: Path, what: str
):
    works, log = works_with_redis, tmp_path / "log"
    with ExitStack() as stack:
        cable = stack.enter_context(laid()) if what == "cable" else None
        receiver = stack.enter_context(Receiver())
        door = stack.enter_context(Line(receiver.port, host=cable.host if cable else "127.0.0.1"))
        works.profile(f"http://{door.host}:{door.port}/slow/0.5", settings={"maxInFlight": 8, "timeoutSeconds": 5})
        works.events(16)
        first = stack.enter_context(machine(url_of(works), empty_redis_url, log=log, cable=cable))
        wait_until(lambda: len(receiver.seen) >= 8, 30)
        first.cut_off()  # with eight requests in flight whose answers it gets, or not, and cannot record
        wait_until(lambda: works.states()["leased"] > 0)
        begun = {
            row.delivery_id for row in works.rows("SELECT id AS delivery_id FROM deliveries WHERE state = 'leased'")
        }
        second = stack.enter_context(machine(url_of(works), empty_redis_url, log=log))

        def is_taken_over() -> bool:
            works.run(
                "UPDATE deliveries SET lease_until = now() WHERE state = 'leased' AND id = ANY(:ids) AND losses = 0",
                ids=list(begun),
            )
            works.make_due()
            return works.is_done()

        wait_until(is_taken_over, 40)
        told = {row.id: row for row in works.deliveries()}
        first.come_back()
        wait_until(lambda: any(one.late for one in works.attempts()), 40)
        assert all(
            (row.state, row.finished_at) == (told[row.id].state, told[row.id].finished_at) for row in works.deliveries()
        )
        good = Counter(one.delivery_id for one in works.attempts() if one.outcome == "delivered" and not one.late)
        assert good == Counter(list(told))
        late = {one.delivery_id for one in works.attempts() if one.late}
        assert late <= begun
        assert {one.delivery_id for one in works.attempts() if one.outcome == "unknown"} >= late
        assert {seen.headers["webhook-id"].rpartition("_")[2] for seen in receiver.seen} == {str(id_) for id_ in told}
        second.shoot()
        works.end_leases()
        works.events(4)
        wait_until(works.is_done, 40)  # it works again, without a hand


# ---- files ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def far(files: FileWorks) -> Iterator[tuple[Line, sa.Engine, Heart]]:
    """Another machine's line, its connections, and its heart."""
    with Line(files.engine.url.port or 0) as line:
        url = make_url(url_of(files)).set(port=line.port).render_as_string(hide_password=False)
        place = open_workplace(Config.from_env(app_environment(url)), pool_size=4)
        with Heart(place.engine, stopping=lambda: False, every=0.2).beating() as heart:
            yield line, place.engine, heart
        place.engine.dispose()


def in_another_thread(act: Any) -> threading.Thread:
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    return thread


def test_the_late_upload_of_a_machine_that_was_cut_off_overwrites_nothing(
    files: FileWorks, far: tuple[Line, sa.Engine, Heart]
):
    line, engine, heart = far
    files.ftp(settings={"overwrite": "replace"})
    files.events(3)
    (run,) = files.plan(files.rows("SELECT id FROM profiles")[0].id)
    files.make()
    lease = upload_claim.claim(engine, files.ways, name="far", fresh_only=False)
    assert lease is not None
    is_cut = threading.Event()

    def cut(verb: str, _name: str) -> None:
        if verb == "put" and not is_cut.is_set():
            line.cut()
            is_cut.set()

    files.server.after = cut
    came_to: list[object] = []
    thread = in_another_thread(lambda: came_to.append(uploads.send(engine, lease, door=files.server, heart=heart)))
    assert is_cut.wait(10)
    files.end_file_leases()
    files.run("UPDATE uploads SET state = 'pending', lease_token = NULL, lease_until = NULL, due_at = now()")
    assert files.send_all() == 1
    said = len(files.server.said)
    line.mend()
    thread.join(20)
    assert came_to == [None]
    (name,) = [name for name in files.server.files if not name.endswith(".part")]
    assert files.server.files[name] == files.content(run)
    assert not [words for words in files.server.said[said:] if words[0] == "rename"]
    assert files.upload(run).state == UploadState.DELIVERED
    assert sorted(one.outcome for one in files.tries(run)) == ["delivered", "unknown"]


def test_the_late_file_of_a_machine_that_was_cut_off_changes_nothing(
    files: FileWorks, far: tuple[Line, sa.Engine, Heart]
):
    line, engine, heart = far
    profile = files.csv()
    files.events(3)
    (run,) = files.plan(profile)
    lease = run_claim.claim(engine, name="far", account_time_zone="UTC")
    assert lease is not None
    line.cut()
    came_to: list[bool] = []
    thread = in_another_thread(lambda: came_to.append(runs.make(engine, lease, heart=heart)))
    files.end_file_leases()
    assert files.make() == 1
    written = files.run_row(run)
    line.mend()
    thread.join(20)
    assert came_to == [False]
    assert files.run_row(run) == written
    assert (written.state, written.rows) == (RunState.WRITTEN, 3)
    assert len(files.content(run).splitlines()) == 4
    assert {row.run_id for row in files.items(profile)} == {run}


# ---- nobody waits for ever -----------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux has it")
def test_each_connection_to_postgres_gives_a_silent_server_up_within_half_a_minute(works: Works):
    with works.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        with socket.socket(fileno=driver.fileno()) as wire:
            option = lambda name: wire.getsockopt(socket.IPPROTO_TCP, name)  # noqa: E731
            found = [option(getattr(socket, name)) for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")]
            gives_up = option(socket.TCP_USER_TIMEOUT)
            wire.detach()
        idle, every, times = found
        assert idle + every * times <= 30
        assert gives_up <= 30_000
        said = connection.execute(
            sa.text("SELECT current_setting('tcp_keepalives_idle'), current_setting('tcp_keepalives_count')")
        ).one()
        assert tuple(said) == ("30", "3")  # the server's own end: or the connections of a dead machine stay for hours


ASK = """
import sys, time
import sqlalchemy as sa
from models.base import engine_options
options = engine_options(pool_size=1)
options["connect_args"] |= {"keepalives_idle": 1, "keepalives_interval": 1, "keepalives_count": 2, "tcp_user_timeout": 2000}
with sa.create_engine(sys.argv[1], **options).connect() as connection:
    connection.execute(sa.text("SELECT 1"))
    print("asked", flush=True)
    try:
        connection.execute(sa.text("SELECT pg_sleep(25)"))
    except sa.exc.OperationalError as error:
        print("given up", flush=True)
"""


def test_a_question_whose_answer_will_never_come_is_given_up(works: Works):
    """As above, with two seconds instead of thirty, and packets that really vanish."""
    with ExitStack() as stack:
        cable = stack.enter_context(laid())
        line = stack.enter_context(Line(works.engine.url.port or 0, host=cable.host))
        url = works.engine.url.set(host=cable.host, port=line.port).render_as_string(hide_password=False)
        command = [*cable.inside, sys.executable, "-c", ASK, url]
        process = stack.enter_context(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True))
        assert process.stdout is not None
        assert process.stdout.readline() == "asked\n"
        wait_until(
            lambda: bool(
                works.rows("SELECT FROM pg_stat_activity WHERE query LIKE '%pg_sleep(25)%' AND pid <> pg_backend_pid()")
            )
        )
        began = monotonic()
        cable.cut()
        assert process.stdout.readline() == "given up\n"
        assert monotonic() - began < 15
        process.wait(10)
