"""What an error means is decided by its SQLSTATE, whoever raised it, here by a real server."""

import pickle
from collections.abc import Callable

import numpy as np
import psycopg
import pytest
from polling import until
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from models.database_errors import (
    asks_to_try_again,
    database_is_away,
    from_database,
    over_own_limit,
    sqlstate_of,
    storage_is_full,
)
from models.queries.writing import binary_copy as wire
from models.queries.writing.binary_copy import copy_blocks
from models.session_limits import connect_arguments
from models.settings import Settings

AWAY = [
    *("08000", "08003", "08006", "25006", "25P03", "25P04", "40001", "40P01", "53000", "53100", "53200", "53300"),
    *("53400", "55000", "55006", "55P03", "57000", "57014", "57P01", "57P02", "57P03", "58000", "58030"),
]
NOT_AWAY = "0A000 21000 22001 22021 22P05 23502 23503 23505 25001 25P01 25P02 42501 42703 42P01 54000 54001 P0001 XX000"
RAISE = "DO $$ BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = '{}'; END $$"


def by_sqlalchemy(engine: Engine, state: str) -> Exception:
    with pytest.raises(Exception, match="planted") as raised, engine.begin() as connection:
        connection.execute(text(RAISE.format(state)))
    return raised.value


def by_psycopg(engine: Engine, state: str) -> Exception:
    with (
        pytest.raises(psycopg.Error, match="planted") as raised,
        engine.connect() as connection,
        connection.connection.driver_connection.cursor() as cursor,  # type: ignore[union-attr]
    ):
        cursor.execute(RAISE.format(state))
    return raised.value


@pytest.mark.parametrize("raised", [by_sqlalchemy, by_psycopg])
def test_the_class_of_a_sqlstate_decides_whoever_raises_it(
    engine: Engine, raised: Callable[[Engine, str], Exception]
) -> None:
    found = {state: raised(engine, state) for state in (*AWAY, *NOT_AWAY.split())}
    for state, error in found.items():
        assert sqlstate_of(error) == state
        assert from_database(error)
    assert [state for state, error in found.items() if database_is_away(error)] == AWAY
    assert [state for state, error in found.items() if storage_is_full(error)] == ["53100"]
    assert [state for state, error in found.items() if over_own_limit(error)] == ["25P03", "55P03", "57014"]
    assert [state for state, error in found.items() if asks_to_try_again(error)] == ["40001", "40P01"]


@pytest.mark.parametrize("raised", [by_sqlalchemy, by_psycopg])
def test_an_error_means_the_same_in_another_process_and_as_a_cause(
    engine: Engine, raised: Callable[[Engine, str], Exception]
) -> None:
    error = raised(engine, "53100")
    sent = pickle.loads(pickle.dumps(error))
    assert (sqlstate_of(sent), database_is_away(sent)) == ("53100", True)
    wrapping = RuntimeError("because of it")
    wrapping.__cause__ = error
    assert storage_is_full(wrapping)
    while_handling = RuntimeError("another fault")
    while_handling.__context__ = error
    assert not from_database(while_handling)


def there(engine: Engine, pid: int) -> bool:
    with engine.connect() as connection:
        return (
            connection.execute(text("SELECT 1 FROM pg_stat_activity WHERE pid = :pid"), {"pid": pid}).first()
            is not None
        )


def end(engine: Engine, pid: int) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
        other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})


def test_a_lost_connection_is_away_with_and_without_a_sqlstate(engine: Engine) -> None:
    with engine.connect() as connection:
        end(engine, connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
        with pytest.raises(OperationalError) as lost:
            connection.execute(text("SELECT 1"))
    assert (sqlstate_of(lost.value), database_is_away(lost.value)) == ("57P01", True)
    with psycopg.connect(make_url(engine.url).set(drivername="postgresql").render_as_string(False)) as driver:
        end(engine, driver.info.backend_pid)
        with pytest.raises(psycopg.OperationalError):
            driver.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError) as closed:
            driver.execute("SELECT 1")
    assert (sqlstate_of(closed.value), database_is_away(closed.value)) == (None, True)
    assert not over_own_limit(closed.value)


def test_a_connection_lost_while_rows_are_copied_in_is_away(engine: Engine) -> None:
    def lose_it() -> None:
        with engine.begin() as connection:
            connection.execute(text("CREATE TEMPORARY TABLE filled (id bigint) ON COMMIT DROP"))
            with connection.begin_nested():
                end(engine, connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
                copy_blocks(connection, "filled", ["id"], [[wire.int8(np.arange(10))]])

    with pytest.raises((DBAPIError, psycopg.Error)) as raised:
        lose_it()
    assert database_is_away(raised.value)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_a_database_that_cannot_be_reached_is_away_here_and_in_another_process(engine: Engine) -> None:
    for url in (engine.url.set(database="nowhere"), engine.url.set(query={"host": "/nonexistent"})):
        with pytest.raises(OperationalError) as refused:
            create_engine(url).connect()
        assert database_is_away(refused.value)
        assert database_is_away(pickle.loads(pickle.dumps(refused.value)))
    small = create_engine(engine.url, pool_size=1, max_overflow=0, pool_timeout=0.05)
    with small.connect(), pytest.raises(PoolTimeout) as exhausted:
        small.connect()
    small.dispose()
    assert database_is_away(exhausted.value)


def test_what_the_driver_refuses_to_send_on_a_sound_connection_is_not_away(engine: Engine) -> None:
    values = tuple(range(70_000))
    with engine.connect() as connection, pytest.raises(OperationalError, match="number of parameters") as refused:
        connection.exec_driver_sql("SELECT " + ", ".join(["%s"] * len(values)), values)
    assert from_database(refused.value)
    assert not database_is_away(refused.value)


def test_every_session_has_limits_and_is_never_ended_for_being_idle_outside_a_transaction(database_url: str) -> None:
    chosen = Settings(database_url=database_url, lock_seconds=0.2, idle_seconds=0.25, statement_seconds=0.3)
    limited = create_engine(database_url, connect_args=connect_arguments(chosen, "worker"))
    names = (
        "lock_timeout idle_in_transaction_session_timeout statement_timeout idle_session_timeout transaction_timeout "
        "application_name"
    )
    with limited.connect() as connection:
        shown = [connection.execute(text(f"SHOW {name}")).scalar_one() for name in names.split()]
    assert shown == ["200ms", "250ms", "300ms", "0", "0", "hearken worker"]
    with pytest.raises(OperationalError) as slow, limited.begin() as connection:
        connection.execute(text("SELECT pg_sleep(5)"))
    assert sqlstate_of(slow.value) == "57014"
    holder = create_engine(database_url)
    with holder.begin() as holding, limited.connect() as connection:
        holding.execute(text("LOCK TABLE job"))
        with pytest.raises(OperationalError) as locked:
            connection.execute(text("SELECT count(*) FROM job"))
    assert sqlstate_of(locked.value) == "55P03"
    with limited.connect() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        until(lambda: not there(holder, pid), "the end of an idle session")
        with pytest.raises(DBAPIError) as idle:
            connection.execute(text("SELECT 1"))
    assert (sqlstate_of(idle.value), over_own_limit(idle.value)) == ("25P03", True)
    limited.dispose()
    holder.dispose()


def test_options_of_the_address_prevail(database_url: str) -> None:
    address = make_url(database_url).update_query_dict({"options": "-c lock_timeout=7s"})
    chosen = Settings(database_url=address.render_as_string(False))
    made = create_engine(address, connect_args=connect_arguments(chosen, "api"))
    with made.connect() as connection:
        assert connection.execute(text("SHOW lock_timeout")).scalar_one() == "7s"
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "1min"
    made.dispose()
