"""Files as answers: a run's, streamed out of its chunks, and a dry run. In constant memory; who took it is noted."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from models import chunks
from models.base import db, utc_now
from models.profile import Profile, Route
from models.run import Run, RunState
from models.run_moves import downloaded
from web import audit
from web.audit import Act
from web.file_preview import whole_file
from web.run_acts import target

PACKED_TYPES = {"gzip": "application/gzip", "zstd": "application/zstd", "zip": "application/zip"}
CHARSETS = {"windows-1252": "windows-1252"}


class NotYet(Exception):
    """There is no file yet, or there will be none. One sentence."""


class Gone(Exception):
    """The bytes were deleted after their time. One sentence."""


def attachment(run: Run, *, actor: str) -> Response:
    """Answer with the file and note who took it. Commits. Raises NotYet or Gone."""
    if run.state != RunState.WRITTEN:
        raise NotYet(f"There is no file: the run is {run.state}.")
    if run.bytes_gone_at is not None:
        raise Gone("The file was deleted after its time; what it was stands with the run.")
    run_id, headers = run.id, _about(run.file_name, (run.snapshot or {}).get("settings", {}))
    headers["Content-Length"] = str(run.bytes)
    if request.method == "HEAD":  # a look at the size takes no file
        return Response(headers=headers)
    try:
        pieces = chunks.stream(db.engine, run_id)
    except chunks.NoBytes as error:  # deleted at this moment
        raise Gone(str(error)) from error
    downloaded(db.session(), run, actor=actor)
    audit.note(Act.DOWNLOADED, target(run), actor=actor, text=run.file_name)
    db.session.commit()
    return Response(pieces, headers=headers, direct_passthrough=True)


def dry_run(profile: Profile, route: Route, *, actor: str) -> Response:
    """Answer with the whole next file of a route, of which no row is taken. Commits. Raises NoFile."""
    name, pieces = whole_file(profile, route, utc_now())
    headers = _about(name, profile.settings)
    audit.note(Act.DOWNLOADED, f"profile {profile.name}", actor=actor, text=f"dry run {name}")
    db.session.commit()
    return Response(pieces, headers=headers, direct_passthrough=True)


def _about(name: str | None, settings: dict[str, Any]) -> dict[str, str]:
    return {
        "Content-Type": _content_type(settings),
        "Content-Disposition": f'attachment; filename="{name}"',  # our own safe alphabet
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }


def _content_type(settings: dict[str, Any]) -> str:
    """RFC 4180 and 7111: the header line is told, too."""
    if (packed := PACKED_TYPES.get(str(settings.get("compression")))) is not None:
        return packed
    charset = CHARSETS.get(str(settings.get("encoding")), "utf-8")
    return f"text/csv; charset={charset}; header={'present' if settings.get('header', True) else 'absent'}"
