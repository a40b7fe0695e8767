"""The addresses of the application, with the numbers of what is in the world."""

from __future__ import annotations

import re
from collections.abc import Container

from flask import Flask
from werkzeug.routing import Rule

from .world import World

MADE_UP = 999_999


def path_of(rule: Rule, world: World, *, made_up: bool = False) -> str:
    """An address of something that is there, or of nothing."""
    numbers = {
        "delivery_id": world.delivery,
        "profile_id": world.file_profile if rule.endpoint == "preview.dry_run" else world.profile,
        "route_id": world.file_route,
        "key_id": world.key,
        "job_id": world.job,
        "run_id": world.run,
        "user_id": world.user,
    }
    path = re.sub(r"<int:(\w+)>", lambda found: str(MADE_UP if made_up else numbers[found[1]]), rule.rule)
    path = re.sub(r"<any\((\w+).*?\):\w+>", r"\1", path)
    path = re.sub(r"<kind>", "campaigns" if "lookup" in path else "postback", path)
    path = path.replace("<token>", world.link).replace("<export_type>", "csv")
    path = path.replace("<path:filename>", "admin.css" if rule.endpoint == "static" else "favicon.ico")
    return f"{path}?id={MADE_UP}" if rule.endpoint == "customers.one" else path


def rules_of(app: Flask, endpoints: Container[str], method: str) -> list[Rule]:
    """The addresses of these pages that take the method."""
    return [rule for rule in app.url_map.iter_rules() if rule.endpoint in endpoints and method in (rule.methods or ())]
