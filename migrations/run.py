"""Bring a database up to this version of the code, or say why it cannot be done."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from models.session_limits import migration_arguments
from models.tables import metadata

LOCK = 0x6865_6172_6B65_6E  # "hearken": two starts at once migrate one after the other


class DatabaseIsNewerError(Exception):
    """The database was migrated by a newer version of Hearken; install that version, or use another database."""


def alembic_config() -> Config:
    """Where the migrations stand and the tables they lead to, for Alembic's own commands."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["metadata"] = metadata
    return config


def current_revision(connection: Connection) -> str | None:
    """The revision the database is at, or None where it is empty."""
    return MigrationContext.configure(connection).get_current_revision()


def upgrade(database_url: str) -> None:
    """Run every migration the database lacks, in one transaction, under an advisory lock.

    Raises `DatabaseIsNewerError` when the database knows a migration that this code does not.
    """
    config = alembic_config()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    engine = create_engine(database_url, poolclass=NullPool, connect_args=migration_arguments(database_url))
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        current = current_revision(connection)
        if current is not None and current not in known:
            raise DatabaseIsNewerError(
                f"the database is at revision {current}, which this version of Hearken does not know; "
                "install the newer version that made it, or use another database or data folder"
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
