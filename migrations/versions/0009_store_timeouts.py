"""How often storing a document by itself took too long, and when it last did."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("work_item", sa.Column("timeouts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("work_item", sa.Column("timed_out_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("work_item", "timed_out_at")
    op.drop_column("work_item", "timeouts")
