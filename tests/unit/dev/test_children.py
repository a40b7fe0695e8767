"""Children are real processes: small shells."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from dev import children
from dev.children import Child


class Ear:
    """Keeps what children print."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, name: str, line: str) -> None:
        self.lines.append((name, line))


Begin = Callable[[str, Ear], Child]


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Start a shell script as a child; all of them are ended after the test."""
    begun: list[Child] = []

    def begin(script: str, ear: Ear) -> Child:
        child = Child("web", ["/bin/sh", "-c", script], os.environ, ear, has_port=True)
        child.start()
        begun.append(child)
        return child

    yield begin
    children.stop_all(begun, seconds=0)


def _until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not is_so():
        assert time.monotonic() < end, "waited five seconds"
        time.sleep(0.02)


def test_lines_carry_the_name_of_their_process(begin: Begin) -> None:
    ear = Ear()
    begin("echo one; echo two >&2", ear)
    _until(lambda: len(ear.lines) == 2)
    assert ear.lines == [("web", "one"), ("web", "two")]


def test_one_that_ends_is_started_again_even_after_success(begin: Begin) -> None:
    ear = Ear()
    child = begin("exit 0", ear)
    first = child.pid
    _until(lambda: not child.is_running)
    assert not child.tend(100.0)
    assert not child.tend(100.1)
    assert child.tend(100.0 + children.RESTART_SECONDS)
    assert child.pid != first
    assert ("run", "web ended (exit 0), starting it again") in ear.lines


def test_it_comes_back_well_within_the_promised_two_seconds() -> None:
    assert children.RESTART_SECONDS <= 1


def test_a_shot_one_is_told_by_its_signal_and_its_own_children_are_asked_to_go(begin: Begin) -> None:
    ear = Ear()
    child = begin("sleep 60 & echo $!; wait", ear)
    _until(lambda: bool(ear.lines))
    grandchild = int(ear.lines[0][1])
    os.kill(child.pid, signal.SIGKILL)
    _until(lambda: not child.is_running)
    child.tend(0.0)
    assert ("run", "web ended (by SIGKILL), starting it again") in ear.lines
    _until(lambda: not _lives(grandchild))


def test_what_a_dead_one_left_behind_does_not_keep_its_port_from_the_next(begin: Begin) -> None:
    ear = Ear()
    child = begin("trap '' TERM; sleep 60 & echo $!; wait", ear)
    _until(lambda: bool(ear.lines))
    deaf = int(ear.lines[0][1])
    os.kill(child.pid, signal.SIGKILL)
    _until(lambda: not child.is_running)
    child.tend(100.0)
    assert _lives(deaf)
    assert child.tend(101.0)
    _until(lambda: not _lives(deaf))


def test_stopping_asks_first_and_kills_the_deaf_with_their_children(begin: Begin) -> None:
    ear = Ear()
    polite = begin("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done", ear)
    deaf = begin("trap '' TERM; echo up; while :; do sleep 0.05; done", ear)
    _until(lambda: len(ear.lines) == 2)
    children.stop_all([polite, deaf], seconds=0.5)
    assert (polite.returncode, deaf.returncode) == (0, -signal.SIGKILL)


def test_what_a_killed_run_left_is_ended_but_a_stranger_with_its_number_is_not(begin: Begin, tmp_path: Path) -> None:
    note = tmp_path / "children.json"
    ours, strangers = begin("exec sleep 60", Ear()), begin("exec sleep 60", Ear())
    children.note([ours, strangers], note)
    noted = json.loads(note.read_text())
    noted[1]["born"] -= 100
    note.write_text(json.dumps(noted))
    assert children.end_noted(note, seconds=5) == 1
    _until(lambda: not ours.is_running)
    assert strangers.is_running
    assert not note.exists()


def test_nothing_noted_is_nothing_to_end(tmp_path: Path) -> None:
    assert children.end_noted(tmp_path / "none", seconds=0) == 0


def _lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
