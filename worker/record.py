"""Record what tries came to: deliveries by (id, token), gates, and an attempt for each, in one transaction.

A stale token changes nothing, not even with good news; its attempt is kept as "late".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

import msgspec
import sqlalchemy as sa

from exporters.base import Reply, Request
from exporters.masking import mask_body, mask_headers, mask_text
from models import tallies
from worker.gatekeeper import Ended, move_gates
from worker.lease import Landed, Lease

# A leased row with a reason is one that a person has cancelled meanwhile: its try was still to end.
FINISH = sa.text(
    """/* record: the next state of each try */
    UPDATE deliveries d SET
        state = CASE WHEN d.reason IS NOT NULL AND r.state <> 'delivered' THEN 'cancelled' ELSE r.state END,
        reason = CASE WHEN r.state = 'delivered' THEN NULL ELSE coalesce(d.reason, r.reason) END,
        finished_at = CASE WHEN r.state = 'delivered' OR d.reason IS NOT NULL THEN now() END,
        due_at = coalesce(r.due_at, d.due_at), failures = r.failures, losses = 0,
        lease_token = NULL, lease_until = NULL, leased_at = NULL, leased_by = NULL
    FROM unnest(CAST(:ids AS bigint[]), CAST(:tokens AS bigint[]), CAST(:states AS text[]), CAST(:reasons AS text[]),
        CAST(:dues AS timestamptz[]), CAST(:failures AS int[])) AS r (id, token, state, reason, due_at, failures)
    WHERE d.id = r.id AND d.state = 'leased' AND d.lease_token = r.token
    RETURNING d.id"""
)

GIVE_BACK = sa.text(
    """/* give back: leases that were never begun; no attempt */
    UPDATE deliveries d SET state = CASE WHEN d.reason IS NULL THEN 'pending' ELSE 'cancelled' END,
        finished_at = CASE WHEN d.reason IS NOT NULL THEN now() END, tries = d.tries - 1,
        lease_token = NULL, lease_until = NULL, leased_at = NULL, leased_by = NULL
    FROM unnest(CAST(:ids AS bigint[]), CAST(:tokens AS bigint[])) AS r (id, token)
    WHERE d.id = r.id AND d.state = 'leased' AND d.lease_token = r.token"""
)

COPY_ATTEMPTS = """COPY attempts (started_at, delivery_id, profile_id, lease_token, number, duration_ms, method, url, request_headers,
    request_body, status, response_headers, response_body, error, outcome, late) FROM STDIN"""

AWAIT_ROWS = sa.text(
    """/* record again: wait for the doubtful commit */
    SELECT count(*) FROM (SELECT FROM deliveries WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE) AS locked"""
)

ARE_TOLD = sa.text(
    """/* record again: did it take place? */
    SELECT EXISTS (SELECT FROM attempts a
        JOIN unnest(CAST(:ids AS bigint[]), CAST(:tokens AS bigint[]), CAST(:starts AS timestamptz[]))
            AS r (id, token, started_at)
        ON a.delivery_id = r.id AND a.lease_token = r.token AND a.started_at = r.started_at)"""
)

LONGEST_BODY = 64 * 1024
"""Of what was sent, so much is kept with the attempt."""

SENT_AGAIN = "the connection was closed without an answer; sent again at once on a new one"

_SENT_NOTHING = (None, None, "[]", None)
_JSON = msgspec.json.Encoder()


def record(engine: sa.Engine, ended: Sequence[Ended], *, luck: float, zone: str = "UTC") -> frozenset[int]:
    """Write down how these tries ended, all or none. Returns the ids of deliveries whose lease was over.

    zone says which day it is, for the tallies.

    After a commit of unknown outcome ask `was_recorded` first: this would take its own result for somebody else's.
    """
    tries = [one for one, _ in ended]
    with engine.begin() as connection:
        move_gates(connection, ended, luck=luck)
        known = set(
            connection.scalars(
                FINISH,
                {
                    "ids": [one.lease.delivery_id for one in tries],
                    "tokens": [one.lease.token for one in tries],
                    "states": [one.state for one in tries],
                    "reasons": [None if one.reason is None else _text(one.reason) for one in tries],
                    "dues": [one.due_at for one in tries],
                    "failures": [one.failures for one in tries],
                },
            )
        )
        late = frozenset(one.lease.delivery_id for one in tries if one.lease.delivery_id not in known)
        _copy_attempts(
            connection,
            (row for one in tries if one.leaves_attempt for row in attempt_rows(one, one.lease.delivery_id in late)),
        )
        tallies.count(connection, _tally(one for one in tries if one.lease.delivery_id in known), zone=zone)
    return late


def was_recorded(engine: sa.Engine, ended: Sequence[Ended]) -> bool:
    """Say whether a `record` of these tries, cut off in its commit, took place. One attempt of them shows it for all.

    Whoever committed held the rows' locks: taking them waits for a commit that is still going on.
    """
    tries = [one for one, _ in ended if one.leaves_attempt]
    with engine.begin() as connection:
        connection.execute(AWAIT_ROWS, {"ids": [one.lease.delivery_id for one, _ in ended]})
        return bool(
            connection.scalar(
                ARE_TOLD,
                {
                    "ids": [one.lease.delivery_id for one in tries],
                    "tokens": [one.lease.token for one in tries],
                    "starts": [one.started_at for one in tries],
                },
            )
        )


def _tally(tries: Iterable[Landed]) -> dict[int, tuple[int, int]]:
    """Count (delivered, failed) by profile."""
    counted: dict[int, tuple[int, int]] = {}
    for one in tries:
        delivered, failed = counted.get(one.lease.plan.profile_id, (0, 0))
        if one.state == "delivered":
            delivered += 1
        elif one.leaves_attempt:
            failed += 1
        counted[one.lease.plan.profile_id] = (delivered, failed)
    return counted


def without_details(landed: Landed, fault: Exception) -> Landed:
    """Give a try whose attempt Postgres does not take as it is: its result counts, what was said does not."""
    error = f"{landed.error or landed.outcome}; the attempt could not be kept ({type(fault).__name__})"
    return replace(landed, began=landed.started_at, request=None, reply=None, error=error)


def give_back(engine: sa.Engine, leases: Sequence[Lease]) -> None:
    """Return leases that were never begun: their rows are due as before."""
    if leases:
        with engine.begin() as connection:
            connection.execute(
                GIVE_BACK,
                {"ids": [lease.delivery_id for lease in leases], "tokens": [lease.token for lease in leases]},
            )


def attempt_rows(landed: Landed, late: bool) -> Iterator[tuple[Any, ...]]:  # noqa: FBT001 -- of two, the second
    """Give a try's attempts in the order of COPY_ATTEMPTS: one, and one for each time libcurl sent it before."""
    if landed.reply is not None:
        for resent_at in landed.reply.resent_at:
            yield _unanswered_row(landed, landed.reply, late=late)
            taken = int((resent_at - landed.reply.started_at).total_seconds() * 1000)
            reply = replace(
                landed.reply, started_at=resent_at, duration_ms=max(0, landed.reply.duration_ms - taken), resent_at=()
            )
            landed = replace(landed, reply=reply)
    yield _attempt_row(landed, late=late)


def _unanswered_row(landed: Landed, reply: Reply, *, late: bool) -> tuple[Any, ...]:
    sent = _SENT_NOTHING if landed.request is None else _sent(landed.request)
    lease = landed.lease
    return (reply.started_at, lease.delivery_id, lease.plan.profile_id, lease.token, lease.tries, None, *sent, None, "[]", None, SENT_AGAIN,
            "unknown", late)  # fmt: skip


def _attempt_row(landed: Landed, *, late: bool) -> tuple[Any, ...]:
    """Give one attempt: what was sent and what came back, secrets masked."""
    request, reply, lease = landed.request, landed.reply, landed.lease
    secrets = () if request is None else request.secrets
    sent = _SENT_NOTHING if request is None else _sent(request)
    if reply is None:
        return (landed.began, lease.delivery_id, lease.plan.profile_id, lease.token, lease.tries, None, *sent, None, "[]", None, landed.error,
                landed.outcome, late)  # fmt: skip
    error = landed.error or reply.error
    return (
        reply.started_at,
        lease.delivery_id,
        lease.plan.profile_id,
        lease.token,
        lease.tries,
        reply.duration_ms,
        *sent,
        _status(reply.status),
        _headers(reply.headers, secrets),
        _text(mask_body(reply.body, secrets, is_cut=reply.is_cut)) if reply.body else "",
        None if error is None else _text(mask_text(error, secrets)),
        landed.outcome,
        late,
    )


def _sent(request: Request) -> tuple[str, str, str, str | None]:
    secrets, body = request.secrets, request.body
    return (
        request.method,
        _text(mask_text(request.url, secrets)),
        _headers(request.headers, secrets),
        None if body is None else _text(mask_body(body[:LONGEST_BODY], secrets, is_cut=len(body) > LONGEST_BODY)),
    )


def _copy_attempts(connection: sa.Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    driver = cast("Any", connection.connection.driver_connection)
    with driver.cursor() as cursor, cursor.copy(COPY_ATTEMPTS) as copy:
        for row in rows:
            copy.write_row(row)


def _headers(headers: Sequence[tuple[str, str]], secrets: Sequence[str]) -> str:
    return _JSON.encode(mask_headers(headers, secrets)).decode().replace("\\u0000", "\\ufffd")


def _status(status: int | None) -> int | None:
    """Give a status as the column takes it: what is no HTTP status at all stands in the error."""
    return status if status is None or status < 1000 else None


def _text(text: str) -> str:
    """Postgres keeps no NUL, and no half of a surrogate pair."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
