"""The manual page of files: its tables are written from the settings models, so that they cannot rot.

`python -m web.file_manual > docs/files.md` writes it again; a test compares the two.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from exporters.csv_settings import PRESETS, CsvSettings
from exporters.fields import labels, secret_names
from exporters.ftp_settings import FtpSettings
from models.rules.filenames import PLACEHOLDERS

_INTRODUCTION = """\
# Files: CSV, FTP, FTPS, SFTP

The tables of this page are written by `python -m web.file_manual`; change the code, not the page.

A profile of type **CSV** makes files to download, one of type **FTP** also brings them to a server. Both take the same columns
([field mappings](mappings.md)) and routes as a postback. Each route has a file of its own, and each order stands in it once.

## What is promised

- **Each row once.** What a route owes stands in a ledger; a file takes the rows that no file has taken. There is no window of
  time that a late order could miss. An order that matches two routes stands once in each route's file.
- **One file for one time.** A daily profile makes one file a route and day, whatever crashes, and however often it is edited.
- **The same bytes.** A file is written once, with its size and SHA-256, and never changes. Every retry and *Send again* sends
  these bytes. *Make again* is a new file of the same rows, with today's settings.
- **Never half.** An upload goes under a temporary name, is measured, and gets its own name when it is whole.
- **No last try.** A server that is away is tried again after 1 minute, then less often, up to once an hour. A full disk, a missing folder or right is
  tried hourly and told at once. What waiting cannot heal (the wrong host key or certificate, a name that is taken, a password
  that was refused three times) stops the uploads of this profile until somebody saves it or presses **Resume**. Files are made
  meanwhile, and wait.

## From the order to the file

1. An event that matches a route is owed to its file from the moment it is accepted (plus *Export Delay*). Orders of a test card never are.
2. At its time the schedule makes a **run** for each route. The run takes what is owed. A Partial whose order has been completed
   meanwhile is left out, and its customer's history says so.
3. The file is written, shown under **Files**, and kept for *Keep files (days)*. Then its bytes go; the history stays.
4. An FTP profile uploads it. Every try stands on the run's page, with the server's own words.

A customer's history names file and row: `Order B94140F702 (Partial) exported in partial_1.csv, row 17, of "Daily" (5).` The header is
not counted. Where an order may have several rows it says `order 17`.

On the run's page and over the API: *Download*; *Send again*, the same bytes; *Make again*, a new file; *Give rows back* to the next run, as
long as nobody can have seen the file; *Cancel*. **Preview** shows names, next times and first lines, **Dry run** a whole file;
they take no row and send nothing. *Run now* is a real run.

## When

| schedule | means |
|-|-|
| `daily 06:00` | every day |
| `weekdays mon,fri 06:00 18:00` | on these days, 1 to 24 times |
| `every 4 hours` | at 0:00, 4:00 ...; 1, 2, 3, 4, 6, 8 or 12 hours |
| `cron 30 6 * * 1` | minute, hour, day, month, weekday; 5 minutes apart at least |
| `manual` | only when somebody presses *Run now* |

Times are in the profile's time zone. Where the clock jumps over a time in spring, the file is made at the first instant after the gap; a time
that comes twice in autumn counts once, the first time. The form shows the next five, and says where that happens. After a
downtime or a pause *Missed times* says whether the rows come in one file, in a file for each missed time, or with the next one; no choice loses rows. Saving
another time never makes files for times that are past.

## Names

"""

_NAMES = """\
Times are the run's, in the profile's zone. Values become their nearest ASCII; what is none of `A-Za-z0-9._-` becomes `_`, so that no order
can name a file elsewhere. A name has 120 bytes at most. One that names two routes alike is refused. A name that was used before gets `-2`,
unless the server is to replace it; parts without `{part}` get `-p1`. Folders take the same placeholders.

A companion is sent after the file, when all is there: `NAME.done` (empty), `NAME.sha256` (`hex  NAME`) or `NAME.manifest.json`
(name, rows, bytes, SHA-256, run, route, parts); for several parts there is one, named after the first.

## Spreadsheets

A cell that begins with `=`, `+`, `-`, `@`, TAB or a line break may run as a formula when a person opens the file. The formula
guard puts a `'` before such texts (static values and headers, too). Numbers, dates, yes and no are never touched, nor a text that is only a sign and
then digits, such as `+49 30 123`. For programs that need exact values it can be switched off; that stands in the record.
Excel drops leading zeros (postal codes, phone numbers) when it opens a CSV file; nothing in the file can stop it.

"""

_END = """\
## Before it is saved: Test connection

The form's *Test connection* takes what stands in it: name and port, TLS or host key, login, data connection, writing a small file,
its size, renaming, deleting. Each step has its time and, where it fails, a hint. Nothing stays on the server.

**SFTP** needs the server's key: without one nothing is sent, no password and no file. The test shows the key's SHA-256; compare it with what the server's admin
says, press *Trust this key*, save. When the key changes one day, uploads stop and say so: ask why, test, trust, save.

**FTPS** checks the server's certificate. One that no public authority has signed works with its CA (or itself) pasted as *CA certificate*; there is no switch that
turns the check off. **FTP** sends password and data in clear text; pages mark it red.

Servers in private networks need an entry in `EGRESS_ALLOW`, the ports of their passive range, too. There is no active mode: nobody can dial a dyno.

## By program

| call | does |
|-|-|
| `GET /api/v1/runs?profile=&state=` | lists runs; `GET /api/v1/runs/{id}` one |
| `GET /api/v1/runs/{id}/file` | downloads; needs the scope `operate` |
| `POST /api/v1/runs/{id}/send-again`, `/make-again`, `/give-back`, `/cancel` | as on the page; 409 with a sentence when it is not possible |
| `POST /api/v1/profiles/{name}/run` | makes the files now: `{"runs": [..]}` |
| `POST /api/v1/profiles/{name}/preview` | name and lines for an event |
| `POST /api/v1/profiles/{name}/test`, `POST /api/v1/profiles/test` | tests the connection, stored or not |
| `POST /api/v1/profiles/{name}/resume` | goes on after a pause or a stop |

`flask --app wsgi runs list|download|send-again|make-again|give-back|cancel`, `profiles run NAME`, `profiles resume NAME` and `profiles test NAME` do the same
here. `runs download` checks the SHA-256.
"""


def page() -> Iterator[str]:
    """Yield the page in pieces."""
    yield _INTRODUCTION
    yield "Placeholders: " + " ".join(f"`{{{name}}}`" for name in PLACEHOLDERS) + ".\n\n"
    yield _NAMES
    yield "## Settings of both\n\nA preset fills what is not given; what is given beside it wins.\n\n"
    yield from _presets()
    yield "\n"
    yield from _table(CsvSettings, list(CsvSettings.model_fields))
    yield "\nThe preset of an FTP profile is `standard` unless another is chosen.\n\n## Settings of the upload\n\n"
    yield from _table(FtpSettings, [name for name in FtpSettings.model_fields if name not in CsvSettings.model_fields])
    yield "\nSecrets are stored encrypted, bound to protocol, server, port and user, and never shown: leave them empty to keep them.\n\n"
    yield _END


def _presets() -> Iterator[str]:
    keys = list(next(iter(PRESETS.values())))
    heads = [_key(CsvSettings.model_fields[name], name) for name in keys]
    yield f"| preset | {' | '.join(f'`{head}`' for head in heads)} |\n|-|{'-|' * len(heads)}\n"
    for preset, values in PRESETS.items():
        yield f"| `{preset}` | {' | '.join(_word(values[name]) for name in keys)} |\n"


def _table(model: type[BaseModel], names: list[str]) -> Iterator[str]:
    yield "| key | default | takes | |\n|-|-|-|-|\n"
    for name in names:
        info = model.model_fields[name]
        help_text = (info.description or "").replace("|", "\\|")
        yield f"| `{_key(info, name)}` | {_default(info)} | {_takes(model, name)} | **{info.title}.** {help_text} |\n"


def _key(info: FieldInfo, name: str) -> str:
    return info.alias or name


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    given = info.get_default()
    return "" if given in {None, ""} else _word(given)


def _takes(model: type[BaseModel], name: str) -> str:
    info = model.model_fields[name]
    if name in secret_names(model):
        return "a secret"
    kinds = [kind for kind in get_args(info.annotation) or (info.annotation,) if kind is not type(None)]
    if get_origin(info.annotation) is Literal:
        words = labels(model, name)
        return ", ".join(_word(word) if words.get(word, word) == word else _said(word, words[word]) for word in kinds)
    if kinds[0] is bool:
        return "yes or no"
    if kinds[0] is int:
        bounds = {key: getattr(mark, key) for mark in info.metadata for key in ("ge", "le") if hasattr(mark, key)}
        return f"{bounds['ge']:,} to {bounds['le']:,}"
    return "text"


def _said(word: Any, label: str) -> str:
    return f"{_word(word)} {label}".replace("|", "\\|") if len(str(word)) > 1 else _word(word)


def _word(value: Any) -> str:
    if isinstance(value, SecretStr):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = {"\t": "TAB", "|": "\\|"}.get(str(value), str(value))
    return f"`{text}`"


if __name__ == "__main__":
    sys.stdout.writelines(page())
