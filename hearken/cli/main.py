"""``hearken``: the service as a whole, its parts one by one, keys, and a client.

Everything heavy is imported inside the command that needs it, so that ``--help`` is instant.
"""

import logging
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from formats.errors import FormatError
from hearken.cli.commands import analyze, compare, jobs, read, search
from hearken.cli.data_home import default_data_folder
from hearken.cli.export import export
from hearken.cli.extras import needs
from hearken.errors import ClientError, StackFailed, StartRefused

app = typer.Typer(
    name="hearken",
    help="How a language model attends to human conversation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
keys = typer.Typer(
    help="API keys, made in the database itself, so that the first one needs none.", no_args_is_help=True
)
app.add_typer(keys, name="keys")
for command in (read, analyze, compare, search, export, jobs):
    app.command()(command)

Host = Annotated[str | None, typer.Option(help="The address to listen on. (default: HEARKEN_HOST or 127.0.0.1)")]
Port = Annotated[int | None, typer.Option(help="The port; 0 takes any free one. (default: HEARKEN_PORT or 8321)")]
DataDir = Annotated[
    Path | None,
    typer.Option(help=f"Database, sockets and logs. (default: HEARKEN_DATA_DIR or {default_data_folder()})"),
]
Models = Annotated[
    Path | None, typer.Option(help="The models file (TOML). (default: HEARKEN_MODELS or the packaged models)")
]
After = Annotated[int | None, typer.Option(hidden=True, help="A descriptor that says when the database is ready.")]


def main() -> None:
    """Run the command line. A start that is refused is one line on stderr and exit status 2."""
    try:
        app()
    except StartRefused as error:
        sys.exit(_one_line(error, 2))
    except (ClientError, FormatError, StackFailed) as error:
        sys.exit(_one_line(error, 1))
    except KeyboardInterrupt:
        sys.exit(130)


@app.command()
@needs("embedded", "`hearken serve`")
def serve(
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    models: Models = None,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
) -> None:
    """Serve everything from this machine: PostgreSQL, Redis, the API, workers and the sweeper, until Ctrl-C."""
    from hearken.cli.display import console, say_step
    from hearken.local.stack import Stack, StackPlan
    from models.settings import settings

    chosen = settings()
    plan = StackPlan(
        data_dir=data_dir or chosen.data_dir or default_data_folder(),
        host=host or chosen.host,
        port=chosen.port if port is None else port,
        models=models or chosen.models,
        workers=workers,
        auth=chosen.auth,
    )
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    stack = Stack(plan, say_step)
    asked_to_stop = threading.Event()
    _on_stop_signals(asked_to_stop)
    console.print(f"[bold]Hearken[/] on {plan.data_dir} [dim](logs in {plan.data_dir / 'logs'})[/]")
    try:
        url = stack.start()
        console.print(f"Serving at [bold]{url}[/] [dim](documentation at {url}/docs; Ctrl-C stops)[/]")
        while not asked_to_stop.wait(0.5):
            stack.supervise()
    except KeyboardInterrupt:
        pass
    finally:
        for number in _STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        stack.stop()
    console.print("Stopped.")


@app.command()
@needs("embedded", "`hearken demo`")
def demo(
    model: Annotated[
        str | None, typer.Option(help="A hub name (org/name) or a folder. (default: the packaged decoder)")
    ] = None,
    folder: Annotated[Path, typer.Option(help="Where the report, and where it can be the data, are kept.")] = Path(
        "demo"
    ),
) -> None:
    """Measure a sample conversation and compare four sample domains, from nothing to a report."""
    from hearken.cli.demo import run

    _end_as_interrupted_on_sigterm()
    run(folder, model)


@app.command()
@needs("server", "`hearken api`")
def api(
    listening: Annotated[int | None, typer.Option(hidden=True, help="A descriptor that listens already.")] = None,
    after: After = None,
) -> None:
    """Serve HTTP only; addresses come from the environment (HEARKEN_...)."""
    from hearken.local.processes import run_api

    run_api(listening, after)


@app.command()
@needs("server", "`hearken worker`")
def worker(
    name: Annotated[str, typer.Option(help="What its log and its claims call it.")] = "worker", after: After = None
) -> None:
    """Take work, one document batch at a time, for every model of the models file."""
    from hearken.local.processes import run_worker

    run_worker(name, after)


@app.command()
@needs("server", "`hearken beat`")
def beat() -> None:
    """Run the sweeper on its schedule: expired leases go back, lost wake-ups are sent again."""
    from hearken.local.processes import run_beat

    run_beat()


@app.command()
@needs("server", "`hearken migrate`")
def migrate() -> None:
    """Bring the database of HEARKEN_DATABASE_URL to this version's schema."""
    from hearken.local.processes import run_migrations
    from models.settings import settings

    run_migrations(settings().database_url)
    print("the database is at this version's schema")


@keys.command("create")
@needs("server", "`hearken keys create`")
def create_key(
    tenant: Annotated[str, typer.Option(help="Whose key it is; made if it does not exist.")],
    data_dir: DataDir = None,
) -> None:
    """Make a key and print it. It is shown this once: only its SHA-256 is kept.

    Acts on HEARKEN_DATABASE_URL where that is set, otherwise on the embedded database of the data folder.
    """
    from hearken.cli.keys import create

    folder = data_dir or (None if "HEARKEN_DATABASE_URL" in os.environ else default_data_folder())
    print(create(tenant, folder))


_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def _on_stop_signals(asked_to_stop: threading.Event) -> None:
    """The first signal ends a start that is under way, or the wait that follows it."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        asked_to_stop.set()
        raise KeyboardInterrupt

    for number in _STOP_SIGNALS:
        signal.signal(number, stop)


def _end_as_interrupted_on_sigterm() -> None:
    """Let SIGTERM end a command as Ctrl-C does, so that what it started is stopped."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def _one_line(error: Exception, status: int) -> int:
    print(f"hearken: {error}", file=sys.stderr)
    return status
