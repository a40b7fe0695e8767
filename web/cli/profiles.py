"""`profiles import|export|run|resume|test`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa
from flask.cli import AppGroup
from sqlalchemy.orm import selectinload

from models import routing
from models.base import db
from models.ledger import FILE_KINDS
from models.profile import Profile
from web import installed, run_acts
from web.cli.terminal import ACTOR
from web.documents import Unreadable, read_json, read_yaml, write_json, write_yaml
from web.probing import probe_stored, steps_document
from web.profile_documents import Busy, Refused, document_of, find, save
from web.test_send import CannotSend, sample_event, send_test

profiles = AppGroup("profiles", help="Export profiles.")


@profiles.command("import")
@click.argument("file")
def import_profiles(file: str) -> None:
    """Store the profiles of FILE (- for standard input): a document or a list of them, JSON or YAML.

    Each profile is stored for itself; the faults of the others are told with their places.
    """
    failed = 0
    for index, document in enumerate(_documents(file)):
        name = document.get("name") if isinstance(document, dict) else None
        label = name if isinstance(name, str) and name.isprintable() else f"profile {index + 1}"
        try:
            saved = save(db.session(), document, actor=ACTOR)
            db.session.commit()
        except Refused as refused:
            db.session.rollback()
            failed += 1
            for fault in refused.faults:
                click.echo(f"{label}: {fault.path}: {fault.message}")
        except Busy as busy:
            db.session.rollback()
            failed += 1
            click.echo(f"{label}: {busy}")
        else:
            installed.ring()
            installed.ring_files()
            click.echo(f"{label}: {'created' if saved.created else 'changed'}")
            for warning in saved.warnings:
                click.echo(f"{label}: {warning.path}: {warning.message}")
    sys.exit(1 if failed else 0)


@profiles.command("export")
@click.argument("name", required=False)
@click.option("--format", "kind", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
def export_profiles(name: str | None, kind: str) -> None:
    """Write the profile NAME, or a list of all, to standard output. Secrets are left out."""
    written = document_of(_known(name)) if name is not None else [document_of(one) for one in _all()]
    if kind == "yaml":
        click.echo(write_yaml(written), nl=False)
    else:
        click.echo(write_json(written))


@profiles.command("run")
@click.argument("name")
def run_profile(name: str) -> None:
    """Make everything due now that waits for its time; a file profile makes a file for each route."""
    profile = _known(name)
    if profile.export_type in FILE_KINDS:
        _make_files(profile)
        return
    due = routing.run_now(db.session(), profile.id)
    db.session.commit()
    installed.ring()
    click.echo(f"{due} deliveries are due.")


@profiles.command("resume")
@click.argument("name")
def resume_profile(name: str) -> None:
    """End a profile's pause, and try afresh what waits for a person."""
    run_acts.resume(db.session(), _known(name), actor=ACTOR)
    db.session.commit()
    installed.ring()
    installed.ring_files()
    click.echo("It goes on.")


@profiles.command("test")
@click.argument("name")
def test_profile(name: str) -> None:
    """Try a file profile's connection, or send the sample order as a postback. Nothing stays on the server, none is marked."""
    profile = _known(name)
    try:
        result = (
            steps_document(probe_stored(profile, actor=ACTOR))
            if profile.export_type in FILE_KINDS
            else send_test(profile, sample_event(profile), target=f"profile {profile.name}", actor=ACTOR).document()
        )
    except Refused as refused:
        raise click.ClickException("; ".join(f"{one.path}: {one.message}" for one in refused.faults)) from refused
    except CannotSend as error:
        raise click.ClickException(str(error)) from error
    for step in result["steps"]:
        click.echo(f"{'ok  ' if step['ok'] else 'FAIL'} {step['stage']} ({step['durationMs']} ms): {step['message']}")
        for more in filter(None, (step["hint"], step["hostKey"])):
            click.echo(f"     {more}")
    if exchange := result.get("exchange"):
        click.echo(f"     {exchange['request']['method']} {exchange['request']['url']}")
    sys.exit(0 if result["ok"] else 1)


def _make_files(profile: Profile) -> None:
    try:
        made = run_acts.make_now(db.session(), profile, actor=ACTOR)
    except run_acts.NotPossible as error:
        raise click.ClickException(str(error)) from error
    db.session.commit()
    installed.ring_files()
    click.echo(f"Runs {', '.join(map(str, made))} make their files.")


def _known(name: str) -> Profile:
    profile = find(db.session(), name)
    if profile is None:
        raise click.ClickException("There is no profile of this name.")
    return profile


def _all() -> Sequence[Profile]:
    return db.session.scalars(
        sa.select(Profile)
        .where(Profile.deleted_at.is_(None))
        .order_by(Profile.id)
        .options(selectinload(Profile.mappings), selectinload(Profile.routes))
    ).all()


def _documents(file: str) -> list[Any]:
    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise click.ClickException(f"{file} cannot be read: {error.strerror}.") from error
    is_json = raw.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in {b"{", b"["} and not file.endswith((".yaml", ".yml"))
    try:
        found = read_json(raw) if is_json else read_yaml(raw)
    except Unreadable as error:
        raise click.ClickException(str(error)) from error
    return found if isinstance(found, list) else [found]
