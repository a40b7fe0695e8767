"""`restored`: what has to happen once after a backup was restored, before a worker starts."""

from __future__ import annotations

import click
import sqlalchemy as sa
from flask.cli import with_appcontext

from models import restoring
from models.base import db
from models.heartbeat import Heartbeat
from web import audit
from web.audit import Act
from web.cli.terminal import ACTOR


@click.command()
@with_appcontext
def restored() -> None:
    """Leave a gap in all numbers, so that receivers take nothing new for a repeat. Safe to repeat."""
    moved = restoring.move_numbers_on(db.session())
    db.session.execute(sa.delete(Heartbeat))
    audit.note(Act.RESTORED, "the database", actor=ACTOR, text=f"{moved} numbers moved on by {restoring.GAP:,}")
    db.session.commit()
    click.echo(f"{moved} numbers were moved on. Workers may start.")
