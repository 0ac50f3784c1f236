"""A start that cannot be: one clear line on stderr, exit status 2, and nothing half started."""

import json
import os
import socket
from pathlib import Path

import pytest
from polling import until
from serving import Serving, refused, sockets, temporary_place
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool
from tiny_models import tiny_model

from hearken.client import Client
from hearken.local import PostgresServer
from migrations.run import upgrade


def assert_one_line(answer: tuple[int, str], *words: str) -> None:
    status, stderr = answer
    assert status == 2, stderr
    assert stderr.startswith("hearken: ")
    assert stderr.count("\n") == 1
    for word in words:
        assert word in stderr


def test_a_taken_port_is_named_and_nothing_is_made_of_the_folder_but_its_lock(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert_one_line(refused("serve", "--data-dir", folder / "data", "--port", str(port)), f"port {port}", "--port")
    assert [path.name for path in (folder / "data").iterdir()] == ["hearken.lock"]


def test_a_folder_that_cannot_be_written_is_named(folder: Path) -> None:
    (folder / "file").write_text("")
    assert_one_line(
        refused("serve", "--data-dir", folder / "file", "--port", "0"), str(folder / "file"), "cannot be written"
    )


def test_a_folder_in_use_names_the_process_that_uses_it(folder: Path) -> None:
    with PostgresServer(folder, durable=False):
        answer = refused("serve", "--data-dir", folder, "--port", "0")
    assert_one_line(answer, f"in use by process {os.getpid()}")


def test_a_database_of_a_newer_version_is_left_as_it_is(folder: Path) -> None:
    with PostgresServer(folder, durable=False) as server:
        upgrade(server.url)
        _set_revision(server.url, "9999_from_the_future")
    answer = refused("serve", "--data-dir", folder, "--port", "0", **temporary_place(folder))
    assert_one_line(answer, "9999_from_the_future", "newer version")
    assert sockets(folder) == []
    with PostgresServer(folder, durable=False) as server:
        engine = create_engine(server.url, poolclass=NullPool)
        with engine.connect() as connection:
            assert (
                connection.execute(text("select version_num from alembic_version")).scalar_one()
                == "9999_from_the_future"
            )


def test_without_keys_only_loopback_is_served(folder: Path) -> None:
    answer = refused("serve", "--data-dir", folder, "--host", "0.0.0.0", "--port", "0")
    assert_one_line(answer, "HEARKEN_AUTH=keys", "hearken keys create")
    assert list(folder.iterdir()) == []


def test_the_api_alone_keeps_the_same_rule() -> None:
    assert_one_line(refused("api", HEARKEN_HOST="0.0.0.0", HEARKEN_PORT="1"), "HEARKEN_AUTH=keys")


def test_a_models_file_with_a_fault_is_refused_with_the_fault(folder: Path) -> None:
    (folder / "models.toml").write_text('[[model]]\nid = "small"\n')
    answer = refused("serve", "--data-dir", folder / "data", "--models", folder / "models.toml", "--port", "0")
    assert_one_line(answer, "number 1", "exactly one of `path`, `hub`")
    assert not (folder / "data").exists()


def test_where_no_model_is_left_the_start_ends_with_the_reason_of_each(folder: Path) -> None:
    models = _models_file(folder, lacking="llama", without_weights="bert")
    answer = refused(
        "serve", "--data-dir", folder / "data", "--models", models, "--port", "0", **temporary_place(folder)
    )
    assert answer[0] == 2, answer[1]
    last = answer[1].splitlines()[-1]
    assert last.startswith("hearken: no model is left to serve: lacking: ")
    assert "layers.2.input_layernorm.weight" in last
    assert "; without_weights: " in last
    assert "no model.safetensors" in last
    assert sockets(folder) == []


@pytest.mark.slow
def test_where_the_default_model_is_refused_the_next_is_loaded_and_served(folder: Path) -> None:
    models = _models_file(folder, lacking="llama", whole="bert")
    running = Serving(folder / "data", "--models", str(models))
    try:
        with Client(running.url, timeout=60) as client:
            assert client.analyze("Are you coming to the lake tonight?", model="whole").model.id == "whole"
            wanted = {"lacking": ("refused", "model-incomplete"), "whole": ("ready", None)}
            until(lambda: states_of(client) == wanted, "one model refused, the other ready")  # in whichever order
    finally:
        running.end()


def states_of(client: Client) -> dict[str, tuple[str, str | None]]:
    return {model.id: (model.state, model.reason) for model in client.models()}


def test_migrating_an_unreachable_database_says_so() -> None:
    answer = refused("migrate", HEARKEN_DATABASE_URL="postgresql+psycopg://nobody@/none?host=/nonexistent")
    assert_one_line(answer, "the database cannot be reached")


def test_a_client_says_when_nothing_serves_at_the_address() -> None:
    status, stderr = refused("jobs", "--server", "http://127.0.0.1:9")
    assert status == 1
    assert "http://127.0.0.1:9 does not answer" in stderr
    assert stderr.count("\n") == 1


def _set_revision(url: str, revision: str) -> None:
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("alter table alembic_version alter column version_num type text"))
        connection.execute(text("update alembic_version set version_num = :revision"), {"revision": revision})


def _models_file(folder: Path, **families: str) -> Path:
    """A models file of small models: one `lacking` a layer, one `without_weights`, others whole."""
    lines = []
    for name, family in families.items():
        made = tiny_model(folder / name, family)
        if name == "lacking":
            settings = json.loads((made / "config.json").read_text())
            (made / "config.json").write_text(json.dumps(settings | {"num_hidden_layers": 3}))
        elif name == "without_weights":
            (made / "model.safetensors").unlink()
        lines.append(f'[[model]]\nid = "{name}"\npath = "{made}"\n')
    (folder / "models.toml").write_text("\n".join(lines))
    return folder / "models.toml"
