"""`profiles import`, `profiles export`, `profiles run`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec
import sqlalchemy as sa
from flask.cli import AppGroup
from sqlalchemy.orm import selectinload

from models import routing
from models.base import db
from models.profile import Profile
from web import installed
from web.cli.terminal import ACTOR
from web.documents import Unreadable, read_json, read_yaml, write_yaml
from web.profile_documents import Busy, Refused, document_of, find, save

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
        encoded = msgspec.json.Encoder(decimal_format="number").encode(written)
        click.echo(msgspec.json.format(encoded, indent=2).decode())


@profiles.command("run")
@click.argument("name")
def run_profile(name: str) -> None:
    """Make everything due now that waits for its time."""
    due = routing.run_now(db.session(), _known(name).id)
    db.session.commit()
    installed.ring()
    click.echo(f"{due} deliveries are due.")


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
