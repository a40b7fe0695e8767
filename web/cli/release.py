"""`release`: what has to happen once before the processes of a new version start."""

from __future__ import annotations

import click
import sqlalchemy as sa
from flask.cli import with_appcontext
from flask_migrate import upgrade

from models.base import OldPostgres, db, give_limits_to_role
from models.heartbeat import Heartbeat
from web import installed


@click.command()
@with_appcontext
def release() -> None:
    """Migrate the database, and forget old signs of life: ready means a tick of the new version.

    Behind a pooler the limits of sessions become the role's.
    """
    try:
        upgrade()
    except OldPostgres as error:
        raise click.ClickException(f"{error}.") from error
    db.session.execute(sa.delete(Heartbeat))
    if installed.config().database_pooled:
        give_limits_to_role(db.session.connection())
    db.session.commit()
    click.echo("The database is up to date.")
