"""The database as the service uses it: one pool of connections, and each call is one transaction.

A transaction of one statement is that statement alone: `single` sends nothing else.

An answer is read by one call. Two calls could have a deletion, or the end of a job, between them, and the answer would
mix what was before it with what came after.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from models.closed_connections import discard_closed
from models.database_errors import asks_to_try_again, sqlstate_of
from models.session_limits import connect_arguments
from models.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")

ATTEMPTS = 4
CONNECTIONS = 20
"""At most so many, opened as they are needed and kept: to open one costs the database more than most requests do."""

log = logging.getLogger(__name__)


class Database:
    """A pool of connections; each call of a query function is a transaction of its own."""

    def __init__(self, chosen: Settings) -> None:
        self.engine = create_async_engine(
            chosen.database_url,
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=15,
            connect_args=connect_arguments(chosen, "api", patience=5),
        )
        discard_closed(self.engine.sync_engine)
        self._alone = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._snapshots = self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    async def run(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `query` in a transaction of its own, again where PostgreSQL asks for it.

        Each statement sees what others have committed before it began. That suits a query of one statement, and one
        that writes; what reads with several statements is called by `read`.
        """
        return await self._attempt(self.engine, query, *args, **kwargs)

    async def read(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `query`, which writes nothing, with all its statements on one snapshot of the database.

        PostgreSQL's default, READ COMMITTED, takes a new snapshot for each statement, so a deletion could fall between
        two of them even within one transaction. REPEATABLE READ takes one, with the first statement. While nothing is
        written, it can neither fail for others' writes nor hold them up.
        """
        return await self._attempt(self._snapshots, query, *args, **kwargs)

    async def single(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `query`, which executes one statement: a transaction by itself, without a BEGIN and a COMMIT around it.

        A query that executes several has each committed by itself.
        """
        return await self._attempt(self._alone, query, *args, **kwargs)

    async def _attempt(
        self,
        engine: AsyncEngine,
        query: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with engine.begin() as connection:
                    return await connection.run_sync(query, *args, **kwargs)
            except Exception as error:
                if not asks_to_try_again(error) or attempt == ATTEMPTS:
                    raise
                log.info("a transaction of %s is tried again: %s", query.__name__, sqlstate_of(error))
                await asyncio.sleep(0.02 * attempt)
        raise AssertionError("every attempt returns or raises")

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()
