"""The first windows of documents, by layer."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "measurement_first_window",
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
        sa.ForeignKeyConstraint(
            ["measurement_id"],
            ["measurement.id"],
            name=op.f("measurement_first_window_measurement_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("measurement_id", "layer", name=op.f("measurement_first_window_pkey")),
    )


def downgrade() -> None:
    op.drop_table("measurement_first_window")
