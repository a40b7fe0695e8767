"""The command line: `flask --app wsgi ...`. One group of commands, one file."""

from __future__ import annotations

from flask import Flask

from web.cli.deliveries import deliveries
from web.cli.events import events
from web.cli.people import api_key, user
from web.cli.profiles import profiles
from web.cli.release import release
from web.cli.restored import restored
from web.cli.runs import runs
from web.cli.secrets import secrets

COMMANDS = (api_key, deliveries, events, profiles, release, restored, runs, secrets, user)


def init_cli(app: Flask) -> None:
    """Add Waybill's commands to `flask`."""
    for command in COMMANDS:
        app.cli.add_command(command)
