"""Making API keys in the database itself: the first key can need no key."""

import hashlib
import secrets
from pathlib import Path

from sqlalchemy import Connection, create_engine, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.pool import NullPool

from hearken.embedded import PostgresServer
from hearken.parts import run_migrations
from hearken.stack import running_on
from models.identifiers import new_identifier
from models.settings import settings
from models.tables import api_key, tenant

_SECRET_BYTES = 32


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
    key = "hk_" + secrets.token_urlsafe(_SECRET_BYTES)
    with create_engine(database_url, poolclass=NullPool).begin() as connection:
        connection.execute(
            insert(api_key).values(
                id=new_identifier("key"),
                tenant_id=_tenant_id(connection, tenant_name),
                secret_sha256=hashlib.sha256(key.encode()).digest(),
                hint=key[-4:],
            )
        )
    return key


def _tenant_id(connection: Connection, name: str) -> str:
    new = upsert(tenant).values(id=new_identifier("tn"), name=name).on_conflict_do_nothing(index_elements=["name"])
    connection.execute(new)
    return str(connection.execute(select(tenant.c.id).where(tenant.c.name == name)).scalar_one())
