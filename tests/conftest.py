"""The real servers for every test: one PostgreSQL and one Redis a pytest process, in private folders.

They start when a test first asks, work as root and as any user, and are gone afterwards, whatever becomes of pytest.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest
import redis
from distribution import pytest_xdist_make_scheduler  # noqa: F401 - a hook
from kept_services import KeptService, KeptServices, ServicePlan
from psycopg import sql
from sqlalchemy import Engine, create_engine

from hearken.local import PostgresServer, RedisServer, temporary_folder

if TYPE_CHECKING:
    from attention.model.model import Model

_TEMPLATE = "migrated"
_numbers = count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Serve MiniLM alone unless a test says otherwise, and let Triton interpret where there is no GPU.

    Before any test brings Triton in, which reads it only then.
    """
    os.environ["HEARKEN_MODELS"] = str(Path(__file__).parent / "support" / "minilm.toml")
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):  # else there are no tests here
        import torch

        if not torch.cuda.is_available():
            os.environ.setdefault("TRITON_INTERPRET", "1")


@pytest.fixture(scope="session")
def minilm() -> "Model":
    """The packaged model, opened once a pytest process. Whoever changes it opens one of their own."""
    from attention.model.loading import open_model  # here: tests without a model do not load torch
    from attention.model.source.packaged import packaged_minilm

    return open_model(packaged_minilm())


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder where the servers' user can reach it, gone afterwards."""
    with temporary_folder() as made:
        yield made


@pytest.fixture(scope="session")
def servers_folder() -> Iterator[Path]:
    """The data folder of this pytest process's servers."""
    with temporary_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def postgres_server(servers_folder: Path) -> Iterator[PostgresServer]:
    """A running PostgreSQL with pgvector, not safe against power loss."""
    with PostgresServer(servers_folder, durable=False, max_connections=200) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(servers_folder: Path) -> Iterator[RedisServer]:
    """A running Redis."""
    with RedisServer(servers_folder) as server:
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres_server: PostgresServer) -> str:
    """The name of a database with every migration applied, to make others from."""
    from migrations.run import upgrade  # here, so that tests without a database do not load it

    _administer(postgres_server, sql.SQL("create database {}").format(sql.Identifier(_TEMPLATE)))
    upgrade(_url(postgres_server, _TEMPLATE))
    return _TEMPLATE


@pytest.fixture
def database_url(postgres_server: PostgresServer, migrated_template: str) -> Iterator[str]:
    """A fresh, migrated database for one test, as SQLAlchemy takes it."""
    with _database(postgres_server, migrated_template) as url:
        yield url


@pytest.fixture(scope="module")
def module_database_url(postgres_server: PostgresServer, migrated_template: str) -> Iterator[str]:
    """A fresh, migrated database that the tests of one module share."""
    with _database(postgres_server, migrated_template) as url:
        yield url


@pytest.fixture
def empty_database_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A fresh database without any table, for tests of the migrations themselves."""
    with _database(postgres_server, "template1") as url:
        yield url


@pytest.fixture(scope="module")
def engine(module_database_url: str) -> Iterator[Engine]:
    """The database that the tests of one module share."""
    made = create_engine(module_database_url)
    yield made
    made.dispose()


@pytest.fixture
def broker_url(redis_server: RedisServer) -> str:
    """An empty Redis, as Celery takes it."""
    client = redis.Redis.from_url(redis_server.client_url)
    client.flushall()
    client.close()
    return redis_server.url


@pytest.fixture(scope="session")
def kept_services(
    postgres_server: PostgresServer, migrated_template: str, redis_server: RedisServer, servers_folder: Path
) -> Iterator[KeptServices]:
    """The services of this pytest process that are kept from one module to the next."""
    services = KeptServices(
        servers_folder / "services", partial(_database, postgres_server, migrated_template), redis_server
    )
    yield services
    services.stop()


@pytest.fixture(scope="module")
def service(request: pytest.FixtureRequest, kept_services: KeptServices) -> KeptService:
    """The service by the module's SERVICE, an API alone unless it says otherwise, without anything in it."""
    return kept_services.emptied(getattr(request.module, "SERVICE", ServicePlan()))


@pytest.fixture(scope="module")
def api(service: KeptService) -> httpx.Client:
    """A client of the module's service."""
    return service.api


@contextmanager
def _database(server: PostgresServer, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    copied = sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template))
    _administer(server, copied)
    try:
        yield _url(server, name)
    finally:
        _administer(server, sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def _url(server: PostgresServer, database: str) -> str:
    return server.url.replace("/hearken?", f"/{database}?")


def _administer(server: PostgresServer, statement: sql.Composed) -> None:
    with psycopg.connect(server.connection_string("postgres"), autocommit=True) as connection:
        connection.execute(statement)
