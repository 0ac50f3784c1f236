"""What Alembic runs: upgrade within one transaction, on the connection that `migrations.run` hands over."""

from alembic import context
from sqlalchemy import Connection

from models.tables import metadata


def migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


migrate(context.config.attributes["connection"])
