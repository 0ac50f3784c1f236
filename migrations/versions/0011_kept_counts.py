"""Counts of finished jobs and of data sets, kept beside them.

Data sets are counted here, which reads an index of their documents once; jobs that have finished before are counted at
each view as they were.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

COUNT = """
    UPDATE dataset SET documents = counted.documents, domains = counted.domains
    FROM (
        SELECT dataset_id, sum(number) AS documents,
            coalesce(jsonb_object_agg(domain, number) FILTER (WHERE domain IS NOT NULL), '{}') AS domains
        FROM (
            SELECT dataset_id, domain, count(*) AS number FROM document WHERE dataset_id IS NOT NULL GROUP BY 1, 2
        ) AS of_domain
        GROUP BY dataset_id
    ) AS counted
    WHERE counted.dataset_id = dataset.id
"""


def upgrade() -> None:
    op.add_column("job", sa.Column("counts", JSONB(none_as_null=True), nullable=True))
    op.add_column("dataset", sa.Column("documents", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("dataset", sa.Column("domains", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False))
    op.execute(sa.text(COUNT))


def downgrade() -> None:
    op.drop_column("dataset", "domains")
    op.drop_column("dataset", "documents")
    op.drop_column("job", "counts")
