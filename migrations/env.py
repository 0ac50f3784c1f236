"""What Alembic runs: upgrade within one transaction, on the connection and tables that `migrations.run` hands over."""

from alembic import context
from sqlalchemy import Connection


def migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=context.config.attributes["metadata"], compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


migrate(context.config.attributes["connection"])
