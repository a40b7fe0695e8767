"""`runs list|download|send-again|make-again|give-back|cancel`: the files of file profiles."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import click
import sqlalchemy as sa
from flask.cli import AppGroup

from models import chunks, run_moves
from models.base import db
from models.gates import shown_run_state
from models.profile import Profile
from models.run import Run
from web import audit, installed, run_acts
from web import runs as listing
from web.audit import Act
from web.cli.terminal import ACTOR, bytes_bar

runs = AppGroup("runs", help="Files of file profiles.")

Done = TypeVar("Done")

HEAD = ("run", "file", "upload", "profile", "route", "for", "name", "rows")


@runs.command("list")
@click.option("--profile", help="Only of the profile of this name.")
@click.option("--state", type=click.Choice(listing.RUN_STATES), help="Only those in this state.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
def list_runs(profile: str | None, state: str | None, limit: int) -> None:
    """List runs, the newest first, with tabs between the columns."""
    query = listing.listed().order_by(Run.id.desc()).limit(limit)
    if profile is not None:
        query = query.where(sa.func.lower(Profile.name) == sa.func.lower(profile))
    if state is not None:
        query = query.where(shown_run_state == state)
    click.echo("\t".join(HEAD))
    for row in db.session.execute(query):
        click.echo("\t".join(_cells(row)))
        if (error := listing.error_of(row)) is not None:
            click.echo(f"\t{error}")


@runs.command("download")
@click.argument("run_id", type=int)
@click.option("--to", "target", help="Where to; - is standard output. Default: the file's own name, here.")
def download(run_id: int, target: str | None) -> None:
    """Write a run's file, and check its SHA-256."""
    run = _known(run_id)
    size, wanted = run.bytes, run.sha256
    try:
        pieces = chunks.stream(db.engine, run_id)
    except chunks.NoBytes as error:
        raise click.ClickException(str(error)) from error
    path = None if target == "-" else Path(target or str(run.file_name))
    digest = hashlib.sha256()
    with _sink(path) as sink, bytes_bar() as progress:
        run_moves.downloaded(db.session(), run, actor=ACTOR)
        audit.note(Act.DOWNLOADED, run_acts.target(run), actor=ACTOR, text=run.file_name)
        db.session.commit()
        task = progress.add_task("bytes", total=size)
        for piece in pieces:
            sink.write(piece)
            digest.update(piece)
            progress.update(task, advance=len(piece))
    if digest.hexdigest() != wanted:
        raise click.ClickException("The bytes are not those that were written: the SHA-256 differs.")
    if path is not None:
        click.echo(f"{path}: {size} bytes, SHA-256 {wanted}")


@runs.command("send-again")
@click.argument("run_id", type=int)
def send_again(run_id: int) -> None:
    """Upload the same bytes once more."""
    _do(run_id, lambda run: run_acts.send_again(db.session(), run, actor=ACTOR))
    click.echo(f"Run {run_id} is uploaded again.")


@runs.command("make-again")
@click.argument("run_id", type=int)
def make_again(run_id: int) -> None:
    """Make a new file of the same rows with today's settings."""
    made = _do(run_id, lambda run: run_acts.make_again(db.session(), run, actor=ACTOR).id)
    click.echo(f"Run {made} makes the file again.")


@runs.command("give-back")
@click.argument("run_id", type=int)
def give_back(run_id: int) -> None:
    """Let the rows of a file that nobody has seen go into the next one."""
    count = _do(run_id, lambda run: run_acts.give_back(db.session(), run, actor=ACTOR))
    click.echo(f"{count} orders wait for the next run again.")


@runs.command("cancel")
@click.argument("run_id", type=int)
@click.option("--reason", required=True, help="Why; it stands with the run.")
def cancel(run_id: int, reason: str) -> None:
    """Cancel a file that is not written, or an upload that is not delivered."""
    _do(run_id, lambda run: run_acts.cancel(db.session(), run, actor=ACTOR, reason=reason))
    click.echo(f"Run {run_id} is cancelled.")


def _do(run_id: int, act: Callable[[Run], Done]) -> Done:
    """Do it, commit and ring; what is not possible is told."""
    run = _known(run_id)
    try:
        done = act(run)
    except run_acts.NotPossible as error:
        raise click.ClickException(str(error)) from error
    db.session.commit()
    installed.ring_files()
    return done


def _known(run_id: int) -> Run:
    run = db.session.get(Run, run_id) if 0 < run_id < 2**63 else None
    if run is None:
        raise click.ClickException("There is no such run.")
    return run


def _cells(row: sa.Row[Any]) -> list[str]:
    name, rows = (row.file_name, str(row.rows)) if row.file_name else ("", "")
    when = f"{row.slot_at:%Y-%m-%dT%H:%M:%SZ}"
    return [str(row.id), row.state, row.upload_state or "", row.profile, listing.route_line(row), when, name, rows]


def _sink(path: Path | None) -> Any:
    """Open where to write; standard output stays open."""
    if path is None:
        standard: BinaryIO = sys.stdout.buffer
        return nullcontext(standard)
    try:
        return path.open("xb")
    except FileExistsError as error:
        raise click.ClickException(f"{path} is there already; say where to with --to.") from error
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}.") from error
