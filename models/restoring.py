"""After a restore the database knows nothing of what was done since the backup, but receivers do."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

GAP = 100_000_000
"""More than any installation uses up between two backups; nine thousand million restores fit a number."""

# A delivery's number is its webhook-id, a run's stands in the names of temporary files, a customer's in exports.
MOVE_ON = sa.text(
    """/* restored: no number is given twice */
    SELECT count(setval(format('%I.%I', schemaname, sequencename)::regclass, coalesce(last_value, 0) + :gap))
    FROM pg_sequences WHERE schemaname = current_schema() AND data_type = 'bigint'::regtype"""
)


def move_numbers_on(session: Session) -> int:
    """Leave a gap in all numbers, so that none means something else to whoever saw it before. Returns how many count."""
    moved: int = session.scalars(MOVE_ON, {"gap": GAP}).one()
    return moved
