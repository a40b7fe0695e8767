"""Record what tries came to: deliveries by (id, token), gates, and an attempt for each, in one transaction.

A stale token changes nothing, not even with good news; its attempt is kept as "late".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import msgspec
import sqlalchemy as sa

from exporters.masking import mask_body, mask_headers, mask_text
from models.base import utc_now
from worker.gatekeeper import move_gates
from worker.lease import Landed, Lease
from worker.verdict import Effect

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

COPY_ATTEMPTS = """COPY attempts (started_at, delivery_id, lease_token, number, duration_ms, method, url, request_headers,
    request_body, status, response_headers, response_body, error, outcome, late) FROM STDIN"""

LONGEST_BODY = 64 * 1024
"""Of what was sent, so much is kept with the attempt."""

_JSON = msgspec.json.Encoder()


def record(
    engine: sa.Engine, landed: Sequence[tuple[Landed, Effect]], *, uneasy: frozenset[int], luck: float
) -> frozenset[int]:
    """Write down how these tries ended. Safe to repeat after an ambiguous commit. Returns ids that came too late."""
    tries = [one for one, _ in landed]
    with engine.begin() as connection:
        move_gates(connection, landed, uneasy=uneasy, luck=luck)
        known = set(
            connection.scalars(
                FINISH,
                {
                    "ids": [one.lease.delivery_id for one in tries],
                    "tokens": [one.lease.token for one in tries],
                    "states": [one.state for one in tries],
                    "reasons": [one.reason for one in tries],
                    "dues": [one.due_at for one in tries],
                    "failures": [one.failures for one in tries],
                },
            )
        )
        late = frozenset(one.lease.delivery_id for one in tries if one.lease.delivery_id not in known)
        _copy_attempts(
            connection, (attempt_row(one, late=one.lease.delivery_id in late) for one in tries if one.request)
        )
    return late


def give_back(engine: sa.Engine, leases: Sequence[Lease]) -> None:
    """Return leases that were never begun: their rows are due as before."""
    if leases:
        with engine.begin() as connection:
            connection.execute(
                GIVE_BACK,
                {"ids": [lease.delivery_id for lease in leases], "tokens": [lease.token for lease in leases]},
            )


def attempt_row(landed: Landed, *, late: bool) -> tuple[Any, ...]:
    """Give one attempt in the order of COPY_ATTEMPTS: what was sent and what came back, secrets masked."""
    request, reply, lease = landed.request, landed.reply, landed.lease
    if request is None:
        raise ValueError("a lease that was never sent leaves no attempt")
    secrets = request.secrets
    body = None if request.body is None else mask_body(request.body[:LONGEST_BODY], secrets)
    sent = (
        request.method,
        _text(mask_text(request.url, secrets)),
        _headers(request.headers, secrets),
        None if body is None else _text(body),
    )
    if reply is None:
        return (utc_now(), lease.delivery_id, lease.token, lease.tries, None, *sent, None, "[]", None, landed.error,
                landed.outcome, late)  # fmt: skip
    error = landed.error or reply.error
    return (
        reply.started_at,
        lease.delivery_id,
        lease.token,
        lease.tries,
        reply.duration_ms,
        *sent,
        reply.status,
        _headers(reply.headers, secrets),
        _text(mask_body(reply.body, secrets, is_cut=reply.is_cut)) if reply.body else "",
        None if error is None else _text(mask_text(error, secrets)),
        landed.outcome,
        late,
    )


def _copy_attempts(connection: sa.Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    driver = cast("Any", connection.connection.driver_connection)
    with driver.cursor() as cursor, cursor.copy(COPY_ATTEMPTS) as copy:
        for row in rows:
            copy.write_row(row)


def _headers(headers: Sequence[tuple[str, str]], secrets: Sequence[str]) -> str:
    return _JSON.encode(mask_headers(headers, secrets)).decode().replace("\\u0000", "\\ufffd")


def _text(text: str) -> str:
    """Postgres keeps no NUL, and no half of a surrogate pair."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
