"""A run's file as an answer: streamed out of its chunks, in constant memory. Who took it is noted."""

from __future__ import annotations

from typing import Any

from flask import Response

from models import chunks
from models.base import db
from models.run import Run, RunState
from models.run_moves import downloaded
from web import audit
from web.audit import Act
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
    run_id, headers = run.id, _headers(run)
    try:
        pieces = chunks.stream(db.engine, run_id)
    except chunks.NoBytes as error:  # deleted at this moment
        raise Gone(str(error)) from error
    downloaded(db.session(), run, actor=actor)
    audit.note(Act.DOWNLOADED, target(run), actor=actor, text=run.file_name)
    db.session.commit()
    return Response(pieces, headers=headers, direct_passthrough=True)


def _headers(run: Run) -> dict[str, str]:
    return {
        "Content-Type": _content_type((run.snapshot or {}).get("settings", {})),
        "Content-Disposition": f'attachment; filename="{run.file_name}"',  # our own safe alphabet
        "Content-Length": str(run.bytes),
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }


def _content_type(settings: dict[str, Any]) -> str:
    """RFC 4180 and 7111: the header line is told, too."""
    if (packed := PACKED_TYPES.get(str(settings.get("compression")))) is not None:
        return packed
    charset = CHARSETS.get(str(settings.get("encoding")), "utf-8")
    return f"text/csv; charset={charset}; header={'present' if settings.get('header', True) else 'absent'}"
