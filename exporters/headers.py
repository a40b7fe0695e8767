"""Which header names may be sent (docs/rules.md, R23). Asked when a profile is saved, and again at the door."""

from __future__ import annotations

import re
from functools import lru_cache

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+")

_OURS_ALONE = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer", "expect"}
)

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""Control characters: no header, method or URL may hold one. libcurl would send them as they are."""


@lru_cache(maxsize=4096)
def name_fault(name: str) -> str | None:
    """Say in one sentence why this header name is refused, or None."""
    if not _TOKEN.fullmatch(name):
        return f'"{CONTROL.sub("?", name)}" is not a header name; use letters, digits and dashes'
    lowered = name.lower()
    if lowered in _OURS_ALONE or lowered.startswith("proxy-"):
        return f'the header "{name}" belongs to the connection and cannot be set'
    return None
