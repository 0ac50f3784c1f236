"""Browsers that signed in with a key."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sign_in",
        sa.Column("secret_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_key.id"], name=op.f("sign_in_key_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("secret_sha256", name=op.f("sign_in_pkey")),
    )
    op.create_index(op.f("sign_in_key_id"), "sign_in", ["key_id"])
    op.create_index(op.f("sign_in_expires_at"), "sign_in", ["expires_at"])


def downgrade() -> None:
    op.drop_table("sign_in")
