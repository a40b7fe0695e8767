"""Names of files and folders: a template and what is known of a run -> a name that every server takes.

Values become their nearest ASCII; what is none of A-Z a-z 0-9 . _ - becomes _. So no value, wherever it came from, can
leave its folder or say anything to a server.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from models.rules.letters import nearest

MOST_BYTES = 120
"""Of a name with its extensions, and of each segment of a folder."""

PACKED = {"none": "", "gzip": ".gz", "zstd": ".zst", "zip": ".zip"}

_ROOM_FOR_NUMBER = 6  # -p9999 or -99999, put in later


class BadName(ValueError):
    """A template is refused; the message is for people."""


@dataclass(frozen=True, slots=True)
class NameFacts:
    """What a name can tell. at is the slot's time, aware, in the profile's zone; "all" stands for no campaign."""

    profile: str
    customer_type: str
    campaign: str
    product: str
    at: datetime
    run: int
    seq: int
    part: int
    rows: int
    uuid: str


_VALUES: dict[str, Callable[[NameFacts], str]] = {
    "profile": lambda facts: facts.profile,
    "route": lambda facts: f"{facts.customer_type}_{facts.campaign}_{facts.product}",
    "customerType": lambda facts: facts.customer_type,
    "campaign": lambda facts: facts.campaign,
    "product": lambda facts: facts.product,
    "date": lambda facts: facts.at.strftime("%Y-%m-%d"),
    "ymd": lambda facts: facts.at.strftime("%Y%m%d"),
    "time": lambda facts: facts.at.strftime("%H%M%S"),
    "year": lambda facts: facts.at.strftime("%Y"),
    "month": lambda facts: facts.at.strftime("%m"),
    "day": lambda facts: facts.at.strftime("%d"),
    "hour": lambda facts: facts.at.strftime("%H"),
    "minute": lambda facts: facts.at.strftime("%M"),
    "run": lambda facts: str(facts.run),
    "seq": lambda facts: str(facts.seq),
    "part": lambda facts: str(facts.part),
    "rows": lambda facts: str(facts.rows),
    "uuid": lambda facts: facts.uuid,
}

PLACEHOLDERS = tuple(_VALUES)

_TOKEN = re.compile(r"\{([^{}]*)\}|(.)", re.DOTALL)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


def check(template: str) -> None:
    """Refuse what makes no file name. Raises BadName with a sentence."""
    _check_segment(template, "A file name")


def check_folder(template: str) -> None:
    """Refuse what makes no folder; empty is the login's own. Raises BadName with a sentence."""
    for segment in template.strip("/").split("/") if template.strip("/") else ():
        _check_segment(segment, "A folder")


def file_name(template: str, facts: NameFacts, *, extension: str, compression: str, is_parted: bool) -> str:
    """Write the name of a run's file, at most 120 bytes with its extensions. Parts without {part} get -p1.

    The template has passed `check`; what has not still gives a safe name.
    """
    ending = f".{extension}{PACKED[compression]}"
    part = f"-p{facts.part}" if is_parted and "{part}" not in template else ""
    return _fill(template, facts, MOST_BYTES - len(ending) - _ROOM_FOR_NUMBER) + part + ending


def folder(template: str, facts: NameFacts) -> str:
    """Write a folder's path, each segment safe. It begins with / when the template does: from the root."""
    segments = [_fill(segment, facts, MOST_BYTES) for segment in template.split("/") if segment]
    return ("/" if template.startswith("/") else "") + "/".join(segments)


def numbered(name: str, number: int) -> str:
    """Write the name for a file whose own name was used before: orders-2.csv.gz."""
    stem, dot, endings = _split(name)
    mark = f"-{number}"
    room = MOST_BYTES - len(dot) - len(endings) - len(mark)
    return f"{stem[:room]}{mark}{dot}{endings}"


def alike(template: str, routes: Sequence[NameFacts]) -> tuple[int, int] | None:
    """Find two routes whose files would bear one name, by their index; capitals do not count. None: all differ."""
    seen: dict[str, int] = {}
    for index, facts in enumerate(routes):
        own = replace(facts, run=index + 1, uuid=f"u{index}", seq=1, part=1, rows=0)
        name = file_name(template, own, extension="csv", compression="none", is_parted=False).lower()
        first = seen.setdefault(name, index)
        if first != index:
            return first, index
    return None


def _check_segment(template: str, what: str) -> None:
    if not template.strip():
        raise BadName(f"{what} must not be empty.")
    if template[0] in ".-":
        raise BadName(f"{what} must not begin with a dot or a dash.")
    if ".." in template:
        raise BadName(f"{what} must not hold two dots in a row.")
    for token in _TOKEN.finditer(template):
        if token[1] is not None:
            _check_placeholder(token[1])
        elif token[2] in "{}":
            raise BadName(f"A lone {token[2]} at character {token.start() + 1}: placeholders look like {{date}}.")
        elif not _literal(token[2]):
            raise BadName(
                f"{what} must not hold {_shown(token[2])} (character {token.start() + 1}); it takes letters, digits,"
                " dot, dash, underscore and placeholders."
            )


def _check_placeholder(name: str) -> None:
    if name not in _VALUES:
        known = " ".join(f"{{{word}}}" for word in PLACEHOLDERS)
        raise BadName(f"There is no placeholder {{{_readable(name)[:40]}}}. There are: {known}.")


def _literal(character: str) -> str:
    """Give what a template's own character becomes; empty when it is refused."""
    return "_" if character == " " else _safe(character) if _UNSAFE.sub("", character) else nearest(character)


def _fill(template: str, facts: NameFacts, most: int) -> str:
    """Fill the placeholders in. What is too long loses letters from its longest values first, never a date."""
    parts = list(_parts(template, facts))
    while (over := sum(map(len, parts)) - most) > 0:
        longest = max(range(len(parts)), key=lambda index: len(parts[index]))
        next_longest = max((len(part) for index, part in enumerate(parts) if index != longest), default=0)
        keep = max(len(parts[longest]) - over, min(next_longest, len(parts[longest]) - 1), 0)
        parts[longest] = parts[longest][:keep]
    return re.sub(r"\.{2,}", ".", "".join(parts)).lstrip(".-").rstrip(".") or "_"


def _parts(template: str, facts: NameFacts) -> Iterator[str]:
    # A route is cut name by name: its end tells it from the others.
    for token in _TOKEN.finditer(template.replace("{route}", "{customerType}_{campaign}_{product}")):
        value = _VALUES.get(token[1]) if token[1] is not None else None
        if value is not None:
            yield _safe(value(facts))
        else:
            yield "".join(_literal(character) or "_" for character in token[0])


def _safe(text: str) -> str:
    """Write a value in the safe alphabet."""
    return "".join(character if not _UNSAFE.match(character) else nearest(character) or "_" for character in text)


def _split(name: str) -> tuple[str, str, str]:
    """Part a name from its extensions: the packing's, and the one before it."""
    stem, _, last = name.rpartition(".")
    if f".{last}" in PACKED.values() and "." in stem:
        stem, _, before = stem.rpartition(".")
        last = f"{before}.{last}"
    return (stem, ".", last) if stem else (name, "", "")


def _shown(character: str) -> str:
    """Name a character that may not be printable."""
    return f'"{character}"' if character.isprintable() else f"the control character U+{ord(character):04X}"


def _readable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
