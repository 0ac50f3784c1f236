"""A full disk of the database: work is given back and goes on, and clients are told 507, until there is room."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from api_service import api_process, problem_of
from seeded_work import MODEL, add_job, states, words
from sqlalchemy import Engine, create_engine, select, text

from hearken.local import PostgresServer
from models.database_errors import storage_is_full
from models.tables import LOCAL_TENANT, tenant, work_item
from workers.dispatch import Dispatcher

pytestmark = pytest.mark.xdist_group("measuring")

SIZE = 16 << 20
MOVED = ("measurement_layer", "document")


@pytest.fixture(scope="module")
def small_disk(postgres_server: PostgresServer, servers_folder: Path) -> Iterator[Path]:
    """A file system of a few megabytes, with a tablespace on it; skips where none may be mounted."""
    place = servers_folder / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=755", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        (place / "space").mkdir()
        if postgres_server.account is not None:
            os.chown(place / "space", postgres_server.account, postgres_server.account)
        with psycopg.connect(postgres_server.connection_string("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE TABLESPACE small LOCATION '{place / 'space'}'")
            yield place
            connection.execute("DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.fixture(scope="module")
def engine(small_disk: Path, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A database of which some tables are on the small disk."""
    del small_disk  # before the database, and so gone after it
    made = create_engine(request.getfixturevalue("module_database_url"))
    with made.begin() as connection:
        for table in MOVED:
            connection.execute(text(f"ALTER TABLE {table} SET TABLESPACE small"))
    yield made
    made.dispose()


@pytest.fixture
def ballast(small_disk: Path) -> Iterator[Path]:
    """A file that takes all the room there is, until it is removed."""
    file = small_disk / "ballast"
    yield file
    file.unlink(missing_ok=True)


def fill(file: Path) -> None:
    with suppress(OSError), file.open("wb", buffering=0) as out:
        while True:
            out.write(bytes(4096))


def test_what_cannot_be_stored_is_given_back_and_stored_when_there_is_room(
    engine: Engine, worker: Dispatcher, ballast: Path
) -> None:
    worker.models.open(MODEL)
    with engine.begin() as connection:
        job_id = add_job(connection, [words(20, 7000 + number) for number in range(5)], tokens=[30] * 5)
    fill(ballast)
    for _ in range(4):
        with pytest.raises(Exception, match="No space left on device") as full:
            worker.answer_model(MODEL)
        assert storage_is_full(full.value)
        assert states(engine, job_id) == {"queued": 5}
    ballast.unlink()
    worker.answer_model(MODEL)
    assert states(engine, job_id) == {"done": 5}
    with engine.connect() as connection:
        charged = select(work_item.c.alone, work_item.c.losses, work_item.c.timeouts)
        assert set(connection.execute(charged.where(work_item.c.job_id == job_id)).all()) == {(False, 0, 0)}


def test_clients_are_told_that_storage_is_full_and_served_when_there_is_room(
    engine: Engine, module_database_url: str, broker_url: str, ballast: Path, tmp_path: Path
) -> None:
    long = " ".join(os.urandom(8).hex() for _ in range(20_000))  # hardly compressed, so that it takes pages
    asked = {"model": MODEL, "text": long, "overflow": "window"}
    data = "".join(f'{{"id": "{number}", "text": "{long}"}}\n' for number in range(10)).encode()
    kind = {"Content-Type": "application/x-ndjson"}
    with api_process(module_database_url, broker_url, tmp_path / "api.log") as api:
        assert api.get("/v1/datasets").json() == {"items": [], "next": None}
        fill(ballast)
        told = [
            api.post("/v1/datasets", content=data, headers=kind),
            api.post("/v1/analyses", json=asked, headers={"Prefer": "respond-async"}),
        ]
        for answer in told:
            problem_of(answer, 507, "storage-full")
            assert int(answer.headers["retry-after"]) > 0
        assert api.get("/v1/datasets").json() == {"items": [], "next": None}
        assert api.get("/v1/jobs").status_code == 200
        ballast.unlink()
        assert api.post("/v1/datasets", content=data, headers=kind).status_code == 201
        assert api.post("/v1/analyses", json=asked, headers={"Prefer": "respond-async"}).status_code == 202
    with engine.connect() as connection:
        assert connection.execute(select(tenant.c.id)).scalars().all() == [LOCAL_TENANT]
