"""Jobs may be paced, paused and stopped; deliveries are found by the status of a failed try.

Revision ID: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STATES = "('waiting', 'running', 'paused', 'stopped', 'done', 'failed')"


def upgrade() -> None:
    op.add_column(
        "jobs", sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)
    )
    op.drop_constraint("ck_jobs_state_known", "jobs")
    op.create_check_constraint(op.f("ck_jobs_state_known"), "jobs", f"state IN {STATES}")
    op.create_index("ix_attempts_status", "attempts", ["status", "delivery_id"], postgresql_where=sa.text("status >= 300"))


def downgrade() -> None:
    op.drop_index("ix_attempts_status", table_name="attempts")
    op.execute("UPDATE jobs SET state = 'failed', finished_at = now() WHERE state IN ('paused', 'stopped')")
    op.drop_constraint("ck_jobs_state_known", "jobs")
    op.create_check_constraint(
        op.f("ck_jobs_state_known"), "jobs", "state IN ('waiting', 'running', 'done', 'failed')"
    )
    op.drop_column("jobs", "next_at")
