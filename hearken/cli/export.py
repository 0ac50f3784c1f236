"""`hearken export`: the analyses that match, as one file."""

from pathlib import Path
from typing import Annotated

import typer

from hearken.cli.commands import DataDir, Key, ModelId, Server, connected
from hearken.errors import StartRefused

ENDINGS = (".parquet", ".csv", ".jsonl")


def export(
    file: Annotated[Path, typer.Argument(help="What to write; .parquet, .csv or .jsonl says how.")],
    model: ModelId = None,
    domain: Annotated[str | None, typer.Option(help="Only documents of this domain.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Only documents of this data set (ds_...).")] = None,
    job: Annotated[str | None, typer.Option(help="Only this job's (job_...), a comparison's included.")] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Only with this label; repeatable.")
    ] = None,
    created_after: Annotated[str | None, typer.Option(help="Only later ones, such as 2026-11-01T00:00:00Z.")] = None,
    created_before: Annotated[str | None, typer.Option(help="Only earlier ones.")] = None,
    least: Annotated[
        list[str] | None, typer.Option("--min", metavar="METRIC=NUMBER", help="Only at least this; repeatable.")
    ] = None,
    most: Annotated[
        list[str] | None, typer.Option("--max", metavar="METRIC=NUMBER", help="Only at most this; repeatable.")
    ] = None,
    layers: Annotated[bool, typer.Option(help="One row a layer in place of one an analysis.")] = False,
    server: Server = None,
    key: Key = None,
    data_dir: DataDir = None,
) -> None:
    """Write every analysis that matches to a file, one row each, oldest first."""
    from hearken.cli.display import console

    if file.suffix not in ENDINGS:
        raise StartRefused(f"{file} does not end in {', '.join(ENDINGS)}, so it is not known how to write it")
    if not file.absolute().parent.is_dir():
        raise StartRefused(f"there is no folder {file.absolute().parent}")
    filters = {
        **_named("label.", label),
        **_named("min_", least),
        **_named("max_", most),
        "model": model,
        "domain": domain,
        "dataset_id": dataset,
        "job_id": job,
        "created_after": created_after,
        "created_before": created_before,
        "include": "layers" if layers else None,
    }
    with connected(server, key, data_dir) as client, console.status(f"writing {file}"):
        client.export(file, **filters)
    console.print(f"Written: [bold]{file}[/] ({file.stat().st_size:,} bytes)")


def _named(prefix: str, given: list[str] | None) -> dict[str, str]:
    """Filters of which each has a name of its own."""
    pairs = [pair.partition("=") for pair in given or ()]
    if wrong := ["".join(pair) for pair in pairs if not pair[0] or not pair[1]]:
        raise StartRefused(f"{wrong[0]!r} is no filter; write NAME=VALUE")
    return {f"{prefix}{name}": value for name, _, value in pairs}
