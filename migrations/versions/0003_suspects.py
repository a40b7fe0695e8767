"""An index of the deliveries that were lost with their process again and again.

Revision ID: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_deliveries_suspect",
        "deliveries",
        ["profile_id"],
        unique=False,
        postgresql_where=sa.text("state = 'pending' AND losses >= 3"),
    )


def downgrade() -> None:
    op.drop_index("ix_deliveries_suspect", table_name="deliveries")
