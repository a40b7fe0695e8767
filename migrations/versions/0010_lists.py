"""Indexes of the lists: deliveries by profile and state, refused tries by profile.

Revision ID: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0006"
branch_labels = None
depends_on = None

OF_DELIVERIES = {
    "ix_deliveries_open": (["profile_id", "retried", "id"], "state = 'pending'"),
    "ix_deliveries_delivered": (["profile_id", "id"], "state = 'delivered'"),
    "ix_deliveries_aside": (["profile_id", "state", "id"], "state IN ('held', 'skipped', 'cancelled')"),
}


def upgrade() -> None:
    op.execute("SET LOCAL statement_timeout = 0")
    for name, (columns, rows) in OF_DELIVERIES.items():
        op.create_index(name, "deliveries", columns, postgresql_where=sa.text(rows))
    op.add_column("attempts", sa.Column("profile_id", sa.BigInteger()))
    # Nobody looks for the others by their profile.
    op.execute(
        "UPDATE attempts a SET profile_id = d.profile_id FROM deliveries d WHERE d.id = a.delivery_id AND a.status >= 300"
    )
    op.create_index(
        "ix_attempts_profile_id_status",
        "attempts",
        ["profile_id", "status", "delivery_id"],
        postgresql_where=sa.text("status >= 300"),
    )


def downgrade() -> None:
    op.drop_index("ix_attempts_profile_id_status", table_name="attempts")
    op.drop_column("attempts", "profile_id")
    for name in OF_DELIVERIES:
        op.drop_index(name, table_name="deliveries")
