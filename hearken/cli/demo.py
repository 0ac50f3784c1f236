"""The demonstration: one conversation and four domains through the real service, a summary here, and a report page."""

import hashlib
import json
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path

from rich.rule import Rule
from rich.text import Text

from hearken.cli.data_home import default_data_folder
from hearken.cli.display import (
    console,
    job_progress,
    say_step,
    show_analysis,
    show_comparison,
    show_side_by_side,
    show_who_attends_to_whom,
)
from hearken.client import Client
from hearken.errors import StartRefused
from hearken.local.stack import Stack, StackPlan
from hearken.local.unix_account import closed_step
from hearken.packages import FOLDER
from models.schemas.comparisons import Comparison
from models.schemas.datasets import Dataset
from models.settings import PACKAGED

SAMPLES = FOLDER / "samples"
DOMAINS = ("conversation", "web", "code", "mathematics")
WINDOW_TOKENS = 256
_ANYBODY = 65_519


def run(folder: Path, model: str | None = None) -> None:
    """Run the demonstration; the report and, where it can be, the data are kept in `folder`.

    `model` names one of the hub's (``org/name``) or a folder with a model; None is the packaged decoder, beside which
    the packaged encoder is shown.
    Raises `StartRefused`, `StackFailed` or a `ClientError`, each with one line that says what to do.
    """
    began = time.monotonic()
    _refuse_missing_samples()
    folder.mkdir(parents=True, exist_ok=True)
    models_file = None if model is None else write_models_file(folder, model)
    plan = StackPlan(data_dir=_data_folder(folder), port=0, models=models_file)
    console.print(Rule("[bold]Hearken[/]: how a language model attends to human conversation", align="left"))
    console.print(f"Starting the service on {plan.data_dir}")
    with Stack(plan, say_step) as stack, Client(stack.url) as client:
        _listen_to_a_conversation(client)
        report = _compare_the_domains(client, folder)
    console.print(f"\nReport: [bold]{report}[/] [dim](one self-contained page; open it in a browser)[/]")
    in_a_clone = (FOLDER / "Makefile").is_file()
    serve, hearken = ("make serve", ".venv/bin/hearken") if in_a_clone else ("hearken serve", "hearken")
    console.print(f"Next: [bold]{serve}[/], then [bold]{hearken} analyze FILE[/]")
    console.print(f"[dim]Everything is stopped again; it took {time.monotonic() - began:.0f} s.[/]")


def _listen_to_a_conversation(client: Client) -> None:
    document = json.loads((SAMPLES / "conversation.json").read_text(encoding="utf-8"))
    turns = document["turns"]
    console.print(Rule("One conversation", align="left"))
    for turn in turns[:3]:
        line = Text.assemble("  ", (turn["speaker"], "cyan"), " ", (turn["text"], "dim"))
        console.print(line, no_wrap=True, overflow="ellipsis")
    console.print(f"  [dim]... {len(turns) - 3} more turns[/]\n")
    with job_progress("measuring the conversation") as follow:
        analysis = client.analyze(
            {"turns": turns}, domain="conversation", external_id="sample", include=("flow",), on_progress=follow
        )
    show_analysis(analysis)
    show_who_attends_to_whom(analysis)
    decoder, encoder = PACKAGED
    if analysis.model.id == decoder and encoder in {model.id for model in client.models()}:
        with job_progress(f"measuring it with {encoder}") as follow:
            other = client.analyze({"turns": turns}, model=encoder, external_id="sample", on_progress=follow)
        console.print("\nA decoder puts much of its attention on the first token, its sink; an encoder needs none:")
        show_side_by_side([analysis, other], {model.id: bool(model.causal) for model in client.models()})


def _compare_the_domains(client: Client, folder: Path) -> Path:
    console.print(Rule("Four domains against each other", align="left"))
    known = {dataset.sha256: dataset for dataset in client.datasets()}
    datasets = [_stored(client, known, SAMPLES / f"{domain}.jsonl", domain) for domain in DOMAINS]
    counts = ", ".join(f"{dataset.name} {dataset.documents}" for dataset in datasets)
    console.print(f"Documents: {counts}; windows of {WINDOW_TOKENS} tokens\n")
    comparison = _compared(client, datasets)
    show_comparison(comparison)
    report = folder / "report.html"
    report.write_text(client.report(comparison.id), encoding="utf-8")
    return report


def _stored(client: Client, known: dict[str, Dataset], path: Path, domain: str) -> Dataset:
    """The data set of `path`: the one that an earlier run sent, where the bytes are the same."""
    found = known.get(hashlib.sha256(path.read_bytes()).hexdigest())
    return found or client.upload_dataset(path, name=domain, domain=domain)


def _compared(client: Client, datasets: Sequence[Dataset]) -> Comparison:
    groups = [{"name": dataset.name, "dataset_id": dataset.id} for dataset in datasets]
    job = client.compare(groups, window_tokens=WINDOW_TOKENS, seed=0)
    with job_progress("measuring and comparing") as follow:
        job = client.wait(job.id, on_progress=follow)
    assert job.result is not None
    return client.comparison(job.result)


def write_models_file(folder: Path, model: str) -> Path:
    """A models file with the one model that was asked for, a hub's at its newest commit, and its path.

    Raises `StartRefused` with what to do where the hub cannot be reached or does not have it.
    """
    place = Path(model).expanduser()
    if place.is_dir():
        entry = {"id": _identity(place.resolve().name), "path": str(place.resolve())}
    else:
        entry = {"id": _identity(model.rpartition("/")[2]), "hub": model, "revision": _newest_revision(model)}
    lines = ["[[model]]", *(f"{key} = {json.dumps(value)}" for key, value in entry.items()), "default = true", ""]
    target = folder / "models.toml"
    target.write_text("\n".join(lines), encoding="utf-8")
    return target


def _newest_revision(model: str) -> str:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, RepositoryNotFoundError

    instead = "or download it elsewhere and give its folder: make demo MODEL=/path/to/folder"
    try:
        revision = HfApi().model_info(model, timeout=15).sha
    except HFValidationError:
        raise StartRefused(f"{model!r} is neither a folder nor a hub name such as org/name") from None
    except GatedRepoError:
        raise StartRefused(
            f"{model} asks for a licence: accept it on its hub page and set HF_TOKEN, {instead}"
        ) from None
    except RepositoryNotFoundError:
        raise StartRefused(f"the hub has no public model {model}; check the name, or set HF_TOKEN, {instead}") from None
    except Exception as error:
        if not isinstance(error, (HfHubHTTPError, OSError)) and not _is_of_the_network(error):
            raise
        raise StartRefused(
            f"the model hub cannot be reached for {model} ({type(error).__name__}); check the network, or set "
            f"HTTPS_PROXY or HF_ENDPOINT, {instead}, or leave MODEL out for the packaged {PACKAGED[0]}"
        ) from None
    if revision is None:
        raise StartRefused(f"the hub names no revision of {model}; {instead}")
    return revision


def _is_of_the_network(error: Exception) -> bool:
    """Whether the hub's library failed to send or receive: which HTTP client it uses differs between its versions."""
    return any(kind.__name__ in ("RequestError", "HTTPError", "TransportError") for kind in type(error).__mro__)


def _identity(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", name).lstrip("._-")[:100] or "model"


def _data_folder(folder: Path) -> Path:
    """Inside `folder`, unless we are root and the servers' own user could not reach it there."""
    if os.geteuid() == 0 and closed_step(folder, _ANYBODY) is not None:
        elsewhere = default_data_folder() / "demo"
        console.print(f"[dim]{folder} is closed to the database's own user, so the data is kept in {elsewhere}[/]")
        return elsewhere
    return folder / "data"


def _refuse_missing_samples() -> None:
    wanted = [SAMPLES / "conversation.json", *(SAMPLES / f"{domain}.jsonl" for domain in DOMAINS)]
    missing = [path.name for path in wanted if not path.is_file()]
    if missing:
        raise StartRefused(f"the samples {', '.join(missing)} are not in {SAMPLES}; install Hearken again")
