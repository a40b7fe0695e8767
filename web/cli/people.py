"""`user create` and `api-key create`."""

from __future__ import annotations

import secrets as chance
import sys

import click
import sqlalchemy as sa
from flask.cli import AppGroup

from models.account import ApiKey, Role, Scope
from models.base import db
from web import audit
from web.audit import Act
from web.cli.terminal import ACTOR
from web.login import Refused, create_user

user = AppGroup("user", help="People who sign in.")
api_key = AppGroup("api-key", help="Keys for programs.")


@user.command("create")
@click.argument("email")
@click.option("--role", type=click.Choice([role.value for role in Role]), default=Role.VIEWER.value, show_default=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def create_person(email: str, role: str, *, password_stdin: bool) -> None:
    """Make an account. Without --password-stdin a password is made up and printed once."""
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else chance.token_urlsafe(12)
    try:
        made = create_user(email, role, password)
    except Refused as refused:
        raise click.ClickException(str(refused)) from refused
    audit.note(Act.CREATED, f"person {made.email}", actor=ACTOR, after={"role": made.role})
    db.session.commit()
    click.echo(f"{email} may sign in as {role}.")
    if not password_stdin:
        click.echo(f"Password, shown this once: {password}")


@api_key.command("create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What the key may do; give it several times for several. Default: everything.",
)
def create_key(name: str, scopes: tuple[str, ...]) -> None:
    """Make an API key and print it, once: it is kept nowhere."""
    name = name.strip()
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise click.ClickException("Give a name of 1 to 100 characters.")
    if db.session.scalar(sa.select(ApiKey.id).where(ApiKey.name == name)):
        raise click.ClickException("There is a key of this name already.")
    key, text = ApiKey.issue(name, [Scope(scope) for scope in scopes] or list(Scope))
    db.session.add(key)
    audit.note(Act.CREATED, f"key {key.name}", actor=ACTOR, after={"scopes": key.scopes})
    db.session.commit()
    click.echo(text)
