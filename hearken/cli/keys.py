"""Making API keys in the database itself: the first key can need no key."""

from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from hearken.local import PostgresServer
from hearken.local.processes import run_migrations
from hearken.local.stack import running_on
from models.queries.access.keys import create_key
from models.session_limits import connect_arguments
from models.settings import settings


def create(tenant_name: str, data_dir: Path | None) -> str:
    """A new key of the tenant, which is made where it does not exist.

    Acts on the embedded database of `data_dir`, started for the moment unless a stack runs there; on that of the
    settings where `data_dir` is None. Raises `StartRefused` when the database cannot be reached or is newer.
    """
    if data_dir is None:
        return _create_in(settings().database_url, tenant_name)
    running = running_on(data_dir)
    if running is not None:
        return _create_in(running[1], tenant_name)
    with PostgresServer(data_dir) as server:
        return _create_in(server.url, tenant_name)


def _create_in(database_url: str, tenant_name: str) -> str:
    run_migrations(database_url)
    limits = connect_arguments(settings().model_copy(update={"database_url": database_url}), "keys")
    with create_engine(database_url, poolclass=NullPool, connect_args=limits).begin() as connection:
        return create_key(connection, tenant_name).secret
