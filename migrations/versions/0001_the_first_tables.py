"""The first tables, the vector extension, the sequence of fencing tokens, and the tenant of open installations."""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import VECTOR
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS vector")
    op.execute("CREATE SEQUENCE lease_token")
    op.create_table(
        "model_version",
        sa.Column("key", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("weights_sha256", sa.Text(), nullable=False),
        sa.Column("dtype", sa.Text(), nullable=False),
        sa.Column("dimension", sa.Integer(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("model_version_pkey")),
        sa.UniqueConstraint(
            "model_id",
            "revision",
            "weights_sha256",
            "dtype",
            name=op.f("model_version_model_id_revision_weights_sha256_dtype_key"),
        ),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("outbox_pkey")),
    )
    op.create_table(
        "tenant",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("tenant_pkey")),
        sa.UniqueConstraint("name", name=op.f("tenant_name_key")),
    )
    op.create_table(
        "worker",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("models", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("summaries", sa.Boolean(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("worker_pkey")),
    )
    op.create_table(
        "api_key",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("secret_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("api_key_tenant_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("api_key_pkey")),
        sa.UniqueConstraint("secret_sha256", name=op.f("api_key_secret_sha256_key")),
    )
    op.create_table(
        "dataset",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column(
            "passed_over",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("dataset_tenant_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("dataset_pkey")),
    )
    op.create_index(op.f("dataset_tenant_id_created_at_id"), "dataset", ["tenant_id", "created_at", "id"], unique=False)
    op.create_table(
        "idempotency",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("idempotency_tenant_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "key", name=op.f("idempotency_pkey")),
    )
    op.create_index(op.f("idempotency_created_at"), "idempotency", ["created_at"], unique=False)
    op.create_table(
        "inquiry",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=True),
        sa.Column("request", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("lease_token", sa.BigInteger(), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worker_id", sa.Text(), nullable=True),
        sa.Column("response", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('embedding', 'tokens', 'attention', 'flow_heads', 'comparison_file')",
            name=op.f("inquiry_kind"),
        ),
        sa.CheckConstraint("state IN ('queued', 'running', 'done', 'failed')", name=op.f("inquiry_state")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("inquiry_tenant_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("inquiry_pkey")),
    )
    op.create_index(op.f("inquiry_expires_at"), "inquiry", ["expires_at"], unique=False)
    op.create_index(
        "inquiry_queued", "inquiry", ["model_id", "id"], unique=False, postgresql_where=sa.text("state = 'queued'")
    )
    op.create_table(
        "job",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("request", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_after", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('analysis', 'batch', 'comparison')", name=op.f("job_kind")),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'summarizing', 'succeeded', 'failed', 'cancelled')", name=op.f("job_state")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("job_tenant_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("job_pkey")),
    )
    op.create_index(
        op.f("job_cancel_after"),
        "job",
        ["cancel_after"],
        unique=False,
        postgresql_where=sa.text("cancel_after IS NOT NULL AND finished_at IS NULL"),
    )
    op.create_index("job_open", "job", ["id"], unique=False, postgresql_where=sa.text("finished_at IS NULL"))
    op.create_index(op.f("job_tenant_id_created_at_id"), "job", ["tenant_id", "created_at", "id"], unique=False)
    op.create_table(
        "measurement",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("work_key", sa.LargeBinary(), nullable=False),
        sa.Column("version_key", sa.BigInteger(), nullable=False),
        sa.Column("definitions", sa.Text(), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("turns", sa.Integer(), nullable=True),
        sa.Column("speakers", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("windows", sa.Integer(), nullable=False),
        sa.Column("truncated", sa.Boolean(), nullable=False),
        sa.Column("left_out_rows", sa.BigInteger(), nullable=False),
        sa.Column("distance", sa.Double(), nullable=True),
        sa.Column("distance_without_sink", sa.Double(), nullable=True),
        sa.Column("distance_spread", sa.Double(), nullable=True),
        sa.Column("entropy", sa.Double(), nullable=True),
        sa.Column("entropy_without_sink", sa.Double(), nullable=True),
        sa.Column("dispersion", sa.Double(), nullable=True),
        sa.Column("interdependency", sa.Double(), nullable=True),
        sa.Column("sink", sa.Double(), nullable=True),
        sa.Column("scaffold", sa.Double(), nullable=True),
        sa.Column("null_mass", sa.Double(), nullable=True),
        sa.Column("cross_turn", sa.Double(), nullable=True),
        sa.Column("cross_speaker", sa.Double(), nullable=True),
        sa.Column("own_history", sa.Double(), nullable=True),
        sa.Column("turn_distance", sa.Double(), nullable=True),
        sa.Column("cross_turn_lift", sa.Double(), nullable=True),
        sa.Column("cross_speaker_lift", sa.Double(), nullable=True),
        sa.Column("own_history_lift", sa.Double(), nullable=True),
        sa.Column("cross_turn_lift_local", sa.Double(), nullable=True),
        sa.Column("cross_speaker_lift_local", sa.Double(), nullable=True),
        sa.Column("own_history_lift_local", sa.Double(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("measurement_tenant_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["version_key"], ["model_version.key"], name=op.f("measurement_version_key_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("measurement_pkey")),
        sa.UniqueConstraint("tenant_id", "work_key", name=op.f("measurement_tenant_id_work_key_key")),
    )
    op.create_table(
        "model",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("version_key", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["version_key"], ["model_version.key"], name=op.f("model_version_key_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("model_pkey")),
    )
    op.create_table(
        "comparison",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("request", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("losses", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease_token", sa.BigInteger(), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worker_id", sa.Text(), nullable=True),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'queued', 'running', 'done', 'failed', 'cancelled')", name=op.f("comparison_state")
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("comparison_job_id_fkey"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("comparison_tenant_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("comparison_pkey")),
        sa.UniqueConstraint("job_id", name=op.f("comparison_job_id_key")),
    )
    op.create_index(
        "comparison_open",
        "comparison",
        ["state"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_index(
        op.f("comparison_tenant_id_created_at_id"), "comparison", ["tenant_id", "created_at", "id"], unique=False
    )
    op.create_table(
        "document",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("dataset_id", sa.Text(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("domain", sa.Text(), nullable=True),
        sa.Column(
            "labels", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("cluster", sa.Text(), nullable=True),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("content_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("characters", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["dataset.id"], name=op.f("document_dataset_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("document_tenant_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("document_pkey")),
    )
    op.create_index(
        op.f("document_dataset_id_domain_position"), "document", ["dataset_id", "domain", "position"], unique=False
    )
    op.create_index(
        op.f("document_dataset_id_position"),
        "document",
        ["dataset_id", "position"],
        unique=True,
        postgresql_where=sa.text("dataset_id IS NOT NULL"),
    )
    op.create_index(
        op.f("document_labels"),
        "document",
        ["labels"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"labels": "jsonb_path_ops"},
    )
    op.create_table(
        "embedding",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("measurement_id", sa.BigInteger(), nullable=False),
        sa.Column("version_key", sa.BigInteger(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=True),
        sa.Column("embedding", VECTOR(), nullable=False),
        sa.ForeignKeyConstraint(
            ["measurement_id"], ["measurement.id"], name=op.f("embedding_measurement_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("embedding_tenant_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["version_key"], ["model_version.key"], name=op.f("embedding_version_key_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("embedding_pkey")),
        sa.UniqueConstraint(
            "measurement_id", "turn", name=op.f("embedding_measurement_id_turn_key"), postgresql_nulls_not_distinct=True
        ),
    )
    op.create_index(
        "embedding_document",
        "embedding",
        ["tenant_id", "version_key"],
        unique=False,
        postgresql_where=sa.text("turn IS NULL"),
    )
    op.create_index(
        "embedding_turn",
        "embedding",
        ["tenant_id", "version_key"],
        unique=False,
        postgresql_where=sa.text("turn IS NOT NULL"),
    )
    op.create_table(
        "known_request",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("request_key", sa.LargeBinary(), nullable=False),
        sa.Column("version_key", sa.BigInteger(), nullable=False),
        sa.Column("measurement_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["measurement_id"], ["measurement.id"], name=op.f("known_request_measurement_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("known_request_tenant_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["version_key"], ["model_version.key"], name=op.f("known_request_version_key_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "request_key", "version_key", name=op.f("known_request_pkey")),
    )
    op.create_index(op.f("known_request_measurement_id"), "known_request", ["measurement_id"], unique=False)
    op.create_table(
        "measurement_layer",
        sa.Column("measurement_id", sa.BigInteger(), nullable=False),
        sa.Column("layer", sa.SmallInteger(), nullable=False),
        sa.Column("distance", sa.Double(), nullable=True),
        sa.Column("distance_without_sink", sa.Double(), nullable=True),
        sa.Column("distance_spread", sa.Double(), nullable=True),
        sa.Column("entropy", sa.Double(), nullable=True),
        sa.Column("entropy_without_sink", sa.Double(), nullable=True),
        sa.Column("dispersion", sa.Double(), nullable=True),
        sa.Column("interdependency", sa.Double(), nullable=True),
        sa.Column("sink", sa.Double(), nullable=True),
        sa.Column("scaffold", sa.Double(), nullable=True),
        sa.Column("null_mass", sa.Double(), nullable=True),
        sa.Column("cross_turn", sa.Double(), nullable=True),
        sa.Column("cross_speaker", sa.Double(), nullable=True),
        sa.Column("own_history", sa.Double(), nullable=True),
        sa.Column("turn_distance", sa.Double(), nullable=True),
        sa.Column("cross_turn_lift", sa.Double(), nullable=True),
        sa.Column("cross_speaker_lift", sa.Double(), nullable=True),
        sa.Column("own_history_lift", sa.Double(), nullable=True),
        sa.Column("cross_turn_lift_local", sa.Double(), nullable=True),
        sa.Column("cross_speaker_lift_local", sa.Double(), nullable=True),
        sa.Column("own_history_lift_local", sa.Double(), nullable=True),
        sa.Column("distance_heads", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("distance_without_sink_heads", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("distance_spread_heads", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("entropy_heads", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("entropy_without_sink_heads", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("dispersion_heads", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("interdependency_heads", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("sink_heads", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("scaffold_heads", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("null_mass_heads", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("cross_turn_heads", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("cross_speaker_heads", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("own_history_heads", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("turn_distance_heads", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("cross_turn_lift_heads", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("cross_speaker_lift_heads", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("own_history_lift_heads", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("cross_turn_lift_local_heads", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("cross_speaker_lift_local_heads", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("own_history_lift_local_heads", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("flow", sa.ARRAY(sa.REAL()), nullable=True),
        sa.ForeignKeyConstraint(
            ["measurement_id"],
            ["measurement.id"],
            name=op.f("measurement_layer_measurement_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("measurement_id", "layer", name=op.f("measurement_layer_pkey")),
    )
    op.create_table(
        "measurement_turn",
        sa.Column("measurement_id", sa.BigInteger(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("speaker", sa.Integer(), nullable=True),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("distance", sa.Double(), nullable=True),
        sa.Column("distance_without_sink", sa.Double(), nullable=True),
        sa.Column("distance_spread", sa.Double(), nullable=True),
        sa.Column("entropy", sa.Double(), nullable=True),
        sa.Column("entropy_without_sink", sa.Double(), nullable=True),
        sa.Column("dispersion", sa.Double(), nullable=True),
        sa.Column("interdependency", sa.Double(), nullable=True),
        sa.Column("sink", sa.Double(), nullable=True),
        sa.Column("scaffold", sa.Double(), nullable=True),
        sa.Column("null_mass", sa.Double(), nullable=True),
        sa.Column("cross_turn", sa.Double(), nullable=True),
        sa.Column("cross_speaker", sa.Double(), nullable=True),
        sa.Column("own_history", sa.Double(), nullable=True),
        sa.Column("turn_distance", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["measurement_id"],
            ["measurement.id"],
            name=op.f("measurement_turn_measurement_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("measurement_id", "turn", name=op.f("measurement_turn_pkey")),
    )
    op.create_table(
        "comparison_file",
        sa.Column("comparison_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["comparison_id"], ["comparison.id"], name=op.f("comparison_file_comparison_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("comparison_id", "name", name=op.f("comparison_file_pkey")),
    )
    op.create_table(
        "work_item",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=True),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("group_position", sa.SmallInteger(), nullable=True),
        sa.Column("options", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("request_key", sa.LargeBinary(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("estimated_tokens", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("alone", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("losses", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease_token", sa.BigInteger(), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worker_id", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("queued_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name=op.f("work_item_state")
        ),
        sa.ForeignKeyConstraint(
            ["document_id"], ["document.id"], name=op.f("work_item_document_id_fkey"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("work_item_job_id_fkey"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("work_item_tenant_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("work_item_pkey")),
    )
    op.create_index(op.f("work_item_document_id"), "work_item", ["document_id"], unique=False)
    op.create_index(
        "work_item_head",
        "work_item",
        ["model_id", sa.literal_column("priority DESC"), "id"],
        unique=False,
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "work_item_held", "work_item", ["lease_token"], unique=False, postgresql_where=sa.text("state = 'running'")
    )
    op.create_index(op.f("work_item_job_id_state"), "work_item", ["job_id", "state"], unique=False)
    op.create_index(
        "work_item_leases", "work_item", ["leased_until"], unique=False, postgresql_where=sa.text("state = 'running'")
    )
    op.create_index(
        "work_item_like_length",
        "work_item",
        ["model_id", "priority", "estimated_tokens", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "work_item_waiting", "work_item", ["tenant_id"], unique=False, postgresql_where=sa.text("state = 'queued'")
    )
    op.create_table(
        "analysis",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("work_item_id", sa.BigInteger(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("measurement_id", sa.BigInteger(), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("cached", sa.Boolean(), nullable=False),
        sa.Column("timing", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id"], ["document.id"], name=op.f("analysis_document_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("analysis_job_id_fkey"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["measurement_id"], ["measurement.id"], name=op.f("analysis_measurement_id_fkey")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("analysis_tenant_id_fkey"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["work_item_id"], ["work_item.id"], name=op.f("analysis_work_item_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("analysis_pkey")),
        sa.UniqueConstraint("work_item_id", name=op.f("analysis_work_item_id_key")),
    )
    op.create_index(op.f("analysis_document_id"), "analysis", ["document_id"], unique=False)
    op.create_index(op.f("analysis_job_id_created_at_id"), "analysis", ["job_id", "created_at", "id"], unique=False)
    op.create_index(
        "analysis_listed",
        "analysis",
        ["tenant_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("listed"),
    )
    op.create_index(op.f("analysis_measurement_id"), "analysis", ["measurement_id"], unique=False)
    op.execute("INSERT INTO tenant (id, name) VALUES ('local', 'local')")


def downgrade() -> None:
    op.drop_index(op.f("analysis_measurement_id"), table_name="analysis")
    op.drop_index("analysis_listed", table_name="analysis", postgresql_where=sa.text("listed"))
    op.drop_index(op.f("analysis_job_id_created_at_id"), table_name="analysis")
    op.drop_index(op.f("analysis_document_id"), table_name="analysis")
    op.drop_table("analysis")
    op.drop_index("work_item_waiting", table_name="work_item", postgresql_where=sa.text("state = 'queued'"))
    op.drop_index("work_item_like_length", table_name="work_item", postgresql_where=sa.text("state = 'queued'"))
    op.drop_index("work_item_leases", table_name="work_item", postgresql_where=sa.text("state = 'running'"))
    op.drop_index(op.f("work_item_job_id_state"), table_name="work_item")
    op.drop_index("work_item_held", table_name="work_item", postgresql_where=sa.text("state = 'running'"))
    op.drop_index("work_item_head", table_name="work_item", postgresql_where=sa.text("state = 'queued'"))
    op.drop_index(op.f("work_item_document_id"), table_name="work_item")
    op.drop_table("work_item")
    op.drop_table("comparison_file")
    op.drop_table("measurement_turn")
    op.drop_table("measurement_layer")
    op.drop_index(op.f("known_request_measurement_id"), table_name="known_request")
    op.drop_table("known_request")
    op.drop_index("embedding_turn", table_name="embedding", postgresql_where=sa.text("turn IS NOT NULL"))
    op.drop_index("embedding_document", table_name="embedding", postgresql_where=sa.text("turn IS NULL"))
    op.drop_table("embedding")
    op.drop_index(
        op.f("document_labels"),
        table_name="document",
        postgresql_using="gin",
        postgresql_ops={"labels": "jsonb_path_ops"},
    )
    op.drop_index(
        op.f("document_dataset_id_position"), table_name="document", postgresql_where=sa.text("dataset_id IS NOT NULL")
    )
    op.drop_index(op.f("document_dataset_id_domain_position"), table_name="document")
    op.drop_table("document")
    op.drop_index(op.f("comparison_tenant_id_created_at_id"), table_name="comparison")
    op.drop_index(
        "comparison_open", table_name="comparison", postgresql_where=sa.text("state IN ('queued', 'running')")
    )
    op.drop_table("comparison")
    op.drop_table("model")
    op.drop_table("measurement")
    op.drop_index(op.f("job_tenant_id_created_at_id"), table_name="job")
    op.drop_index("job_open", table_name="job", postgresql_where=sa.text("finished_at IS NULL"))
    op.drop_index(
        op.f("job_cancel_after"),
        table_name="job",
        postgresql_where=sa.text("cancel_after IS NOT NULL AND finished_at IS NULL"),
    )
    op.drop_table("job")
    op.drop_index("inquiry_queued", table_name="inquiry", postgresql_where=sa.text("state = 'queued'"))
    op.drop_index(op.f("inquiry_expires_at"), table_name="inquiry")
    op.drop_table("inquiry")
    op.drop_index(op.f("idempotency_created_at"), table_name="idempotency")
    op.drop_table("idempotency")
    op.drop_index(op.f("dataset_tenant_id_created_at_id"), table_name="dataset")
    op.drop_table("dataset")
    op.drop_table("api_key")
    op.drop_table("worker")
    op.drop_table("tenant")
    op.drop_table("outbox")
    op.drop_table("model_version")
    op.execute("DROP SEQUENCE lease_token")
