"""Create the schema, with row-level security forced from the start. Runs before the deploy.

Revision: 0001
Follows: nothing
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.row_level_security import open_to_system, role, secure

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "configuration_revision",
        sa.Column("singleton", sa.Boolean(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("singleton", name=op.f("pk_configuration_revision")),
    )
    op.create_table(
        "dispatch_turns",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("lane", sa.String(), nullable=False),
        sa.Column("virtual_time", sa.DOUBLE_PRECISION(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "lane", name=op.f("pk_dispatch_turns")),
    )
    op.create_table(
        "model_calls",
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("step_id", sa.Uuid(), nullable=False),
        sa.Column("fencing", sa.BigInteger(), nullable=False),
        sa.Column("hop", sa.Integer(), nullable=False),
        sa.Column("pool_revision_id", sa.Uuid(), nullable=False),
        sa.Column("pool_member_id", sa.Uuid(), nullable=False),
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("price_revision_id", sa.Uuid(), nullable=True),
        sa.Column("provider_name", sa.String(), nullable=False),
        sa.Column("request_model", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("input_tokens", sa.Integer(), nullable=False),
        sa.Column("cached_input_tokens", sa.Integer(), nullable=False),
        sa.Column("output_tokens", sa.Integer(), nullable=False),
        sa.Column("reasoning_tokens", sa.Integer(), nullable=False),
        sa.Column("reserved_micros", sa.BigInteger(), nullable=False),
        sa.Column("cost_micros", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_model_calls")),
    )
    op.create_index(
        "ix_model_calls_pending",
        "model_calls",
        ["started_at"],
        unique=False,
        postgresql_where="outcome = 'pending'",
    )
    op.create_index(
        op.f("ix_model_calls_tenant_id_job_id"), "model_calls", ["tenant_id", "job_id"], unique=False
    )
    op.create_table(
        "model_pools",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("task_type", sa.String(), nullable=False),
        sa.Column("published_revision_id", sa.Uuid(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_model_pools")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_model_pools_tenant_id_name")),
    )
    op.create_table(
        "prompt_sets",
        sa.Column("task_type", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("prompts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_prompt_sets")),
        sa.UniqueConstraint(
            "tenant_id",
            "task_type",
            "name",
            "revision",
            name=op.f("uq_prompt_sets_tenant_id_task_type_name_revision"),
        ),
    )
    op.create_table(
        "providers",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("vendor", sa.String(), nullable=False),
        sa.Column("base_url", sa.String(), nullable=True),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("processor", sa.String(), nullable=False),
        sa.Column("no_training", sa.Boolean(), nullable=False),
        sa.Column("zero_retention", sa.Boolean(), nullable=False),
        sa.Column("contract_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_providers")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_providers_tenant_id_name")),
    )
    op.create_table(
        "tenants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("entra_tenant_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("allow_guests", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
        sa.UniqueConstraint("entra_tenant_id", name=op.f("uq_tenants_entra_tenant_id")),
    )
    op.create_table(
        "worker_heartbeats",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("schema_version", sa.SmallInteger(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker_heartbeats")),
    )
    op.create_table(
        "budgets",
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("limit_micros", sa.BigInteger(), nullable=False),
        sa.Column("reserved_micros", sa.BigInteger(), nullable=False),
        sa.Column("spent_micros", sa.BigInteger(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "reserved_micros >= 0 AND spent_micros >= 0", name=op.f("ck_budgets_not_negative")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_budgets_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_budgets")),
        sa.UniqueConstraint(
            "tenant_id", "scope", "period_start", name=op.f("uq_budgets_tenant_id_scope_period_start")
        ),
    )
    op.create_table(
        "deployments",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("provider_tenant_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("model_name", sa.String(), nullable=False),
        sa.Column("model_class", sa.String(), nullable=False),
        sa.Column("capabilities", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("languages", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("context_window", sa.Integer(), nullable=False),
        sa.Column("max_output_tokens", sa.Integer(), nullable=False),
        sa.Column("requests_per_minute", sa.Integer(), nullable=True),
        sa.Column("tokens_per_minute", sa.Integer(), nullable=True),
        sa.Column("concurrency", sa.Integer(), nullable=True),
        sa.Column("lifecycle", sa.String(), nullable=False),
        sa.Column("deprecated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("successor_id", sa.Uuid(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "provider_tenant_id IN (tenant_id, '00000000-0000-7000-8000-000000000001')",
            name=op.f("ck_deployments_provider_tenant"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_tenant_id", "provider_id"],
            ["providers.tenant_id", "providers.id"],
            name=op.f("fk_deployments_provider_tenant_id_provider_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_deployments")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_deployments_tenant_id_name")),
    )
    op.create_table(
        "members",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("entra_object_id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_members_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_members")),
        sa.UniqueConstraint(
            "tenant_id", "entra_object_id", name=op.f("uq_members_tenant_id_entra_object_id")
        ),
    )
    op.create_table(
        "pool_revisions",
        sa.Column("pool_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("strategy", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "pool_id"],
            ["model_pools.tenant_id", "model_pools.id"],
            name=op.f("fk_pool_revisions_tenant_id_pool_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_pool_revisions")),
        sa.UniqueConstraint(
            "tenant_id", "pool_id", "number", name=op.f("uq_pool_revisions_tenant_id_pool_id_number")
        ),
    )
    op.create_table(
        "provider_credentials",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.String(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("last4", sa.String(), nullable=True),
        sa.CheckConstraint(
            "(reference IS NULL) <> (sealed IS NULL)", name=op.f("ck_provider_credentials_one_form")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "provider_id"],
            ["providers.tenant_id", "providers.id"],
            name=op.f("fk_provider_credentials_tenant_id_provider_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "provider_id", name=op.f("pk_provider_credentials")),
    )
    op.create_table(
        "routes",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("task_type", sa.String(), nullable=False),
        sa.Column("conditions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("pool_tenant_id", sa.Uuid(), nullable=False),
        sa.Column("pool_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "pool_tenant_id IN (tenant_id, '00000000-0000-7000-8000-000000000001')",
            name=op.f("ck_routes_pool_tenant"),
        ),
        sa.ForeignKeyConstraint(
            ["pool_tenant_id", "pool_id"],
            ["model_pools.tenant_id", "model_pools.id"],
            name=op.f("fk_routes_pool_tenant_id_pool_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_routes")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_routes_tenant_id_name")),
    )
    op.create_table(
        "tenant_keys",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("wrapping_key", sa.String(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_tenant_keys_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "version", name=op.f("pk_tenant_keys")),
    )
    op.create_table(
        "tenant_policies",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("max_steps_in_flight", sa.Integer(), nullable=False),
        sa.Column("max_jobs_queued", sa.Integer(), nullable=False),
        sa.Column("allowed_regions", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("allowed_processors", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("allowed_vendors", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("allowed_model_classes", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("require_no_training", sa.Boolean(), nullable=False),
        sa.Column("require_zero_retention", sa.Boolean(), nullable=False),
        sa.Column("retention_days", sa.Integer(), nullable=False),
        sa.Column("reuse_across_members", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_tenant_policies_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_tenant_policies")),
    )
    op.create_table(
        "documents",
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("sealed_name", sa.LargeBinary(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.Column("estimated_tokens", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("notes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "member_id"],
            ["members.tenant_id", "members.id"],
            name=op.f("fk_documents_tenant_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_documents")),
    )
    op.create_table(
        "jobs",
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("task_type", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("lane", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("waiting_reason", sa.String(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sealed_parameters", sa.LargeBinary(), nullable=False),
        sa.Column("pool_tenant_id", sa.Uuid(), nullable=False),
        sa.Column("pool_revision_id", sa.Uuid(), nullable=False),
        sa.Column("route_reason", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("estimated_tokens", sa.Integer(), nullable=False),
        sa.Column("on_dead", sa.String(), nullable=False),
        sa.Column("decision", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("sealed_result", sa.LargeBinary(), nullable=True),
        sa.Column("error", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("phase", sa.String(), nullable=True),
        sa.Column("steps_total", sa.Integer(), nullable=False),
        sa.Column("steps_done", sa.Integer(), nullable=False),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "pool_tenant_id IN (tenant_id, '00000000-0000-7000-8000-000000000001')",
            name=op.f("ck_jobs_pool_tenant"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "member_id"],
            ["members.tenant_id", "members.id"],
            name=op.f("fk_jobs_tenant_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_jobs")),
    )
    op.create_index(
        "ix_jobs_open",
        "jobs",
        ["tenant_id"],
        unique=False,
        postgresql_where="state IN ('queued', 'running', 'waiting')",
    )
    op.create_index(
        op.f("ix_jobs_tenant_id_member_id_id"), "jobs", ["tenant_id", "member_id", "id"], unique=False
    )
    op.create_table(
        "pool_members",
        sa.Column("revision_id", sa.Uuid(), nullable=False),
        sa.Column("deployment_tenant_id", sa.Uuid(), nullable=False),
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("prompt_set_tenant_id", sa.Uuid(), nullable=False),
        sa.Column("prompt_set_id", sa.Uuid(), nullable=False),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("tier", sa.Integer(), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "deployment_tenant_id IN (tenant_id, '00000000-0000-7000-8000-000000000001')",
            name=op.f("ck_pool_members_deployment_tenant"),
        ),
        sa.CheckConstraint(
            "prompt_set_tenant_id IN (tenant_id, '00000000-0000-7000-8000-000000000001')",
            name=op.f("ck_pool_members_prompt_set_tenant"),
        ),
        sa.ForeignKeyConstraint(
            ["deployment_tenant_id", "deployment_id"],
            ["deployments.tenant_id", "deployments.id"],
            name=op.f("fk_pool_members_deployment_tenant_id_deployment_id"),
        ),
        sa.ForeignKeyConstraint(
            ["prompt_set_tenant_id", "prompt_set_id"],
            ["prompt_sets.tenant_id", "prompt_sets.id"],
            name=op.f("fk_pool_members_prompt_set_tenant_id_prompt_set_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "revision_id"],
            ["pool_revisions.tenant_id", "pool_revisions.id"],
            name=op.f("fk_pool_members_tenant_id_revision_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_pool_members")),
    )
    op.create_table(
        "price_revisions",
        sa.Column("deployment_tenant_id", sa.Uuid(), nullable=False),
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("input_micros", sa.Integer(), nullable=False),
        sa.Column("cached_input_micros", sa.Integer(), nullable=False),
        sa.Column("output_micros", sa.Integer(), nullable=False),
        sa.Column("reasoning_micros", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "deployment_tenant_id IN (tenant_id, '00000000-0000-7000-8000-000000000001')",
            name=op.f("ck_price_revisions_deployment_tenant"),
        ),
        sa.ForeignKeyConstraint(
            ["deployment_tenant_id", "deployment_id"],
            ["deployments.tenant_id", "deployments.id"],
            name=op.f("fk_price_revisions_deployment_tenant_id_deployment_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_price_revisions")),
    )
    op.create_table(
        "document_parts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "document_id"],
            ["documents.tenant_id", "documents.id"],
            name=op.f("fk_document_parts_tenant_id_document_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "document_id", "number", name=op.f("pk_document_parts")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "job_id"],
            ["jobs.tenant_id", "jobs.id"],
            name=op.f("fk_idempotency_keys_tenant_id_job_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "member_id"],
            ["members.tenant_id", "members.id"],
            name=op.f("fk_idempotency_keys_tenant_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "member_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_table(
        "job_inputs",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "document_id"],
            ["documents.tenant_id", "documents.id"],
            name=op.f("fk_job_inputs_tenant_id_document_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "job_id"],
            ["jobs.tenant_id", "jobs.id"],
            name=op.f("fk_job_inputs_tenant_id_job_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "job_id", "ordinal", name=op.f("pk_job_inputs")),
    )
    op.create_table(
        "job_steps",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("task_type", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("lane", sa.String(), nullable=False),
        sa.Column("schema_version", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("sealed_input", sa.LargeBinary(), nullable=True),
        sa.Column("input_hash", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_output", sa.LargeBinary(), nullable=True),
        sa.Column("answered_by", sa.Uuid(), nullable=True),
        sa.Column("estimated_tokens", sa.Integer(), nullable=False),
        sa.Column("successor_step_id", sa.Uuid(), nullable=True),
        sa.Column("remaining", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("run_after", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("fencing", sa.BigInteger(), nullable=False),
        sa.Column("lease_owner", sa.Uuid(), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hinted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hint_count", sa.Integer(), nullable=False),
        sa.Column("reservation", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("error", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("error_chain", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "job_id"],
            ["jobs.tenant_id", "jobs.id"],
            name=op.f("fk_job_steps_tenant_id_job_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_job_steps")),
    )
    op.create_index(
        "ix_job_steps_leases",
        "job_steps",
        ["lease_expires_at"],
        unique=False,
        postgresql_where="state = 'running'",
    )
    op.create_index(
        "ix_job_steps_queued",
        "job_steps",
        ["lane", "tenant_id", "id"],
        unique=False,
        postgresql_where="state = 'queued'",
    )
    op.create_index(
        op.f("ix_job_steps_tenant_id_input_hash"),
        "job_steps",
        ["tenant_id", "input_hash"],
        unique=False,
        postgresql_where="state = 'done'",
    )
    op.create_index(op.f("ix_job_steps_tenant_id_job_id"), "job_steps", ["tenant_id", "job_id"], unique=False)
    _secure_tables()
    _watch_configuration()


def downgrade() -> None:
    op.drop_index(op.f("ix_job_steps_tenant_id_job_id"), table_name="job_steps")
    op.drop_index(
        op.f("ix_job_steps_tenant_id_input_hash"), table_name="job_steps", postgresql_where="state = 'done'"
    )
    op.drop_index("ix_job_steps_queued", table_name="job_steps", postgresql_where="state = 'queued'")
    op.drop_index("ix_job_steps_leases", table_name="job_steps", postgresql_where="state = 'running'")
    op.drop_table("job_steps")
    op.drop_table("job_inputs")
    op.drop_table("idempotency_keys")
    op.drop_table("document_parts")
    op.drop_table("price_revisions")
    op.drop_table("pool_members")
    op.drop_index(op.f("ix_jobs_tenant_id_member_id_id"), table_name="jobs")
    op.drop_index(
        "ix_jobs_open", table_name="jobs", postgresql_where="state IN ('queued', 'running', 'waiting')"
    )
    op.drop_table("jobs")
    op.drop_table("documents")
    op.drop_table("tenant_policies")
    op.drop_table("tenant_keys")
    op.drop_table("routes")
    op.drop_table("provider_credentials")
    op.drop_table("pool_revisions")
    op.drop_table("members")
    op.drop_table("deployments")
    op.drop_table("budgets")
    op.drop_table("worker_heartbeats")
    op.drop_table("tenants")
    op.drop_table("providers")
    op.drop_table("prompt_sets")
    op.drop_table("model_pools")
    op.drop_index(op.f("ix_model_calls_tenant_id_job_id"), table_name="model_calls")
    op.drop_index("ix_model_calls_pending", table_name="model_calls", postgresql_where="outcome = 'pending'")
    op.drop_table("model_calls")
    op.drop_table("dispatch_turns")
    op.drop_table("configuration_revision")
    op.execute("DROP FUNCTION raise_configuration_revision")


CONFIGURATION = (
    "providers",
    "deployments",
    "price_revisions",
    "prompt_sets",
    "model_pools",
    "pool_revisions",
    "pool_members",
    "routes",
)

JOB_COLUMNS = (
    "tenant_id",
    "id",
    "member_id",
    "task_type",
    "host",
    "lane",
    "state",
    "waiting_reason",
    "expires_at",
    "pool_tenant_id",
    "pool_revision_id",
    "route_reason",
    "language",
    "estimated_tokens",
    "on_dead",
    "decision",
    "error",
    "phase",
    "steps_total",
    "steps_done",
    "cancel_requested_at",
    "deadline_at",
    "created_at",
    "started_at",
    "finished_at",
)

STEP_COLUMNS = (
    "tenant_id",
    "id",
    "job_id",
    "member_id",
    "task_type",
    "kind",
    "ordinal",
    "lane",
    "schema_version",
    "state",
    "input_hash",
    "answered_by",
    "estimated_tokens",
    "successor_step_id",
    "remaining",
    "attempt",
    "run_after",
    "fencing",
    "lease_owner",
    "lease_expires_at",
    "deadline_at",
    "hinted_at",
    "hint_count",
    "reservation",
    "error",
    "error_chain",
    "created_at",
    "started_at",
    "finished_at",
)


def _secure_tables() -> None:
    for table in (
        "documents",
        "document_parts",
        "provider_credentials",
        "jobs",
        "job_inputs",
        "job_steps",
        "idempotency_keys",
        "dispatch_turns",
        "budgets",
    ):
        secure(table)
    secure("tenant_policies", app="SELECT")
    # A member is made at first sight and a data key on first use; roles, states and rotation are not the doors'.
    secure("members", app="SELECT, INSERT")
    secure("tenant_keys", app="SELECT, INSERT")
    open_to_system("members", read=("tenant_id", "id", "state"))
    secure("model_calls", app="SELECT, INSERT, UPDATE")
    for table in CONFIGURATION:
        secure(table, platform_readable=True)
        open_to_system(table)
    open_to_system("tenant_policies")
    open_to_system(
        "jobs",
        read=JOB_COLUMNS,
        update=(
            "state",
            "error",
            "phase",
            "steps_total",
            "steps_done",
            "started_at",
            "finished_at",
            "decision",
        ),
    )
    open_to_system(
        "job_steps",
        read=STEP_COLUMNS,
        update=(
            "state",
            "remaining",
            "attempt",
            "run_after",
            "fencing",
            "lease_owner",
            "lease_expires_at",
            "hinted_at",
            "hint_count",
            "reservation",
            "error",
            "error_chain",
            "finished_at",
        ),
    )
    open_to_system("dispatch_turns", update=("virtual_time",), also=("INSERT",))
    open_to_system(
        "model_calls",
        update=("outcome", "error_code", "input_tokens", "output_tokens", "cost_micros", "settled_at"),
    )
    open_to_system("budgets", update=("reserved_micros", "spent_micros"))
    # Not a tenant's: the tenants themselves, living processes, the configuration counter.
    op.execute(
        f"GRANT SELECT ON tenants, configuration_revision, alembic_version TO {role('app')}, {role('system')}"
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON worker_heartbeats TO {role('system')}")
    op.execute("INSERT INTO configuration_revision (singleton, number) VALUES (true, 0)")


def _watch_configuration() -> None:
    """Every change of configuration raises one counter and tells every process."""
    op.execute(
        """
        CREATE FUNCTION raise_configuration_revision() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
        BEGIN
            UPDATE public.configuration_revision SET number = number + 1;
            PERFORM pg_notify('switchboard_configuration', '');
            RETURN NULL;
        END $$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION raise_configuration_revision() FROM PUBLIC")
    for table in (*CONFIGURATION, "provider_credentials", "tenants", "tenant_policies"):
        op.execute(
            f"CREATE TRIGGER raise_configuration_revision AFTER INSERT OR UPDATE OR DELETE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION raise_configuration_revision()"
        )
