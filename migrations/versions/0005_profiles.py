"""Attention profiles to search among, and the scales by which they are standardised."""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import VECTOR

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "profile_scale",
        sa.Column("key", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("version_key", sa.BigInteger(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("means", sa.ARRAY(sa.Double()), nullable=False),
        sa.Column("deviations", sa.ARRAY(sa.Double()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["version_key"], ["model_version.key"], name=op.f("profile_scale_version_key_fkey")),
        sa.PrimaryKeyConstraint("key", name=op.f("profile_scale_pkey")),
        sa.UniqueConstraint("version_key", "definition", name=op.f("profile_scale_version_key_definition_key")),
    )
    op.create_table(
        "profile",
        sa.Column("measurement_id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("scale_key", sa.BigInteger(), nullable=False),
        sa.Column("profile", VECTOR(), nullable=False),
        sa.ForeignKeyConstraint(
            ["measurement_id"], ["measurement.id"], name=op.f("profile_measurement_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["scale_key"], ["profile_scale.key"], name=op.f("profile_scale_key_fkey")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("profile_tenant_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("measurement_id", name=op.f("profile_pkey")),
    )
    op.create_index(op.f("profile_tenant_id_scale_key"), "profile", ["tenant_id", "scale_key"], unique=False)
    op.add_column("measurement", sa.Column("profiled", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_index(
        "measurement_unprofiled",
        "measurement",
        ["version_key", "id"],
        unique=False,
        postgresql_where=sa.text("NOT profiled"),
    )


def downgrade() -> None:
    op.drop_index("measurement_unprofiled", table_name="measurement")
    op.drop_column("measurement", "profiled")
    op.drop_table("profile")
    op.drop_table("profile_scale")
