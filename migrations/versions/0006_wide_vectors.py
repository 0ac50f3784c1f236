"""Vectors of more numbers than pgvector's types hold, kept as arrays beside the others."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLES = ("embedding", "layer_embedding")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("wide", sa.ARRAY(sa.REAL()), nullable=True))
        op.alter_column(table, "embedding", nullable=True)
        op.create_check_constraint(op.f(f"{table}_one_vector_check"), table, "num_nonnulls(embedding, wide) = 1")


def downgrade() -> None:
    for table in TABLES:
        op.execute(sa.text(f"DELETE FROM {table} WHERE wide IS NOT NULL"))
        op.drop_constraint(op.f(f"{table}_one_vector_check"), table)
        op.alter_column(table, "embedding", nullable=False)
        op.drop_column(table, "wide")
