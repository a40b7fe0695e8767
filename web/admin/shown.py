"""How values read on a page: times in the person's zone, intervals in words, states with a colour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from flask import Flask
from markupsafe import Markup

from models.base import utc_now
from models.rules.customer_types import CustomerType
from web import file_words, zone
from web.documents import write_yaml

COLOURS = {
    "delivered": "success",
    "pending": "info",
    "leased": "primary",
    "held": "warning",
    "skipped": "secondary",
    "cancelled": "dark",
    "failed": "danger",
    "running": "primary",
    "paused": "warning",
    "done": "success",
    "unknown": "warning",
    "planned": "info",
    "claimed": "primary",
    "written": "success",
    "empty": "secondary",
}


LABELS = {kind.value: kind.label for kind in CustomerType}


def init_filters(app: Flask) -> None:
    """Make these words of the templates."""
    app.jinja_env.filters.update(
        when=when,
        ago=ago,
        state_colour=state_colour,
        type_label=type_label,
        headers=header_lines,
        amount=amount,
        waiting=waiting_words,
        size=size,
        took=took,
        value=value,
        as_yaml=write_yaml,
    )
    app.jinja_env.globals["every"] = every


def when(moment: datetime | None) -> str:
    """Write a time in the person's zone, 2026-11-23 10:41:07 CET, with UTC on hover. Every time on a page comes from here."""
    if moment is None:
        return ""
    return _time(moment, f"{moment.astimezone(zone.of_person()):%Y-%m-%d %H:%M:%S %Z}")


def ago(moment: datetime | None) -> str:
    """Say how long ago, in the largest unit that fits, with UTC on hover."""
    return "never" if moment is None else _time(moment, f"{span(utc_now() - moment)} ago")


def _time(moment: datetime, words: str) -> Markup:
    there = moment.astimezone(UTC)
    template = Markup('<time datetime="{}" title="{}">{}</time>')
    return template.format(f"{there:%Y-%m-%dT%H:%M:%SZ}", f"{there:%Y-%m-%d %H:%M:%S} UTC", words)


def span(length: timedelta) -> str:
    """Write a length of time in its largest unit: 3 min."""
    seconds = max(int(length.total_seconds()), 0)
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def amount(count: int) -> str:
    """Write a number with its thousands apart: 1,048,575."""
    return f"{count:,}"


def waiting_words(count: int) -> str:
    """Write how many rows wait: "1,284 wait"."""
    return f"{file_words.count(count)} {'waits' if count == 1 else 'wait'}"


def size(count: int) -> str:
    """Write a number of bytes: 812 bytes, 9.1 kB, 116.2 MB."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return "1 byte" if count == 1 else f"{count} bytes"


def took(milliseconds: int) -> str:
    """Write a short time: 41 ms, 3.2 s, 4 min 10 s."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds // 60_000} min {milliseconds % 60_000 // 1000} s"


def value(given: Any) -> str:
    """Write a setting's value as people read it; a tab is seen, and lists are JSON."""
    if given is None:
        return "none"
    if isinstance(given, bool):
        return "yes" if given else "no"
    if isinstance(given, dict | list):
        return msgspec.json.encode(given).decode()
    return str(given).replace("\t", "TAB")


def every(interval: int, delay: int) -> str:
    """Say when a profile runs: interval and delay add up."""
    if interval:
        return f"every {_minutes(interval + delay)}"
    return f"as it happens, {_minutes(delay)} later" if delay else "as it happens"


def _minutes(count: int) -> str:
    if count % 1440 == 0:
        return "day" if count == 1440 else f"{count // 1440} days"
    if count % 60 == 0:
        return "hour" if count == 60 else f"{count // 60} hours"
    return "minute" if count == 1 else f"{count} minutes"


def state_colour(state: str | None) -> str:
    """Name Bootstrap's colour for a state or outcome."""
    return COLOURS.get(state or "", "secondary")


def type_label(slug: str) -> str:
    """Write a customer type as people read it; what a foreign program stored wrongly is shown as it is."""
    return LABELS.get(slug, slug)


def header_lines(pairs: Any) -> str:
    """Write stored headers as lines, whatever a foreign hand put into the column."""
    if not isinstance(pairs, list):
        return ""
    return "\n".join(": ".join(str(part) for part in pair) for pair in pairs if isinstance(pair, list))
