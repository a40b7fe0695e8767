"""The manual page of field mappings, written from the catalogue and the modifiers so that it cannot rot.

`python -m models.rules.manual > docs/mappings.md` writes it again; a test compares the two.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from models.rules.catalogue import SLOTS, Field, all_fields


@dataclass(frozen=True, slots=True)
class Example:
    """One line of the table of modifiers; an integration test runs it."""

    modifier: str
    meaning: str
    value: str
    result: str
    country: str = ""


EXAMPLES = (
    Example("trim", "white space at both ends goes, also U+00A0", " Mary ", "Mary"),
    Example("lower", "small letters, the same in every database", "ÉLODIE", "élodie"),
    Example("upper", "capital letters, the same in every database", "élodie", "ÉLODIE"),
    Example("digits", "keeps 0-9", "(650) 555-1212", "6505551212"),
    Example("e164", "international number by the order's country, else US", "(650) 555-1212", "+16505551212"),
    Example("e164", "a leading 0 goes, the country's code comes (here DE)", "030 1234567", "+49301234567", "DE"),
    Example("e164", "what does not come to 8-15 digits stays", "555-1212", "555-1212"),
    Example(
        "sha256",
        "of the UTF-8 bytes, small hex digits",
        "정",
        "8fa8cd9c440be61d0151429310034083132b35975c4bea67fdd74158eb51db14",
    ),
    Example("md5", "of the UTF-8 bytes, small hex digits", "Mary", "e39e74fb4e80ba656f773669ed50315a"),
    Example(
        "date:DD.MM.YYYY HH:MM:Europe/Berlin",
        "YYYY YY MM DD HH MM SS (MM right after HH: minutes); the zone at the end, else the profile's",
        "2026-11-23 09:58:12",
        "23.11.2026 10:58",
    ),
    Example("date:iso", "with the offset", "2026-11-23 09:58:12", "2026-11-23T09:58:12+00:00"),
    Example("date:unix", "seconds since 1970", "2026-11-23 09:58:12", "1795427892"),
    Example("date:unixms", "milliseconds since 1970", "2026-11-23 09:58:12", "1795427892000"),
    Example("number:2", "so many decimals (0-10), half away from zero", "49.995", "50.00"),
    Example("map:USD=US", "replaces whole values, case counts; `\\,` and `\\=` for the signs", "USD", "US"),
    Example("map:USD=US,*=other", "`*` is the rest", "EUR", "other"),
    Example("default:unknown", "stands in for an empty value", "", "unknown"),
    Example("cut:3", "the first characters, not bytes", "Zoë!", "Zoë"),
)

_INTRODUCTION = """\
# Field mappings

This page is written by `python -m models.rules.manual`; change the code, not the page.

A mapping is an Export Name with one of

- a **field** of the list below,
- a **static value**, sent unchanged; it may be empty,
- a **template** such as `{firstName} {lastName}`; `{{` and `}}` are braces. It is empty when all its fields are.

Their order is the order of parameters and columns. Empty is one thing: a missing value, null or "".

What an empty value becomes is chosen with "when empty": leave it out, send it empty, or (in JSON) send null. Unless chosen, a
URL or form sends it empty, and JSON and headers leave it out.

## Postbacks: Export Names that steer the request

Without these a postback is a GET with the parameters in the URL. A query that the URL has already stays, ours follows.

| Export Name | does |
|-|-|
| `header:NAME` | is sent as the header NAME; the request becomes a POST, the other mappings its body |
| `header:Content-Type` = `application/json` | makes the body JSON; any other type, or none, makes it a form |
| `header:httpMethod` | GET, POST, PUT, PATCH or DELETE; not sent itself |
| `header:httpMethodType` | GET: parameters in the URL; POST: in the body; not sent itself |
| `user.emails[0]` | in JSON a path into objects and lists; `\\.` and `\\[` stand for the signs. Elsewhere an ordinary name |

Content-Type and the two names that are not sent take static values only. A static value under a name such as `password`,
`token` or `Authorization` is stored sealed, unless you say that it is no secret; pages show dots in its place.

## Modifiers

They work from left to right on the value's text: yes and no are `1` and `0`, times are in the profile's zone. Empty stays
empty, except in `default`. What cannot be read passes unchanged. In JSON the result is a string, except after `number` and
`default`; the mapping's type wins.

| modifier | what it does | example |
|-|-|-|
"""


def page() -> Iterator[str]:
    """Yield the page in pieces."""
    yield _INTRODUCTION
    for example in EXAMPLES:
        yield f"| `{example.modifier}` | {example.meaning} | `{_quoted(example.value)}` -> `{example.result}` |\n"
    yield "\n## Fields\n"
    yield "\nFields marked * are sensitive: a profile that uses one needs a PCI document to be enabled.\n"
    yield f"\nItem slots run from product1_ to product{SLOTS}_. `custom:NAME` reads one custom field; a key of the order that "
    yield "is not in this list is one, too.\n"
    for group, fields in groupby(all_fields(), key=lambda field: field.group):
        yield f"\n### {group}\n\n| field | type | meaning | sample |\n|-|-|-|-|\n"
        yield from map(_line, fields)


def _line(field: Field) -> str:
    mark = "*" if field.sensitive else ""
    return f"| `{field.name}`{mark} | {field.type.value} | {field.meaning} | `{field.sample}` |\n"


def _quoted(text: str) -> str:
    return f'"{text}"' if text != text.strip() or not text else text


if __name__ == "__main__":
    sys.stdout.writelines(page())
