"""Migrations make exactly the tables that the code believes in."""

import pytest
from alembic import command
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from migrations.run import DatabaseIsNewerError, alembic_config, upgrade


def test_migrations_make_the_tables_the_code_describes_and_can_be_undone(database_url: str) -> None:
    with create_engine(database_url, poolclass=NullPool).begin() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.check(config)  # raises where tables and migrations differ
        command.downgrade(config, "base")
        left = connection.scalars(
            text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1")
        ).all()
        assert left == ["alembic_version"]
        command.upgrade(config, "head")
        command.check(config)


def test_a_second_upgrade_changes_nothing(database_url: str) -> None:
    upgrade(database_url)
    upgrade(database_url)


def test_a_database_of_a_newer_version_is_refused_by_name(database_url: str) -> None:
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseIsNewerError, match="revision 9999"):
        upgrade(database_url)
