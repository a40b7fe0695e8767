"""`events import`: orders from a file into this installation, or over its API into another one."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import click
from flask.cli import AppGroup
from psycopg.errors import DeadlockDetected, LockNotAvailable
from rich.progress import Progress, TaskID
from sqlalchemy.exc import OperationalError

from models.base import db, utc_now
from models.intake import BATCH, Accepted, accept
from web import installed
from web.cli.files import Line, UnreadableFile, read_lines
from web.cli.remote import CannotSend, Remote
from web.cli.terminal import bar

events = AppGroup("events", help="Order events.")

TRIES = 4


class Taker(Protocol):
    """Takes events."""

    most: int

    def take(self, documents: Sequence[Any]) -> tuple[int, int, list[tuple[int, str, str]]]:
        """Take a batch. Returns how many are new, how many known, and (index, field, message) of the others."""
        ...


class Here:
    """Takes events into this installation, 1,000 in a transaction."""

    most = BATCH

    def __init__(self, *, history_only: bool) -> None:
        self._history_only = history_only
        self._zone = ZoneInfo(installed.config().account_time_zone)

    def take(self, documents: Sequence[Any]) -> tuple[int, int, list[tuple[int, str, str]]]:
        """Accept and commit a batch, then ring."""
        taken = self._accept(documents)
        if taken.due:
            installed.ring()
        return taken.accepted, taken.duplicates, [(one.index, one.field, one.message) for one in taken.errors]

    def _accept(self, documents: Sequence[Any]) -> Accepted:
        """Take a batch; again when it only met a profile that is being switched on."""
        for left in reversed(range(TRIES)):
            try:
                with db.engine.begin() as connection:
                    return accept(
                        connection,
                        documents,
                        now=utc_now(),
                        zone=self._zone,
                        card_exempt=installed.config().card_scan_exempt,
                        history_only=self._history_only,
                    )
            except OperationalError as error:
                if not left or not isinstance(error.orig, LockNotAvailable | DeadlockDetected):
                    raise
        raise AssertionError("the last try returns or raises")


@events.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--to", "url", help="Send them to the Waybill at this address instead.")
@click.option("--api-key", envvar="WAYBILL_API_KEY", help="The key for --to; better in WAYBILL_API_KEY.")
@click.option("--no-export", is_flag=True, help="Store them as history and export nothing.")
def import_events(file: Path, url: str | None, api_key: str | None, *, no_export: bool) -> None:
    """Import FILE: one event document a line (NDJSON), or CSV whose header names fields of event and order.

    May be repeated: events that are there already are counted as duplicates. Faults are told by line.
    """
    if url is not None and no_export:
        raise click.UsageError("--no-export works only here: the API makes all exports that are due.")
    if url is not None and not api_key:
        raise click.UsageError("--to needs --api-key or WAYBILL_API_KEY.")
    taker: Taker = Remote(url, api_key or "") if url is not None else Here(history_only=no_export)
    try:
        accepted, known, faults = _import(file, taker)
    except (UnreadableFile, CannotSend) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{accepted} accepted, {known} duplicates, {faults} refused.")
    sys.exit(1 if faults else 0)


def _import(file: Path, taker: Taker) -> tuple[int, int, int]:
    accepted = known = refused = 0
    with bar() as progress:
        task = progress.add_task("bytes", total=file.stat().st_size)
        for batch in _batches(read_lines(file), taker.most):
            new, old, faults = taker.take([line.document for line in batch])
            accepted, known, refused = accepted + new, known + old, refused + len(faults)
            _tell(progress, task, batch, faults)
    return accepted, known, refused


def _tell(progress: Progress, task: TaskID, batch: Sequence[Line], faults: Sequence[tuple[int, str, str]]) -> None:
    for index, field, message in faults:
        click.echo(f"line {batch[index].number}: {f'{field}: ' if field else ''}{message}")
    progress.update(task, completed=batch[-1].end)


def _batches(lines: Iterator[Line], most: int) -> Iterator[list[Line]]:
    while batch := list(islice(lines, most)):
        yield batch
