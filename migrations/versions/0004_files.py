"""Files: the ledger, runs, their bytes, uploads.

Revision ID: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Rows that change often get room in their page.
STORAGE = {"file_items": 80, "runs": 70, "uploads": 50}

# What a run has written stays: a retry sends the same bytes, whatever anybody does to the rows.
IMMUTABLE = (
    """CREATE FUNCTION refuse_change_of_written_run() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' OR (NEW.file_name, NEW.rows, NEW.bytes, NEW.sha256, NEW.orders, NEW.replaced,
            NEW.stored_packed, NEW.route_id, NEW.slot, NEW.part, NEW.state) IS DISTINCT FROM (OLD.file_name, OLD.rows,
            OLD.bytes, OLD.sha256, OLD.orders, OLD.replaced, OLD.stored_packed, OLD.route_id, OLD.slot, OLD.part,
            CASE WHEN NEW.state = 'cancelled' THEN 'cancelled' ELSE OLD.state END)
        THEN
            RAISE EXCEPTION 'run % is written: it cannot be changed any more', OLD.id USING ERRCODE = 'WB001';
        END IF;
        RETURN NEW;
    END $$""",
    """CREATE TRIGGER written_runs_stay BEFORE UPDATE OR DELETE ON runs FOR EACH ROW
    WHEN (OLD.state = 'written') EXECUTE FUNCTION refuse_change_of_written_run()""",
    """CREATE FUNCTION refuse_change_of_chunk() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' OR EXISTS (
            SELECT FROM runs WHERE id = OLD.run_id AND state = 'written' AND bytes_gone_at IS NULL)
        THEN
            RAISE EXCEPTION 'the bytes of run % are written: they cannot be changed', OLD.run_id USING ERRCODE = 'WB001';
        END IF;
        RETURN OLD;
    END $$""",
    """CREATE TRIGGER written_bytes_stay BEFORE UPDATE OR DELETE ON run_chunks FOR EACH ROW
    EXECUTE FUNCTION refuse_change_of_chunk()""",
)


def upgrade() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("profile_id", sa.BigInteger(), nullable=False),
        sa.Column("route_id", sa.BigInteger(), nullable=False),
        sa.Column("slot", sa.Text(), nullable=False),
        sa.Column("part", sa.Integer(), server_default="1", nullable=False),
        sa.Column("slot_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period", sa.Date(), nullable=False),
        sa.Column("takes_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source_id", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), server_default="planned", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_token", sa.BigInteger(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("leased_by", sa.Text(), nullable=True),
        sa.Column("snapshot", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("file_name", sa.Text(), nullable=True),
        sa.Column("orders", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rows", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("replaced", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("stored_packed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("downloaded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("bytes_gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "state <> 'written' OR (file_name IS NOT NULL AND sha256 IS NOT NULL)", name=op.f("ck_runs_written_whole")
        ),
        sa.CheckConstraint(
            "state IN ('planned', 'claimed', 'written', 'empty', 'held', 'cancelled')", name=op.f("ck_runs_state_known")
        ),
        sa.CheckConstraint("(lease_token IS NULL) = (lease_until IS NULL)", name=op.f("ck_runs_lease_complete")),
        sa.ForeignKeyConstraint(["profile_id"], ["profiles.id"], name=op.f("fk_runs_profile_id_profiles")),
        sa.ForeignKeyConstraint(["route_id"], ["routes.id"], name=op.f("fk_runs_route_id_routes")),
        sa.ForeignKeyConstraint(["source_id"], ["runs.id"], name=op.f("fk_runs_source_id_runs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sa.UniqueConstraint("route_id", "slot", "part", name=op.f("uq_runs_route_id_slot_part")),
    )
    op.create_index(
        "ix_runs_file_name",
        "runs",
        ["profile_id", "file_name"],
        unique=False,
        postgresql_where=sa.text("file_name IS NOT NULL"),
    )
    op.create_index(
        "ix_runs_open",
        "runs",
        ["due_at", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('planned', 'claimed')"),
    )
    op.create_index("ix_runs_profile_id", "runs", ["profile_id", "id"], unique=False)

    op.create_table(
        "file_items",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("route_id", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.Column("skipped", sa.Text(), nullable=True),
        sa.Column("forced", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("run_id IS NULL OR skipped IS NULL", name=op.f("ck_file_items_taken_or_skipped")),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_file_items_event_id_events")),
        sa.ForeignKeyConstraint(["route_id"], ["routes.id"], name=op.f("fk_file_items_route_id_routes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_file_items")),
        sa.UniqueConstraint("event_id", "route_id", name=op.f("uq_file_items_event_id_route_id")),
    )
    op.create_index(
        "ix_file_items_run_id",
        "file_items",
        ["run_id", "event_id"],
        unique=False,
        postgresql_where=sa.text("run_id IS NOT NULL"),
    )
    op.create_index(
        "ix_file_items_waiting",
        "file_items",
        ["route_id", "ready_at"],
        unique=False,
        postgresql_where=sa.text("run_id IS NULL AND skipped IS NULL"),
    )

    op.create_table(
        "run_chunks",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_chunks_run_id_runs")),
        sa.PrimaryKeyConstraint("run_id", "n", name=op.f("pk_run_chunks")),
    )
    op.create_table(
        "uploads",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("profile_id", sa.BigInteger(), nullable=False),
        sa.Column("looks_only", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("destination", sa.Text(), nullable=True),
        sa.Column("phase", sa.Text(), nullable=True),
        sa.Column("remote_name", sa.Text(), nullable=True),
        sa.Column("renaming_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("login_failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("sent_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.Column("lease_token", sa.BigInteger(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("leased_by", sa.Text(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(state = 'leased') = (lease_token IS NOT NULL) AND (state = 'leased') = (lease_until IS NOT NULL)",
            name=op.f("ck_uploads_lease_complete"),
        ),
        sa.CheckConstraint("phase IN ('sending', 'sent', 'renaming', 'done')", name=op.f("ck_uploads_phase_known")),
        sa.CheckConstraint(
            "state IN ('pending', 'leased', 'held', 'delivered', 'cancelled')", name=op.f("ck_uploads_state_known")
        ),
        sa.ForeignKeyConstraint(["profile_id"], ["profiles.id"], name=op.f("fk_uploads_profile_id_profiles")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_uploads_run_id_runs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
    )
    op.create_index(
        "ix_uploads_due", "uploads", ["due_at", "id"], unique=False, postgresql_where=sa.text("state = 'pending'")
    )
    op.create_index("ix_uploads_profile_id", "uploads", ["profile_id", "id"], unique=False)
    op.create_index("ix_uploads_run_id", "uploads", ["run_id"], unique=False)
    op.create_index(
        "uq_uploads_destination", "uploads", ["destination"], unique=True, postgresql_where=sa.text("state = 'leased'")
    )

    op.create_table(
        "upload_tries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("upload_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("sent_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.CheckConstraint("outcome IN ('delivered', 'failed', 'unknown')", name=op.f("ck_upload_tries_outcome_known")),
        sa.ForeignKeyConstraint(["upload_id"], ["uploads.id"], name=op.f("fk_upload_tries_upload_id_uploads")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upload_tries")),
    )
    op.create_index("ix_upload_tries_upload_id", "upload_tries", ["upload_id", "id"], unique=False)

    op.add_column(
        "profiles",
        sa.Column("planned_until", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )

    op.drop_constraint("ck_gates_fault_known", "gates")
    op.create_check_constraint(
        op.f("ck_gates_fault_known"),
        "gates",
        "fault IN ('breaker', 'gone', 'blocked', 'settings', 'upload', 'making')",
    )
    op.execute("ALTER TABLE run_chunks ALTER COLUMN data SET STORAGE EXTERNAL")  # packed already
    for table, fillfactor in STORAGE.items():
        op.execute(f"ALTER TABLE {table} SET (fillfactor = {fillfactor})")
    for statement in IMMUTABLE:
        op.execute(statement)


def downgrade() -> None:
    op.execute("UPDATE gates SET fault = NULL, fault_since = NULL WHERE fault IN ('upload', 'making')")
    op.drop_constraint("ck_gates_fault_known", "gates")
    op.create_check_constraint(
        op.f("ck_gates_fault_known"), "gates", "fault IN ('breaker', 'gone', 'blocked', 'settings')"
    )
    op.drop_column("profiles", "planned_until")

    op.drop_index("ix_upload_tries_upload_id", table_name="upload_tries")

    op.drop_table("upload_tries")
    op.drop_index("uq_uploads_destination", table_name="uploads")
    op.drop_index("ix_uploads_run_id", table_name="uploads")
    op.drop_index("ix_uploads_profile_id", table_name="uploads")
    op.drop_index("ix_uploads_due", table_name="uploads")

    op.drop_table("uploads")
    op.drop_table("run_chunks")
    op.drop_index("ix_file_items_waiting", table_name="file_items")
    op.drop_index("ix_file_items_run_id", table_name="file_items")

    op.drop_table("file_items")
    op.drop_index("ix_runs_profile_id", table_name="runs")
    op.drop_index("ix_runs_open", table_name="runs")
    op.drop_index("ix_runs_file_name", table_name="runs")

    op.drop_table("runs")
    op.execute("DROP FUNCTION refuse_change_of_written_run")
    op.execute("DROP FUNCTION refuse_change_of_chunk")
