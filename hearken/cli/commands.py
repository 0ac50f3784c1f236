"""The client commands: analyze, compare, search, jobs, against a server or a stack started for the moment."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hearken.cli.data_home import default_data_folder
from hearken.cli.extras import needs
from hearken.cli.inputs import (
    Branches,
    Format,
    Layout,
    Names,
    ReadingOptions,
    Speaker,
    as_upload,
    one_document,
    read_file,
    speakers_of,
)
from hearken.errors import StartRefused

if TYPE_CHECKING:
    from hearken.client import Client
    from models.schemas.analyses import Analysis

Server = Annotated[
    str | None, typer.Option(help="The service's URL. (default: HEARKEN_SERVER, or an embedded stack for the moment)")
]
Key = Annotated[str | None, typer.Option(help="hk_... where the service asks for one. (default: HEARKEN_KEY)")]
DataDir = Annotated[Path | None, typer.Option(help="The embedded stack's data folder, where there is no --server.")]
ModelId = Annotated[str | None, typer.Option("--model", help="Which of the service's models. (default: its default)")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the service's answer as JSON.")]


def read(
    file: Annotated[Path, typer.Argument(help="Any transcript, data set or folder; - for stdin.")],
    transcript_format: Format = "auto",
    layout: Layout = "auto",
    speaker: Speaker = None,
    names: Names = "keep",
    branches: Branches = "preferred",
    as_json: AsJson = False,
) -> None:
    """Show what would be measured of a file: its format, turns and speakers, and what was decided. Measures nothing."""
    from hearken.cli.reading import show_reading

    show_reading(
        read_file(file, ReadingOptions(transcript_format, layout, speakers_of(speaker), names, branches)), as_json
    )


def analyze(
    file: Annotated[
        Path, typer.Argument(help="Any transcript, conversation, text or data set (docs/formats.md); - for stdin.")
    ],
    model: ModelId = None,
    domain: Annotated[str | None, typer.Option(help="What kind of text it is.")] = None,
    transcript_format: Format = "auto",
    layout: Layout = "auto",
    speaker: Speaker = None,
    names: Names = "keep",
    branches: Branches = "preferred",
    server: Server = None,
    key: Key = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Measure one conversation or text and show its metrics; of a data set, every document's."""
    from hearken.cli.display import console, job_progress, show_analysis, show_who_attends_to_whom
    from hearken.cli.reading import show_notes

    options = ReadingOptions(transcript_format, layout, speakers_of(speaker), names, branches)
    document = one_document(file, options)
    with connected(server, key, data_dir) as client:
        if document is None:
            _analyze_documents(client, file, options, model, domain, as_json)
            return
        with job_progress(file.name) as follow:
            analysis = client.analyze(document, model=model, domain=domain, on_progress=follow)
        analysis = _with_flow(client, analysis)
        if as_json:
            console.print_json(analysis.model_dump_json())
            return
        if "text" in document and file.suffix not in (".txt", ".md") and transcript_format == "auto":
            show_notes((f"{file.name} has the shape of no transcript and was measured as a text",))
        show_notes(analysis.reading.notes if analysis.reading else ())
        show_analysis(analysis)
        if analysis.turns is not None:
            show_who_attends_to_whom(analysis)


def _analyze_documents(
    client: "Client", file: Path, options: ReadingOptions, model: str | None, domain: str | None, as_json: bool
) -> None:
    from hearken.cli.display import console, job_progress, show_analyses
    from hearken.cli.reading import show_notes

    with as_upload(file) as path:
        dataset = client.upload_dataset(path, name=file.stem, domain=domain, **options.of_datasets())
    show_notes(dataset.reading.notes if dataset.reading is not None else ())
    with job_progress(file.name) as follow:
        job = client.wait(client.batch(dataset.id, model=model).id, on_progress=follow)
    measured = list(client.analyses(job_id=job.id))
    if as_json:
        console.print_json(f"[{','.join(entry.model_dump_json() for entry in measured)}]")
    else:
        show_analyses(measured)


def _with_flow(client: "Client", analysis: "Analysis") -> "Analysis":
    """The analysis with the flow between its turns; of very many turns without, which is said."""
    from hearken.errors import ProblemError

    try:
        return client.analysis(analysis.id, include=("flow",))
    except ProblemError as error:
        if not error.problem.type.endswith("/detail-too-large"):
            raise
        typer.echo(f"The flow between {analysis.turns} turns is too large to show at once and is left out.", err=True)
        return analysis


def compare(
    groups: Annotated[
        list[str],
        typer.Argument(metavar="NAME=FILE...", help="Groups of documents: data sets, or folders of transcripts."),
    ],
    out: Annotated[Path, typer.Option(help="Where to write the report.")] = Path("report.html"),
    model: ModelId = None,
    window_tokens: Annotated[int, typer.Option(help="Every document is read in windows of this size.")] = 256,
    seed: int = 0,
    first_window: Annotated[
        bool, typer.Option(help="Measure every document's first window too; its result stands beside the main one.")
    ] = True,
    map_layer: Annotated[
        list[int] | None, typer.Option(min=0, help="Draw maps of this layer too. May be given several times.")
    ] = None,
    layout: Layout = "auto",
    names: Names = "keep",
    branches: Branches = "preferred",
    control: Annotated[
        list[str] | None,
        typer.Option(
            help="Measure again with this taken away: untrained, shuffled_tokens, shuffled_turns, permuted_speakers. "
            "May be given several times."
        ),
    ] = None,
    server: Server = None,
    key: Key = None,
    data_dir: DataDir = None,
) -> None:
    """Compare groups of documents and write the report, one self-contained page."""
    from hearken.cli.display import console, job_progress, show_comparison
    from hearken.cli.reading import show_notes

    options = ReadingOptions(layout=layout, names=names, branches=branches)
    files = [_named_file(group) for group in groups]
    with connected(server, key, data_dir) as client:
        sides = []
        for name, path in files:
            with console.status(f"sending {path}"), as_upload(path) as upload:
                dataset = client.upload_dataset(upload, name=name, **options.of_datasets())
            show_notes(f"{name}: {note}" for note in (dataset.reading.notes if dataset.reading is not None else ()))
            sides.append({"name": name, "dataset_id": dataset.id})
        job = client.compare(
            sides,
            model=model,
            window_tokens=window_tokens,
            seed=seed,
            first_window=first_window,
            map_layers=map_layer or [],
            controls=control or [],
        )
        with job_progress("comparing") as follow:
            job = client.wait(job.id, on_progress=follow)
        assert job.result is not None
        show_comparison(client.comparison(job.result))
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(client.report(job.result), encoding="utf-8")
    console.print(f"Report: [bold]{out}[/]")


def search(
    text: Annotated[str, typer.Argument(help="What to look for.")],
    k: Annotated[int, typer.Option("-k", min=1, max=200, help="How many.")] = 10,
    turns: Annotated[bool, typer.Option(help="Search single turns instead of whole documents.")] = False,
    space: Annotated[
        Literal["embedding", "profile"], typer.Option(help="Near by meaning, or by how every head attends.")
    ] = "embedding",
    domain: Annotated[str | None, typer.Option(help="Only documents of this domain.")] = None,
    model: ModelId = None,
    server: Server = None,
    key: Key = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Find the stored documents or turns nearest to a text."""
    from hearken.cli.display import console, show_hits

    with connected(server, key, data_dir) as client:
        restriction = None if domain is None else {"domain": domain}
        scope: Literal["documents", "turns"] = "turns" if turns else "documents"
        with console.status("searching"):
            answer = client.search(text, space=space, scope=scope, k=k, model=model, filter=restriction)
        if as_json:
            console.print_json(answer.model_dump_json())
        else:
            show_hits(answer)


def jobs(
    limit: Annotated[int, typer.Option(min=1, help="How many of the newest.")] = 20,
    server: Server = None,
    key: Key = None,
    data_dir: DataDir = None,
) -> None:
    """List the newest jobs."""
    from hearken.cli.display import show_jobs

    with connected(server, key, data_dir) as client:
        show_jobs(list(islice(client.jobs(), limit)))


@contextmanager
def connected(server: str | None, key: str | None, data_dir: Path | None) -> "Iterator[Client]":
    """A client of `server`, else of the stack that runs on the data folder, else of one started for the moment."""
    from hearken.client import Client

    key = key or os.environ.get("HEARKEN_KEY")
    server = server or os.environ.get("HEARKEN_SERVER")
    with nullcontext(server) if server is not None else _on_this_machine(data_dir) as url, Client(url, key) as client:
        yield client


@contextmanager
def _on_this_machine(data_dir: Path | None) -> Iterator[str]:
    """The URL of the stack that runs on the data folder, else of one started for the moment."""
    from hearken.cli.display import console, say_step

    with needs("embedded", "a service on this machine", ", or say with --server where one runs"):
        from hearken.local.stack import Stack, StackPlan, running_on
        from models.settings import settings

    chosen = settings()
    folder = data_dir or chosen.data_dir or default_data_folder()
    running = running_on(folder)
    if running is not None:
        yield running[0]
        return
    plan = StackPlan(data_dir=folder, port=0, models=chosen.models, auth=chosen.auth)
    with Stack(plan, say_step if console.is_terminal else lambda _step, _seconds: None) as stack:
        yield stack.url


def _named_file(group: str) -> tuple[str, Path]:
    name, _, path = group.partition("=")
    if not name or not path:
        raise StartRefused(f"{group!r} is no group; write NAME=FILE, such as calls=calls.jsonl")
    if not Path(path).exists():
        raise StartRefused(f"{path} of group {name} is no file or folder")
    return name, Path(path)
