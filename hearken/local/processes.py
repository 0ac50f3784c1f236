"""One part of the service in this process, with its addresses from the environment: what a cluster runs one of each."""

import os
import signal
import socket
import sys
from importlib import import_module
from pathlib import Path

from hearken.errors import StartRefused
from models.settings import ModelEntry, ModelsFileError, check_folders, load_models_file, settings


def run_api(listening: int | None = None, after: int | None = None) -> None:
    """Serve HTTP until SIGTERM or SIGINT, on `settings().host` and port or on an already listening descriptor.

    With `after`, once it is told so on that descriptor (`wait_for_go`). Raises `StartRefused` when the address may not
    be served, or is taken.
    """
    import uvicorn

    chosen = settings()
    refuse_open_to_the_network(chosen.host, chosen.auth)
    refuse_bad_models_file(chosen.models)
    listener = listen(chosen.host, chosen.port) if listening is None else socket.socket(fileno=listening)
    import_module("service.app")  # what takes the time, while the database starts
    wait_for_go(after)
    config = uvicorn.Config(
        "service.app:create_app",
        factory=True,
        lifespan="on",
        access_log=False,
        timeout_graceful_shutdown=3,
        log_level=chosen.log_level.lower(),
    )
    server = uvicorn.Server(config)
    for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises it again after a good end, which then is no failure
        signal.signal(number, lambda _number, _frame: None)
    with listener:
        server.run(sockets=[listener])
    if not server.started:
        sys.exit(1)


def run_worker(name: str, after: int | None = None) -> None:
    """Take work for every model of the models file, and summaries, until SIGTERM.

    With `after`, once it is told so on that descriptor (`wait_for_go`). Raises `StartRefused` where none of the models
    can be measured.
    """
    from models.queries.queue.outbox import queue_of
    from workers.app import app
    from workers.celery.lifetime import was_useless

    entries = refuse_bad_models_file(settings().models, here=True)
    queues = [*(queue_of(entry.id) for entry in entries), queue_of(None)]
    app.loader.import_default_modules()
    import_module("celery.bin.worker")
    wait_for_go(after)
    app.worker_main(
        [
            "worker",
            f"--hostname={name}@%h",
            f"--loglevel={settings().log_level}",
            f"--queues={','.join(queues)}",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",  # ours is in the database; Celery's stops the loop while the broker is away
        ]
    )
    if was_useless():
        raise StartRefused(f"no model is left to serve: {_reasons(entries)}")


def _reasons(entries: tuple[ModelEntry, ...]) -> str:
    """Why each model of the models file was refused, as the database has it."""
    from models.queries.reading.model_status import model_rows
    from workers.database import engine

    with engine().connect() as connection:
        rows = model_rows(connection)
    return "; ".join(f"{entry.id}: {rows[entry.id].message}" for entry in entries)


def wait_for_go(after: int | None) -> None:
    """Wait for the byte that says that the database may be used; exit where whoever was to write it has gone.

    So a part can be started, and load what it needs, while the database is being made ready. Without a descriptor
    everything is ready already.
    """
    if after is None:
        return
    with os.fdopen(after, "rb") as gate:
        if not gate.read(1):
            sys.exit(1)


def run_beat() -> None:
    """Run the sweeper on its schedule until SIGTERM. One a cluster is enough; two do no harm."""
    from workers.app import app

    app.start(["beat", f"--loglevel={settings().log_level}", "--pidfile="])


def run_migrations(database_url: str) -> None:
    """Bring the database to this version's schema.

    Raises `StartRefused` when a newer version has migrated it already, or it cannot be reached.
    """
    from migrations.run import DatabaseIsNewerError, upgrade
    from models.database_errors import database_is_away

    try:
        upgrade(database_url)
    except DatabaseIsNewerError as error:
        raise StartRefused(str(error)) from None
    except Exception as error:
        if not database_is_away(error):
            raise
        said = getattr(error, "orig", None) or error
        raise StartRefused(f"the database cannot be reached: {' '.join(str(said).split())}") from None


def forget_earlier_workers(database_url: str) -> None:
    """Remove every worker's row, and end their leases: nobody else reaches this database, so none of them lives."""
    from sqlalchemy import create_engine

    from models.queries.queue.worker_registry import end_every_lease

    engine = create_engine(database_url)
    try:
        with engine.begin() as connection:
            end_every_lease(connection)
    finally:
        engine.dispose()


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on `host` and `port`; port 0 takes any free one. Raises `StartRefused` when it cannot."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise StartRefused(f"the address {host} cannot be used: {error.strerror}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        remedy = "stop what uses it, or choose another with --port" if port else "choose another with --host"
        raise StartRefused(f"port {port} on {host} cannot be used: {error.strerror}; {remedy}") from None
    return listener


def refuse_open_to_the_network(host: str, auth: str) -> None:
    """Raise `StartRefused` where everybody on a network could use a service that asks for no key."""
    from service.auth import tenant

    try:
        tenant.refuse_open_to_the_network(host, auth)
    except tenant.OpenToTheNetworkError as error:
        raise StartRefused(str(error)) from None


def refuse_bad_models_file(path: Path | None, *, here: bool = False) -> tuple[ModelEntry, ...]:
    """The entries of the models file. Raises `StartRefused` with its fault.

    With `here`, where models are loaded, the folders that it names must be there too.
    """
    try:
        entries = load_models_file(path)
        if here and path is not None:
            check_folders(path, entries)
    except ModelsFileError as error:
        raise StartRefused(str(error)) from None
    return entries
