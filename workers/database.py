"""The workers' engine: one a process, with short-lived transactions and connections checked before use."""

from functools import cache

from sqlalchemy import Engine, create_engine

from models.closed_connections import discard_closed
from models.settings import settings


@cache
def engine() -> Engine:
    """This process's connections to the database: one for the work, one for the heartbeat, and a few to spare."""
    made = create_engine(
        settings().database_url,
        pool_size=2,
        max_overflow=6,
        connect_args={"connect_timeout": 10, "application_name": "hearken worker"},
    )
    discard_closed(made)
    return made


def alone(connections: Engine) -> Engine:
    """The same connections for queries of one statement, which then is a transaction by itself."""
    return connections.execution_options(isolation_level="AUTOCOMMIT")
