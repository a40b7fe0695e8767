"""Free leases that have ended without a result. Everyone runs it: the condition stands in the statement itself."""

from __future__ import annotations

import sqlalchemy as sa

REAP_MOST = 500

_FREE = """
    UPDATE deliveries d SET state = CASE WHEN d.reason IS NULL THEN 'pending' ELSE 'cancelled' END,
        finished_at = CASE WHEN d.reason IS NOT NULL THEN now() END, losses = d.losses + 1, due_at = now(),
        lease_token = NULL, lease_until = NULL, leased_at = NULL, leased_by = NULL
    FROM lost WHERE d.id = lost.id
"""

_ATTEMPT = """
    INSERT INTO attempts (started_at, delivery_id, profile_id, lease_token, number, error, outcome)
    SELECT lost.leased_at, lost.id, lost.profile_id, lost.lease_token, lost.tries,
        'begun ' || to_char(lost.leased_at AT TIME ZONE 'UTC', 'HH24:MI:SS') || ' UTC, outcome unknown', 'unknown'
    FROM lost JOIN freed ON freed.id = lost.id
"""

REAP = sa.text(
    f"""/* reap: leases that have ended go back, each with an attempt of unknown outcome */
    WITH lost AS (SELECT id, profile_id, lease_token, leased_at, tries FROM deliveries
            WHERE state = 'leased' AND lease_until < now() LIMIT {REAP_MOST} FOR UPDATE SKIP LOCKED),
        freed AS ({_FREE} RETURNING d.id)
    {_ATTEMPT}"""  # noqa: S608 -- constants of ours
)

FREE_PUMP = sa.text(
    f"""/* free: leases of a pump that is known to be dead */
    WITH lost AS (SELECT id, profile_id, lease_token, leased_at, tries FROM deliveries
            WHERE state = 'leased' AND leased_by = :pump FOR UPDATE SKIP LOCKED),
        freed AS ({_FREE} RETURNING d.id)
    {_ATTEMPT}"""  # noqa: S608 -- constants of ours
)

SUSPECTS = sa.text(
    """/* suspects: rows lost with their process three times, to be sent alone */
    SELECT EXISTS (SELECT FROM deliveries d JOIN gates g ON g.profile_id = d.profile_id
        JOIN profiles p ON p.id = d.profile_id
        WHERE d.state = 'pending' AND d.losses >= 3 AND d.due_at <= now() AND g.opens_at <= now()
          AND g.fault IS DISTINCT FROM 'settings' AND p.enabled AND NOT p.paused AND p.deleted_at IS NULL)"""
)


def reap(engine: sa.Engine) -> int:
    """Free up to 500 lost leases. Returns how many; as many as that: call again."""
    with engine.begin() as connection:
        return connection.execute(REAP).rowcount


def free_leases_of(engine: sa.Engine, pump: str) -> int:
    """Free the leases of this pump's dead predecessor at once, without waiting for their end."""
    with engine.begin() as connection:
        return connection.execute(FREE_PUMP, {"pump": pump}).rowcount


def has_suspects(engine: sa.Engine) -> bool:
    """Say whether a row waits to be sent alone."""
    with engine.connect() as connection:
        return bool(connection.scalar(SUSPECTS))
