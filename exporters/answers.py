"""Read a receiver's answer: delivered, try again, or a person is needed. The table is in docs/rules.md."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime

from exporters.base import Failing, Receipt, Reply
from exporters.errors import AddressBlocked, Blame, Gone, TryAgain
from exporters.headers import CONTROL
from exporters.json_path import parse_path, walk
from exporters.masking import mask_text
from exporters.postback_settings import Contains, JsonEquals, Regex, compile_pattern
from exporters.statuses import status_line

ROWS_FAULT = frozenset({400, 405, 406, 409, 413, 414, 415, 422})
PASSES = frozenset({408, 425, 429})
SHUTS_GATE = frozenset({429, 503})
LONGEST_RETRY_AFTER = timedelta(hours=24)

Rule = Callable[[bytes], str | None]
"""Reads a body and says in a few words what it lacks, or None when it is a success."""


def judge(reply: Reply, *, lacks: Rule | None, secrets: Sequence[str]) -> Receipt:
    """Return the proof of delivery, or raise TryAgain, AddressBlocked or Gone.

    secrets are masked where the answer is quoted.
    """
    _refuse_broken(reply)
    status = reply.status or 0
    line = status_line(status)
    if 200 <= status < 300:
        lack = lacks(reply.body) if lacks is not None else None
        if lack is not None:
            raise TryAgain(f"{line}, but {lack}", blame=Blame.NOBODY)
        return Receipt(line)
    if status == 410:
        raise Gone(line)
    retry_after = _retry_after(reply)
    if status in ROWS_FAULT:
        raise TryAgain(line, blame=Blame.ROW, retry_after=retry_after)
    if 300 <= status < 400:
        raise TryAgain(line + _location(reply, secrets), retry_after=retry_after, alerts=True)
    if status in PASSES or status >= 500:
        shuts_gate = retry_after is not None and status in SHUTS_GATE
        raise TryAgain(line, retry_after=retry_after, shuts_gate=shuts_gate)
    raise TryAgain(line, retry_after=retry_after, alerts=True)


def rule_of(choice: Contains | Regex | JsonEquals | None) -> Rule | None:
    """Compile the rule for the body of a 2xx answer."""
    if choice is None:
        return None
    if isinstance(choice, Contains):
        return _contains(choice.contains)
    return _matches(choice.regex) if isinstance(choice, Regex) else _equals(choice)


def _refuse_broken(reply: Reply) -> None:
    if reply.failing is Failing.BLOCKED:
        raise AddressBlocked(reply.address)
    if reply.failing is not None:
        blame = Blame.ROW if reply.failing is Failing.TOO_LARGE else Blame.RECEIVER
        raise TryAgain(reply.error or reply.failing.value, blame=blame)


def _contains(text: str) -> Rule:
    wanted = text.encode("utf-8", "surrogatepass")
    return lambda body: None if wanted in body else f'the answer does not hold "{text}"'


def _matches(pattern: str) -> Rule:
    compiled = compile_pattern(pattern)

    def lacks(body: bytes) -> str | None:
        found = compiled.search(body.decode("utf-8", "replace"))
        return None if found else f'the answer does not match "{pattern}"'

    return lacks


def _equals(choice: JsonEquals) -> Rule:
    path = parse_path(choice.json_path)
    wanted = json.dumps(choice.equals, default=str, ensure_ascii=False)

    def lacks(body: bytes) -> str | None:
        try:
            document = json.loads(body, parse_float=Decimal)
        except (ValueError, RecursionError):
            return "the answer is not JSON"
        if _is_same(walk(document, path, _MISSING), choice.equals):
            return None
        return f'the answer does not have {wanted} at "{choice.json_path}"'

    return lacks


_MISSING = object()


def _is_same(found: object, wanted: object) -> bool:
    """Compare as JSON does: 1 is 1.0, but neither true nor "1"."""
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    if isinstance(wanted, float):
        wanted = Decimal(repr(wanted))
    return found == wanted


def _location(reply: Reply, secrets: Sequence[str]) -> str:
    location = _header(reply, "location")
    return f", not followed: {mask_text(CONTROL.sub(' ', location), secrets)[:200]}" if location else ", not followed"


def _retry_after(reply: Reply) -> timedelta | None:
    """Read Retry-After, seconds or an HTTP date; None when it is missing, past or nonsense. At most a day."""
    text = _header(reply, "retry-after")
    if re.fullmatch(r"[0-9]{1,12}", text):
        wait = timedelta(seconds=min(int(text), 86400))
    else:
        wait = _until(text, reply.started_at + timedelta(milliseconds=reply.duration_ms))
    return min(wait, LONGEST_RETRY_AFTER) if wait > timedelta(0) else None


def _until(text: str, now: datetime) -> timedelta:
    if not text:
        return timedelta(0)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return timedelta(0)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)) - now


def _header(reply: Reply, name: str) -> str:
    return next((value for key, value in reply.headers if key.lower() == name), "")
