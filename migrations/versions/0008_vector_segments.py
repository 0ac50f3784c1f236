"""Turns' vectors in a table of their own, and graphs over stretches of vectors that are built in the background.

The graphs of earlier versions, one for each model version and kind of vector, are dropped; new ones are built where
enough vectors are stored. Until then a search compares every vector.
"""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import VECTOR

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

GRAPHS = """
    DO $$
    DECLARE graph text;
    BEGIN
        FOR graph IN SELECT indexname FROM pg_indexes WHERE schemaname = current_schema() AND indexname ~ '{names}' LOOP
            EXECUTE format('DROP INDEX %I', graph);
        END LOOP;
    END $$
"""


def upgrade() -> None:
    op.execute(sa.text(GRAPHS.format(names=r"^(embedding_(document|turn)_v|profile_s)\d+$")))
    op.create_table(
        "turn_embedding",
        sa.Column("measurement_id", sa.BigInteger(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("version_key", sa.BigInteger(), nullable=False),
        sa.Column("embedding", VECTOR(), nullable=True),
        sa.Column("wide", sa.ARRAY(sa.REAL()), nullable=True),
        sa.CheckConstraint("num_nonnulls(embedding, wide) = 1", name=op.f("turn_embedding_one_vector_check")),
    )
    op.execute(
        sa.text(
            "INSERT INTO turn_embedding SELECT measurement_id, turn, tenant_id, version_key, embedding, wide "
            "FROM embedding WHERE turn IS NOT NULL ORDER BY measurement_id, turn"
        )
    )
    op.execute(sa.text("DELETE FROM embedding WHERE turn IS NOT NULL"))
    op.create_primary_key(op.f("turn_embedding_pkey"), "turn_embedding", ["measurement_id", "turn"])
    _foreign_keys("turn_embedding")
    op.drop_column("embedding", "turn")
    op.drop_column("embedding", "id")
    op.create_primary_key(op.f("embedding_pkey"), "embedding", ["measurement_id"])
    for table, key in (("embedding", "version_key"), ("profile", "scale_key")):
        op.create_index(op.f(f"{table}_tenant_id_{key}_measurement_id"), table, ["tenant_id", key, "measurement_id"])
    op.drop_index("profile_tenant_id_scale_key", table_name="profile")
    op.create_table(
        "vector_index",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("space", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.Column("dimension", sa.Integer(), nullable=False),
        sa.Column("wanted", sa.Boolean(), nullable=False),
        sa.Column("waiting", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("counted_to", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("vector_index_pkey")),
        sa.UniqueConstraint("space", "scope", "key", name=op.f("vector_index_space_scope_key_key")),
    )
    op.create_table(
        "vector_segment",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("index_id", sa.BigInteger(), nullable=False),
        sa.Column("low", sa.BigInteger(), nullable=False),
        sa.Column("high", sa.BigInteger(), nullable=False),
        sa.Column("vectors", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('building', 'ready', 'replaced')", name=op.f("vector_segment_state")),
        sa.ForeignKeyConstraint(
            ["index_id"], ["vector_index.id"], name=op.f("vector_segment_index_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("vector_segment_pkey")),
    )
    op.create_index(op.f("vector_segment_index_id_low"), "vector_segment", ["index_id", "low"])
    _know_what_is_stored()


def _foreign_keys(table: str) -> None:
    for column, target, gone in (
        ("measurement_id", "measurement.id", "CASCADE"),
        ("tenant_id", "tenant.id", "CASCADE"),
        ("version_key", "model_version.key", None),
    ):
        other, key = target.split(".")
        op.create_foreign_key(op.f(f"{table}_{column}_fkey"), table, other, [column], [key], ondelete=gone)


def _know_what_is_stored() -> None:
    """The vectors of every model version and scale, so that graphs are built of them again."""
    columns = "INSERT INTO vector_index (space, scope, key, dimension, wanted) "
    for scope, wanted in (("document", True), ("turn", False)):
        op.execute(sa.text(f"{columns} SELECT 'embedding', '{scope}', key, dimension, {wanted} FROM model_version"))
    op.execute(
        sa.text(
            f"{columns} SELECT DISTINCT ON (scale_key) 'profile', 'document', scale_key, vector_dims(profile), true "
            "FROM profile"
        )
    )


def downgrade() -> None:
    op.execute(sa.text(GRAPHS.format(names=r"^vector_segment_\d+$")))
    op.drop_table("vector_segment")
    op.drop_table("vector_index")
    op.create_index(op.f("profile_tenant_id_scale_key"), "profile", ["tenant_id", "scale_key"])
    op.drop_index("profile_tenant_id_scale_key_measurement_id", table_name="profile")
    op.drop_index("embedding_tenant_id_version_key_measurement_id", table_name="embedding")
    op.drop_constraint(op.f("embedding_pkey"), "embedding")
    op.add_column("embedding", sa.Column("turn", sa.Integer(), nullable=True))
    op.execute(
        sa.text(
            "INSERT INTO embedding (measurement_id, turn, tenant_id, version_key, embedding, wide) "
            "SELECT measurement_id, turn, tenant_id, version_key, embedding, wide FROM turn_embedding"
        )
    )
    op.add_column("embedding", sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False))
    op.create_primary_key(op.f("embedding_pkey"), "embedding", ["id"])
    op.create_unique_constraint(
        op.f("embedding_measurement_id_turn_key"),
        "embedding",
        ["measurement_id", "turn"],
        postgresql_nulls_not_distinct=True,
    )
    for scope, there in (("document", "IS NULL"), ("turn", "IS NOT NULL")):
        op.create_index(
            f"embedding_{scope}",
            "embedding",
            ["tenant_id", "version_key"],
            postgresql_where=sa.text(f"turn {there}"),
        )
    op.drop_table("turn_embedding")
