"""The connection test of a file server, step by step, each with its time and, where it fails, with what to do."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from time import monotonic

from exporters.base import Door, Folder, Step
from exporters.errors import ExporterError, HostKeyChanged, SizeUnknown, TryAgain
from exporters.ftp_hints import hint_for
from exporters.ftp_settings import FtpSettings

CONTENT = b"Waybill tests its connection. This file goes again.\r\n"


def probe(settings: FtpSettings, door: Door) -> Iterator[Step]:
    """Log in, write a small file, look at it, rename it, delete it. Ends after the first step that failed."""
    began = monotonic()
    try:
        with door.folder(settings.place) as folder:
            yield from folder.steps
            yield from _try_out(settings, folder)
    except ExporterError as error:  # while the session was opened: what comes later is caught where it is tried
        yield from (Step(stage, ok=True, duration_ms=took, message=words) for stage, took, words in error.passed)
        passed = sum(took for _, took, _ in error.passed)
        yield _failed("connection", error, settings, max(0, _since(began) - passed))


def _try_out(settings: FtpSettings, folder: Folder) -> Iterator[Step]:
    name = _path(settings.folder, f"waybill-test-{secrets.token_hex(4)}.tmp")
    steps = [("write", f"{len(CONTENT)} bytes written to {name}", lambda: _write(settings, folder, name))]
    if settings.verify == "size":
        steps.append(("size", f"{len(CONTENT)} bytes are there", lambda: _compare(folder, name)))
    elif settings.verify == "readback":
        steps.append(("read", "reads back as it was written", lambda: _read_back(folder, name)))
    last = name
    if settings.temp_name != "none":
        last = f"{name}.renamed"
        steps.append(("rename", "a file can get its final name", lambda: folder.rename(name, last)))
    steps.append(("delete", "the test's file is gone again", lambda: folder.remove(last)))
    seen = len(folder.steps)
    for stage, message, act in steps:
        step = _step(stage, message, act, settings)
        yield from folder.steps[seen:]
        seen = len(folder.steps)
        yield step
        if not step.ok:
            _clean_up(folder, (name, last))
            return


def _step(stage: str, message: str, act: Callable[[], None], settings: FtpSettings) -> Step:
    began = monotonic()
    try:
        act()
    except ExporterError as error:
        return _failed(stage, error, settings, _since(began))
    return Step(stage, ok=True, duration_ms=_since(began), message=message)


def _failed(stage: str, error: ExporterError, settings: FtpSettings, took: int) -> Step:
    stage = error.stage or stage
    key = error.got if isinstance(error, HostKeyChanged) else None
    return Step(
        stage,
        ok=False,
        duration_ms=took,
        message=str(error).removeprefix(f"{stage}: "),
        hint=hint_for(stage, error, settings),
        host_key=key,
    )


def _write(settings: FtpSettings, folder: Folder, name: str) -> None:
    above = name.rpartition("/")[0]
    if settings.create_folder and above:
        folder.make_folder(above)
    folder.put(name, len(CONTENT), iter((CONTENT,)), lambda _sent: None)


def _compare(folder: Folder, name: str) -> None:
    found = folder.size(name)
    if found != len(CONTENT):
        raise TryAgain(f"{len(CONTENT)} bytes were written, the server says {found}")


def _read_back(folder: Folder, name: str) -> None:
    if b"".join(folder.read(name)) != CONTENT:
        raise TryAgain("it reads back otherwise than it was written")


def _clean_up(folder: Folder, names: tuple[str, ...]) -> None:
    for name in names:
        try:
            folder.remove(name)
        except (ExporterError, SizeUnknown):
            return


def _path(folder: str, name: str) -> str:
    """Put the name into the folder, as far as it is the same for every file."""
    fixed: list[str] = []
    for part in folder.split("/"):
        if "{" in part:
            break
        fixed.append(part)
    above = "/".join(fixed).rstrip("/")
    root = "/" if folder.startswith("/") else ""
    return f"{above}/{name}" if above else root + name


def _since(began: float) -> int:
    return round((monotonic() - began) * 1000)
