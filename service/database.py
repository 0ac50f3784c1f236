"""The database as the service uses it: one pool, one transaction a call, the same query functions as the workers."""

import asyncio
import logging
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

P = ParamSpec("P")
T = TypeVar("T")

ATTEMPTS = 4
TRY_AGAIN = ("40001", "40P01")  # serialization failure, deadlock: PostgreSQL asks for the whole transaction again

log = logging.getLogger(__name__)


class Database:
    """A pool of connections; each call of a query function is a transaction of its own."""

    def __init__(self, url: str) -> None:
        self.engine = create_async_engine(
            url,
            pool_size=10,
            max_overflow=10,
            pool_timeout=15,
            pool_pre_ping=True,
            connect_args={
                "application_name": "hearken api",
                "connect_timeout": 5,
                "options": "-c timezone=UTC -c idle_in_transaction_session_timeout=120000",
            },
        )

    async def run(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `query` with a connection in a transaction, again where PostgreSQL asks for it."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with self.engine.begin() as connection:
                    return await connection.run_sync(query, *args, **kwargs)
            except OperationalError as error:
                state = getattr(error.orig, "sqlstate", None)
                if state not in TRY_AGAIN or attempt == ATTEMPTS:
                    raise
                log.info("a transaction of %s is tried again: %s", query.__name__, state)
                await asyncio.sleep(0.02 * attempt)
        raise AssertionError("every attempt returns or raises")

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()
