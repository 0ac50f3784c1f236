"""A connection that the server has ended is found before it is used, and one that lives is not asked."""

import asyncio

import pytest
from polling import until
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

from models.closed_connections import discard_closed

pytestmark = pytest.mark.xdist_group("closed connections")


def server_process(connection: Connection) -> int:
    """The server's process behind the connection."""
    return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


def end(engine: Engine, process: int) -> None:
    """Have the server end it, and wait until it has. Within one transaction every look would see the same."""
    alive = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :process")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SELECT pg_terminate_backend(:process)"), {"process": process})
        until(lambda: connection.execute(alive, {"process": process}).scalar_one() == 0, "the end of a connection")


def test_a_worker_goes_on_with_a_new_connection(engine: Engine, module_database_url: str) -> None:
    pooled = create_engine(module_database_url, pool_size=1, max_overflow=0)
    discard_closed(pooled)
    with pooled.connect() as connection:
        first = server_process(connection)
    with pooled.connect() as connection:
        assert server_process(connection) == first, "a connection that lives is used again"
    end(engine, first)
    with pooled.connect() as connection:
        assert server_process(connection) != first
    pooled.dispose()


def test_the_service_goes_on_with_a_new_connection(engine: Engine, module_database_url: str) -> None:
    async def ask() -> tuple[int, int]:
        pooled = create_async_engine(module_database_url, pool_size=1, max_overflow=0)
        discard_closed(pooled.sync_engine)
        async with pooled.connect() as connection:
            first = await connection.run_sync(server_process)
        await asyncio.to_thread(end, engine, first)
        async with pooled.connect() as connection:
            second = await connection.run_sync(server_process)
        await pooled.dispose()
        return first, second

    first, second = asyncio.run(ask())
    assert first != second
