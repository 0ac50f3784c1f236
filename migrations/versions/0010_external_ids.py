"""An index of documents by the names that clients gave them."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "document_tenant_id_external_id",
        "document",
        ["tenant_id", "external_id"],
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("document_tenant_id_external_id", table_name="document")
