"""The workers' engine: one a process, with short-lived transactions and connections checked before use.

And what a worker does while the database is away: it keeps trying to give back what it holds.
"""

import logging
import time
from collections.abc import Callable
from functools import cache

from sqlalchemy import Connection, Engine, create_engine

from models.closed_connections import discard_closed
from models.database_errors import database_is_away, in_one_line
from models.session_limits import connect_arguments
from models.settings import settings

log = logging.getLogger(__name__)

GIVE_BACK_SECONDS = 60.0
"""So long giving work back is tried again while the database is away; after that the lease has run out or soon will."""
AGAIN_SECONDS = 0.5


@cache
def engine() -> Engine:
    """This process's connections to the database: one for the work, one for the heartbeat, and a few to spare."""
    made = create_engine(
        settings().database_url,
        pool_size=2,
        max_overflow=6,
        connect_args=connect_arguments(settings(), "worker"),
    )
    discard_closed(made)
    return made


def alone(connections: Engine) -> Engine:
    """The same connections for queries of one statement, which then is a transaction by itself."""
    return connections.execution_options(isolation_level="AUTOCOMMIT")


def insist(connections: Engine, call: Callable[[Connection], None], *, stopping: Callable[[], bool]) -> None:
    """Do this in a transaction, again and again while the database is away, unless the worker is to end.

    So that work is given back, and does not lose its lease, which would be charged to it. Raises the last error.
    """
    until = time.monotonic() + GIVE_BACK_SECONDS
    while True:
        try:
            with connections.begin() as connection:
                return call(connection)
        except Exception as error:
            if not database_is_away(error) or stopping() or time.monotonic() > until:
                raise
            log.warning("work cannot be given back yet: %s", in_one_line(error))
        time.sleep(AGAIN_SECONDS)
