"""The small file that says that a file is there: empty, its hash, or what it holds. One for all parts of a file.

It goes with the part that is sent last, and is named after the first.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

PARTS = sa.text(
    """/* companions: all parts of a file, and whether each other one stands at its place */
    SELECT p.id, p.part, p.state, p.file_name, p.rows, p.bytes, p.sha256,
        coalesce((SELECT u.state = 'delivered' FROM uploads u WHERE u.run_id = p.id ORDER BY u.id DESC LIMIT 1), false)
            AS is_there
    FROM runs r JOIN runs p ON p.route_id = r.route_id AND p.slot = r.slot
    WHERE r.id = :run_id AND p.state <> 'cancelled' ORDER BY p.part"""
)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a file: most files are one part."""

    run_id: int
    name: str
    rows: int
    size: int
    sha256: str


def companions(connection: sa.Connection, run_id: int, *, kind: str, route: str) -> tuple[tuple[str, bytes], ...]:
    """Give the companion (name, content) that goes with this run's file; nothing while other parts are missing."""
    if kind == "none":
        return ()
    rows = connection.execute(PARTS, {"run_id": run_id}).all()
    if any(row.state != "written" or not (row.is_there or row.id == run_id) for row in rows):
        return ()
    parts = [Part(row.id, row.file_name, row.rows, row.bytes, row.sha256) for row in rows]
    return (_write(kind, parts, route),)


def _write(kind: str, parts: Sequence[Part], route: str) -> tuple[str, bytes]:
    first = parts[0]
    if kind == "done":
        return f"{first.name}.done", b""
    if kind == "sha256":
        return f"{first.name}.sha256", "".join(f"{part.sha256}  {part.name}\n" for part in parts).encode()
    content = {
        **_told(first),
        "rows": sum(part.rows for part in parts),
        "bytes": sum(part.size for part in parts),
        "route": route,
        "parts": [_told(part) for part in parts],
    }
    return f"{first.name}.manifest.json", (json.dumps(content, indent=2) + "\n").encode()


def _told(part: Part) -> dict[str, str | int]:
    return {"name": part.name, "rows": part.rows, "bytes": part.size, "sha256": part.sha256, "run": part.run_id}
