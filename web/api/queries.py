"""Query parameters: filters and pages. Lists are newest first; `after` is the `next` of the page before."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from flask import request

from models.rules.mapping import Fault
from web.api.errors import Refusal
from web.profiles.faults import is_storable, readable

USUAL_LIMIT = 100
MOST_LIMIT = 1_000
STATES = ("pending", "leased", "held", "delivered", "skipped", "cancelled")

_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)


def texts(*known: str) -> dict[str, str]:
    """Give the filters of the query, empty ones left out. Raises Refusal for a name that is no filter of this list."""
    unknown = [name for name in request.args if name not in {*known, "limit", "after"}]
    faults = [Fault(readable(name)[:60], "This list has no such filter.") for name in unknown]
    given = {name: request.args[name] for name in known if request.args.get(name)}
    faults += [Fault(name, "This text holds no whole characters.") for name in given if not is_storable(given[name])]
    if faults:
        raise Refusal(400, "The query cannot be read.", faults)
    return given


def limit() -> int:
    """Give how many a page holds. Raises Refusal."""
    text = request.args.get("limit", str(USUAL_LIMIT))
    if not _NUMBER.fullmatch(text) or not 1 <= int(text) <= MOST_LIMIT:
        raise Refusal(400, "The query cannot be read.", [Fault("limit", f"Give 1 to {MOST_LIMIT}.")])
    return int(text)


def after_id() -> int | None:
    """Give the id after which the page begins; None for the first page. Raises Refusal."""
    text = request.args.get("after")
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise Refusal(400, "The query cannot be read.", [Fault("after", "Give the `next` of the page before.")])
    return int(text)


def check_state(state: str | None, path: str = "state") -> None:
    """Refuse a state that there is not."""
    if state is not None and state not in STATES:
        raise Refusal(400, "The filter cannot be read.", [Fault(path, f"Give one of {', '.join(STATES)}.")])


def page(items: Sequence[dict[str, Any]], following: str | None) -> dict[str, Any]:
    """Write one page of a list."""
    return {"items": list(items), "next": following}
