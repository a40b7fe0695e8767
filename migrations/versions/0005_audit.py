"""The audit log, the second factor, and links that let a person choose a password.

Revision ID: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

STAYS = (
    """CREATE FUNCTION refuse_change_of_audit() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the audit log is only ever added to' USING ERRCODE = 'WB002';
    END $$""",
    """CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE ON audit_lines FOR EACH ROW
    EXECUTE FUNCTION refuse_change_of_audit()""",
    """CREATE TRIGGER audit_is_not_emptied BEFORE TRUNCATE ON audit_lines FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change_of_audit()""",
)


def upgrade() -> None:
    op.create_table(
        "audit_lines",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_lines")),
    )
    op.create_index("ix_audit_lines_actor", "audit_lines", ["actor", "id"])
    op.create_index("ix_audit_lines_target", "audit_lines", ["target", "id"])
    for statement in STAYS:
        op.execute(statement)
    op.add_column("users", sa.Column("totp_sealed", sa.Text(), nullable=True))
    op.add_column("users", sa.Column("totp_last", sa.BigInteger(), nullable=True))
    op.add_column("users", sa.Column("link_digest", sa.LargeBinary(), nullable=True))
    op.add_column("users", sa.Column("link_until", sa.DateTime(timezone=True), nullable=True))
    op.create_index("uq_users_link_digest", "users", ["link_digest"], unique=True)


def downgrade() -> None:
    op.drop_index("uq_users_link_digest", table_name="users")
    for column in ("link_until", "link_digest", "totp_last", "totp_sealed"):
        op.drop_column("users", column)
    op.drop_table("audit_lines")
    op.execute("DROP FUNCTION refuse_change_of_audit")
