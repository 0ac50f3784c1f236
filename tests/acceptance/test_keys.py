"""`hearken keys create` and `hearken api` on the same database: the first key opens the service, nothing else does."""

import hashlib
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from polling import until
from serving import HEARKEN, environment
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from hearken.client import Client
from hearken.errors import ProblemError
from hearken.local import PostgresServer, temporary_folder


def created(tenant: str, *arguments: str, **settings: str) -> str:
    """The key that `hearken keys create` prints, and nothing else."""
    command = [*HEARKEN, "keys", "create", "--tenant", tenant, *arguments]
    done = subprocess.run(command, env=environment(**settings), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"hk_[A-Za-z0-9_-]{43}\n", done.stdout)
    return done.stdout.strip()


@pytest.fixture
def address(database_url: str, broker_url: str) -> Iterator[str]:
    """The API alone, asking for keys, on a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {"HEARKEN_DATABASE_URL": database_url, "HEARKEN_BROKER_URL": broker_url}
    settings |= {"HEARKEN_AUTH": "keys", "HEARKEN_PORT": str(port)}
    process = subprocess.Popen([*HEARKEN, "api"], env=environment(**settings))
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: _is_alive(url), "an API that is alive")
        yield url
    finally:
        process.terminate()
        assert process.wait(10) == 0


def test_a_key_opens_the_service_to_its_tenant_alone(address: str, database_url: str) -> None:
    ana, bo = (created(name, HEARKEN_DATABASE_URL=database_url) for name in ("Ana", "Bo"))
    with Client(address, ana) as client:
        dataset = client.upload_dataset(b'{"text": "The ferry left at six."}\n', name="notes")
        assert [entry.id for entry in client.datasets()] == [dataset.id]
    with Client(address, bo) as client:
        assert list(client.datasets()) == []
        with pytest.raises(ProblemError) as hidden:
            client.dataset(dataset.id)
        assert hidden.value.status == 404
    for wrong in (None, "hk_" + "x" * 43):
        with Client(address, wrong) as client, pytest.raises(ProblemError) as refused:
            list(client.jobs())
        assert refused.value.status == 401


def test_only_the_digest_of_a_key_is_kept_and_a_tenant_is_made_once(database_url: str) -> None:
    keys = [created("Ana", HEARKEN_DATABASE_URL=database_url) for _ in range(2)]
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.connect() as connection:
        digests = set(connection.execute(text("select secret_sha256 from api_key")).scalars())
        tenants = connection.execute(text("select count(*) from tenant where name = 'Ana'")).scalar_one()
    assert digests == {hashlib.sha256(key.encode()).digest() for key in keys}
    assert tenants == 1


def test_a_key_can_be_made_while_the_embedded_stack_is_down() -> None:
    with temporary_folder() as folder:
        key = created("Ana", "--data-dir", str(folder))
        with PostgresServer(Path(folder)) as server:
            engine = create_engine(server.url, poolclass=NullPool)
            with engine.connect() as connection:
                kept = connection.execute(text("select hint from api_key")).scalar_one()
        assert kept == key[:7] + "…"


def _is_alive(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=2).status_code == 200
    except httpx.TransportError:
        return False
