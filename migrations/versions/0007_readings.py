"""What a transcript or data set was read as, beside what was read."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = ("document", "dataset")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("reading", JSONB(none_as_null=True), nullable=True))


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "reading")
