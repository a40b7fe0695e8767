"""What waits for each profile, counted so that it stays cheap with millions of rows."""

from __future__ import annotations

import sqlalchemy as sa

MOST_COUNTED = 100_000
"""Nobody needs to know a longer queue to the digit; a count beyond this stands still."""

# Both values of `retried` are named, so that each half is read from the front of its index.
WAITING = sa.text(
    f"""/* what waits, profile by profile; oldest: when the row that waits longest became due, a retried one when it came, the first of them */
    SELECT p.id,
        (SELECT count(*) FROM (SELECT FROM deliveries d WHERE d.profile_id = p.id AND d.state = 'pending'
            LIMIT {MOST_COUNTED}) AS counted) AS pending,
        (SELECT count(*) FROM (SELECT FROM deliveries d WHERE d.profile_id = p.id AND d.state = 'pending'
            AND d.retried LIMIT {MOST_COUNTED}) AS counted) AS retrying,
        (SELECT count(*) FROM deliveries d WHERE d.profile_id = p.id AND d.state = 'leased') AS leased,
        least(
            (SELECT d.due_at FROM deliveries d WHERE d.profile_id = p.id AND d.state = 'pending' AND NOT d.retried
             ORDER BY d.due_at LIMIT 1),
            (SELECT d.created_at FROM deliveries d WHERE d.profile_id = p.id AND d.state = 'pending' AND d.retried
             ORDER BY d.id LIMIT 1)) AS oldest,
        NOT p.enabled OR p.paused OR g.fault IS NOT NULL AS is_closed,
        (SELECT a.hours FROM alerts a WHERE a.profile_id = p.id) AS alert
    FROM profiles p JOIN gates g ON g.profile_id = p.id WHERE p.deleted_at IS NULL ORDER BY p.id"""  # noqa: S608 -- a constant of ours
)
