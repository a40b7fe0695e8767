"""The first schema.

Revision ID: 0001
"""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Rows that change often get room in their page; vacuum comes early, or dead rows slow the claim.
STORAGE = {
    "customers": "fillfactor = 80",
    "orders": "fillfactor = 80",
    "deliveries": "fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 1",
    "gates": "fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0",
    "heartbeats": "fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0",
}


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("name", name=op.f("uq_api_keys_name")),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_keys_prefix")),
    )
    op.create_table(
        "attempts",
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        sa.Column("lease_token", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("method", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("request_headers", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("request_body", sa.Text(), nullable=True),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("response_headers", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("response_body", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("late", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("outcome IN ('delivered', 'failed', 'unknown')", name=op.f("ck_attempts_outcome_known")),
        postgresql_partition_by="RANGE (started_at)",
    )
    op.create_index("ix_attempts_delivery_id", "attempts", ["delivery_id", "started_at"], unique=False)

    op.create_table(
        "campaigns",
        sa.Column("campaign_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", name=op.f("pk_campaigns")),
    )
    op.create_table(
        "customers",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("phone_digits", sa.Text(), nullable=True),
        sa.Column("first_name", sa.Text(), nullable=True),
        sa.Column("last_name", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_customers")),
    )
    op.create_index(
        "ix_customers_email",
        "customers",
        [sa.literal_column("lower(email)"), sa.literal_column("last_seen_at DESC")],
        unique=False,
    )
    op.create_index(
        "ix_customers_phone", "customers", ["phone_digits", sa.literal_column("last_seen_at DESC")], unique=False
    )

    op.create_table(
        "heartbeats",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_heartbeats")),
    )
    op.create_table(
        "installation",
        sa.Column("id", sa.SmallInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_installation_only_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("arguments", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("after_id", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('backfill', 'replay')", name=op.f("ck_jobs_kind_known")),
        sa.CheckConstraint("state IN ('waiting', 'running', 'done', 'failed')", name=op.f("ck_jobs_state_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index(
        "ix_jobs_open", "jobs", ["id"], unique=False, postgresql_where=sa.text("state IN ('waiting', 'running')")
    )

    op.create_table(
        "products",
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("sku", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("product_id", name=op.f("pk_products")),
    )
    op.create_table(
        "profiles",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("export_type", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("paused", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("interval_minutes", sa.Integer(), server_default="15", nullable=False),
        sa.Column("delay_minutes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=True),
        sa.Column("skip_completed_partials", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("pci_reference", sa.Text(), nullable=True),
        sa.Column("pci_valid_until", sa.Date(), nullable=True),
        sa.Column("settings", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "char_length(name) BETWEEN 1 AND 100 AND name !~ '[/[:cntrl:]]'", name=op.f("ck_profiles_name_is_plain")
        ),
        sa.CheckConstraint("delay_minutes BETWEEN 0 AND 10080", name=op.f("ck_profiles_delay_in_range")),
        sa.CheckConstraint("interval_minutes BETWEEN 0 AND 10080", name=op.f("ck_profiles_interval_in_range")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_profiles")),
    )
    op.create_index(
        "uq_profiles_name",
        "profiles",
        [sa.literal_column("lower(name)")],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )

    op.create_table(
        "users",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("role", sa.Text(), server_default="viewer", nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("fs_uniquifier", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("role IN ('viewer', 'operator', 'editor', 'admin')", name=op.f("ck_users_role_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("fs_uniquifier", name=op.f("uq_users_fs_uniquifier")),
    )
    op.create_index("uq_users_email", "users", [sa.literal_column("lower(email)")], unique=True)

    op.create_table(
        "gates",
        sa.Column("profile_id", sa.BigInteger(), nullable=False),
        sa.Column("opens_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.Column("fault_message", sa.Text(), nullable=True),
        sa.Column("fault_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trips", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cap", sa.Integer(), nullable=True),
        sa.Column("clean", sa.Integer(), server_default="0", nullable=False),
        sa.Column("connection_failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("window_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("window_tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("window_failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("tokens", sa.Double(), server_default="0", nullable=False),
        sa.Column("tokens_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_claim", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("fault IN ('breaker', 'gone', 'blocked', 'settings')", name=op.f("ck_gates_fault_known")),
        sa.CheckConstraint("(fault IS NULL) = (fault_since IS NULL)", name=op.f("ck_gates_fault_has_since")),
        sa.ForeignKeyConstraint(
            ["profile_id"], ["profiles.id"], name=op.f("fk_gates_profile_id_profiles"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("profile_id", name=op.f("pk_gates")),
    )
    op.create_table(
        "mappings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("profile_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("export_name", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=True),
        sa.Column("static", sa.Text(), nullable=True),
        sa.Column("template", sa.Text(), nullable=True),
        sa.Column("sealed", sa.Text(), nullable=True),
        sa.Column("secret", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("modifiers", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("type", sa.Text(), nullable=True),
        sa.Column("when_empty", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "type IN ('text', 'number', 'integer', 'boolean', 'json')", name=op.f("ck_mappings_type_known")
        ),
        sa.CheckConstraint("when_empty IN ('omit', 'empty', 'null')", name=op.f("ck_mappings_when_empty_known")),
        sa.CheckConstraint("char_length(export_name) >= 1", name=op.f("ck_mappings_export_name_given")),
        sa.CheckConstraint("num_nonnulls(field, static, template, sealed) = 1", name=op.f("ck_mappings_one_source")),
        sa.CheckConstraint("sealed IS NULL OR secret", name=op.f("ck_mappings_sealed_is_secret")),
        sa.ForeignKeyConstraint(
            ["profile_id"], ["profiles.id"], name=op.f("fk_mappings_profile_id_profiles"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mappings")),
        sa.UniqueConstraint(
            "profile_id",
            "position",
            deferrable=True,
            initially="DEFERRED",
            name=op.f("uq_mappings_profile_id_position"),
        ),
    )
    op.create_table(
        "orders",
        sa.Column("order_key", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=True),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.Text(), nullable=True),
        sa.Column("order_status", sa.Text(), nullable=True),
        sa.Column("order_total", sa.Text(), nullable=True),
        sa.Column("currency_code", sa.Text(), nullable=True),
        sa.Column("test_card", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_event_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.campaign_id"], name=op.f("fk_orders_campaign_id_campaigns")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.customer_id"], name=op.f("fk_orders_customer_id_customers")
        ),
        sa.PrimaryKeyConstraint("order_key", name=op.f("pk_orders")),
    )
    op.create_index(
        "ix_orders_customer_id", "orders", ["customer_id", sa.literal_column("last_event_at DESC")], unique=False
    )

    op.create_table(
        "routes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("profile_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_type", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.Text(), nullable=True),
        sa.Column("product_id", sa.Text(), nullable=True),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.campaign_id"], name=op.f("fk_routes_campaign_id_campaigns")
        ),
        sa.ForeignKeyConstraint(["product_id"], ["products.product_id"], name=op.f("fk_routes_product_id_products")),
        sa.ForeignKeyConstraint(
            ["profile_id"], ["profiles.id"], name=op.f("fk_routes_profile_id_profiles"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_routes")),
    )
    op.create_index(
        "ix_routes_match",
        "routes",
        [
            "customer_type",
            sa.literal_column("coalesce(campaign_id, '')"),
            sa.literal_column("coalesce(product_id, '')"),
        ],
        unique=False,
        postgresql_where=sa.text("enabled"),
    )
    op.create_index(
        "uq_routes_identity",
        "routes",
        ["profile_id", "customer_type", "campaign_id", "product_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )

    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("event_key", sa.Text(), nullable=False),
        sa.Column("customer_type", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("routed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("order_key", sa.Text(), nullable=True),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("campaign_id", sa.Text(), nullable=True),
        sa.Column("product_ids", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("test_card", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("history_only", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.Column("order_snapshot", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint("jsonb_typeof(order_snapshot) = 'object'", name=op.f("ck_events_snapshot_is_object")),
        sa.CheckConstraint("char_length(event_key) BETWEEN 1 AND 200", name=op.f("ck_events_event_key_length")),
        sa.CheckConstraint(
            "routed_at IS NULL OR refusal IS NOT NULL OR customer_id IS NOT NULL",
            name=op.f("ck_events_routed_has_customer"),
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.campaign_id"], name=op.f("fk_events_campaign_id_campaigns")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.customer_id"], name=op.f("fk_events_customer_id_customers")
        ),
        sa.ForeignKeyConstraint(["order_key"], ["orders.order_key"], name=op.f("fk_events_order_key_orders")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sa.UniqueConstraint("event_key", name=op.f("uq_events_event_key")),
    )
    op.create_index("ix_events_customer_id", "events", ["customer_id", "id"], unique=False)
    op.create_index("ix_events_occurred_at", "events", ["occurred_at", "id"], unique=False)
    op.create_index("ix_events_order_key", "events", ["order_key", "id"], unique=False)
    op.create_index("ix_events_unrouted", "events", ["id"], unique=False, postgresql_where=sa.text("routed_at IS NULL"))

    op.create_table(
        "deliveries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("profile_id", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("losses", sa.Integer(), server_default="0", nullable=False),
        sa.Column("retried", sa.Boolean(), sa.Computed("failures > 0", persisted=True), nullable=False),
        sa.Column("forced", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("lease_token", sa.BigInteger(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("leased_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("leased_by", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(state = 'leased') = (lease_token IS NOT NULL) AND (state = 'leased') = (lease_until IS NOT NULL)",
            name=op.f("ck_deliveries_lease_complete"),
        ),
        sa.CheckConstraint(
            "(state IN ('delivered', 'skipped', 'cancelled')) = (finished_at IS NOT NULL)",
            name=op.f("ck_deliveries_finished_has_time"),
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'leased', 'held', 'delivered', 'skipped', 'cancelled')",
            name=op.f("ck_deliveries_state_known"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('held', 'skipped', 'cancelled') OR reason IS NOT NULL", name=op.f("ck_deliveries_has_reason")
        ),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_deliveries_event_id_events")),
        sa.ForeignKeyConstraint(["profile_id"], ["profiles.id"], name=op.f("fk_deliveries_profile_id_profiles")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["profile_id", "retried", "due_at", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "ix_deliveries_leased", "deliveries", ["profile_id"], unique=False, postgresql_where=sa.text("state = 'leased'")
    )
    op.create_index("uq_deliveries_event_id_profile_id", "deliveries", ["event_id", "profile_id"], unique=True)
    op.execute(sa.schema.CreateSequence(sa.Sequence("customer_numbers")))
    op.execute(sa.schema.CreateSequence(sa.Sequence("lease_tokens", cache=100)))
    # Catches what no daily partition takes; pump and tick make the days.
    op.execute("CREATE TABLE attempts_default PARTITION OF attempts DEFAULT")
    for table, storage in STORAGE.items():
        op.execute(f"ALTER TABLE {table} SET ({storage})")
    op.execute(sa.text("INSERT INTO installation (id, key) VALUES (1, :key)").bindparams(key=secrets.token_hex(4)))


def downgrade() -> None:
    for sequence in ("lease_tokens", "customer_numbers"):
        op.execute(f"DROP SEQUENCE {sequence}")
    for table in (
        "deliveries",
        "events",
        "routes",
        "orders",
        "mappings",
        "gates",
        "users",
        "profiles",
        "products",
        "jobs",
        "installation",
        "heartbeats",
        "customers",
        "campaigns",
        "attempts",
        "api_keys",
    ):
        op.drop_table(table)
