"""Migrations make exactly the tables that the code believes in."""

import re
from enum import StrEnum
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import NullPool

from migrations.run import DatabaseIsNewerError, alembic_config, upgrade
from models.states import InquiryState, ItemState, JobState, SummaryState


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


@pytest.mark.parametrize(
    ("table", "states"),
    [("job", JobState), ("work_item", ItemState), ("comparison", SummaryState), ("inquiry", InquiryState)],
)
def test_the_database_allows_exactly_the_states_the_code_knows(
    database_url: str, table: str, states: type[StrEnum]
) -> None:
    query = text("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = :name")
    with create_engine(database_url, poolclass=NullPool).connect() as connection:
        constraint = connection.execute(query, {"name": f"{table}_state"}).scalar_one()
    assert sorted(re.findall(r"'(\w+)'", constraint)) == sorted(states)


def test_first_windows_come_to_a_database_that_has_measurements_and_go_with_theirs(empty_database_url: str) -> None:
    with create_engine(empty_database_url, poolclass=NullPool).begin() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            text(
                "WITH made AS (INSERT INTO model_version (model_id, revision, weights_sha256, dtype, dimension, facts) "
                "VALUES ('m', 'r', 'w', 'float32', 8, '{}') RETURNING key) "
                "INSERT INTO measurement (tenant_id, work_key, version_key, definitions, tokens, speakers, windows, "
                "truncated, left_out_rows, distance) "
                "SELECT 'local', number::text::bytea, key, 'd', 9, '{}', 1, false, 0, 2.5 "
                "FROM made, generate_series(1, 2) AS number"
            )
        )
        command.upgrade(config, "0002")
        connection.execute(
            text(
                "INSERT INTO measurement_first_window (measurement_id, layer, distance) "
                "SELECT id, layer, 1.5 FROM measurement, generate_series(0, 2) AS layer"
            )
        )
        connection.execute(text("DELETE FROM measurement WHERE work_key = '1'"))
        left = "SELECT count(*), min(distance), max(layer) FROM measurement_first_window"
        assert tuple(connection.execute(text(left)).one()) == (3, 1.5, 2)
        command.downgrade(config, "0001")
        assert connection.scalar(text("SELECT to_regclass('measurement_first_window')")) is None
        assert connection.scalar(text("SELECT sum(distance) FROM measurement")) == 2.5


def test_vectors_that_exist_outlive_the_column_for_wide_ones_and_old_code_goes_on_writing(
    empty_database_url: str,
) -> None:
    wide = "array_fill(0.5::real, ARRAY[16001])"
    written_by_old_code = "INSERT INTO layer_embedding (measurement_id, layer, embedding) VALUES (1, {}, '[1,2]')"
    written_wide = f"INSERT INTO layer_embedding (measurement_id, layer, wide) VALUES (1, {{}}, {wide})"
    with create_engine(empty_database_url, poolclass=NullPool).begin() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0005")
        connection.execute(
            text(
                "WITH made AS (INSERT INTO model_version (model_id, revision, weights_sha256, dtype, dimension, facts) "
                "VALUES ('m', 'r', 'w', 'float32', 2, '{}') RETURNING key), "
                "measured AS (INSERT INTO measurement (tenant_id, work_key, version_key, definitions, tokens, "
                "speakers, windows, truncated, left_out_rows) SELECT 'local', 'a', key, 'd', 9, '{}', 1, false, 0 "
                "FROM made RETURNING id, version_key), "
                "scale AS (INSERT INTO profile_scale (version_key, definition, means, deviations) "
                "SELECT key, 'd', '{0,0}', '{1,1}' FROM made RETURNING key), "
                "profiled AS (INSERT INTO profile (measurement_id, tenant_id, scale_key, profile) "
                "SELECT id, 'local', key, '[5,6]' FROM measured, scale) "
                "INSERT INTO embedding (tenant_id, measurement_id, version_key, embedding) "
                "SELECT 'local', id, version_key, '[3,4]' FROM measured"
            )
        )
        connection.execute(text(written_by_old_code.format(0)))
        command.upgrade(config, "0006")
        connection.execute(text(written_by_old_code.format(1)))
        connection.execute(text(written_wide.format(2)))
        with pytest.raises(IntegrityError, match="layer_embedding_one_vector_check"), connection.begin_nested():
            connection.execute(text(f"UPDATE layer_embedding SET wide = {wide} WHERE layer = 0"))
        command.downgrade(config, "0005")
        with pytest.raises(IntegrityError, match="not-null"), connection.begin_nested():
            connection.execute(text("UPDATE layer_embedding SET embedding = NULL WHERE layer = 0"))
        left = "SELECT layer, embedding::text FROM layer_embedding ORDER BY layer"
        assert [tuple(row) for row in connection.execute(text(left))] == [(0, "[1,2]"), (1, "[1,2]")]
        both = "SELECT embedding::text, profile::text FROM embedding JOIN profile USING (measurement_id)"
        assert tuple(connection.execute(text(both)).one()) == ("[3,4]", "[5,6]")


def test_a_second_upgrade_changes_nothing(database_url: str) -> None:
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO tenant (id, name) VALUES ('t', 'Ana')"))
    before = state_of(engine)
    upgrade(database_url)
    assert state_of(engine) == before
    assert len(before["relations"]) > 40


def state_of(engine: Engine) -> dict[str, Any]:
    """Every relation by its number, which a table that is made again does not keep; the revision; the tenants."""
    relations = """SELECT relname, pg_class.oid, relkind, pg_get_expr(adbin, adrelid), pg_get_indexdef(pg_class.oid)
                   FROM pg_class LEFT JOIN pg_attrdef ON adrelid = pg_class.oid
                   WHERE relnamespace = 'public'::regnamespace ORDER BY 1, 4"""
    asked = {"relations": relations, "revision": "SELECT * FROM alembic_version", "tenants": "SELECT * FROM tenant"}
    with engine.connect() as connection:
        return {what: connection.execute(text(statement)).all() for what, statement in asked.items()}


def test_a_database_of_a_newer_version_is_refused_by_name(database_url: str) -> None:
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseIsNewerError, match="revision 9999"):
        upgrade(database_url)
