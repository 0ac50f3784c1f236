"""The workers' engine: one a process, with short-lived transactions and connections checked before use."""

from functools import cache

from sqlalchemy import Engine, create_engine

from models.settings import settings


@cache
def engine() -> Engine:
    """This process's connections to the database: one for the work, one for the heartbeat, and a few to spare."""
    return create_engine(
        settings().database_url,
        pool_size=2,
        max_overflow=6,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 10, "application_name": "hearken worker"},
    )
