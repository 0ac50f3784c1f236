"""Embeddings of documents at every layer, for comparisons."""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import VECTOR

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "layer_embedding",
        sa.Column("measurement_id", sa.BigInteger(), nullable=False),
        sa.Column("layer", sa.SmallInteger(), nullable=False),
        sa.Column("embedding", VECTOR(), nullable=False),
        sa.ForeignKeyConstraint(
            ["measurement_id"],
            ["measurement.id"],
            name=op.f("layer_embedding_measurement_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("measurement_id", "layer", name=op.f("layer_embedding_pkey")),
    )


def downgrade() -> None:
    op.drop_table("layer_embedding")
