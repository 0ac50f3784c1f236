"""What a person sees in the terminal: steps, progress, and results as tables. No number is made here."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from attention.comparison.parts.documents import GroupSummary
from attention.comparison.parts.effects import Mean, PairTest
from attention.definitions import METRICS
from models.schemas.analyses import Analysis, AnalysisEntry
from models.schemas.comparisons import Comparison
from models.schemas.jobs import Job
from models.schemas.search import SearchAnswer
from models.states import JobState

UNITS = {metric.name: "" if metric.unit == "1" else metric.unit for metric in METRICS}
SHOWN_OF_A_TEXT = ("distance", "distance_without_sink", "entropy", "dispersion", "interdependency", "sink", "scaffold")
SHOWN_OF_TURNS = (
    "cross_turn",
    "cross_speaker",
    "own_history",
    "turn_distance",
    "cross_turn_lift",
    "cross_speaker_lift",
)
SHOWN_OF_SEVERAL = ("distance", "dispersion", "sink", "cross_speaker")
MOST_NAME = 20
SHOWN_SIDE_BY_SIDE = ("sink", "distance", "dispersion", "cross_speaker")
SHOWN_OF_A_COMPARISON = ("distance", "distance_without_sink", "entropy", "dispersion", "interdependency", "sink")

console = Console(highlight=False)


def say_step(step: str, seconds: float) -> None:
    """One thing that is done, and how long it took."""
    console.print(f"  [green]✓[/] {step} [dim]{seconds:.1f} s[/]")


def refuse(message: str, status: int = 2) -> None:
    """One line on stderr, then the exit status."""
    print(f"hearken: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(status)


def number(value: float | None, unit: str = "") -> str:
    """A value in three to four significant digits; a dash where it is undefined."""
    if value is None:
        return "–"
    digits = 3 if abs(value) < 10 else 2 if abs(value) < 100 else 1
    return f"{value:.{digits}f}{f' {unit}' if unit else ''}"


@contextmanager
def job_progress(title: str) -> Iterator[Callable[[Job], None]]:
    """A bar that follows a job: call what this gives with each state of it."""
    if not console.is_terminal:
        yield lambda _job: None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("[progress.description]{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=None, speed="")

        def follow(job: Job) -> None:
            counts = job.progress
            speed = "" if counts.tokens_per_second is None else f"{counts.tokens_per_second:,.0f} tokens/s"
            doing = f"{title}: {job.state}" if job.state in (JobState.QUEUED, JobState.SUMMARIZING) else title
            finished = counts.done + counts.failed + counts.cancelled
            progress.update(task, description=doing, total=counts.total, completed=finished, speed=speed)

        yield follow


def show_analysis(analysis: Analysis) -> None:
    """The metrics of one document, and what was read."""
    read = f"{analysis.tokens:,} tokens"
    if analysis.turns is not None:
        read += f", {analysis.turns} turns, {len(analysis.speakers)} speakers ({', '.join(analysis.speakers)})"
    if analysis.windows > 1:
        read += f", read in {analysis.windows} windows"
    if analysis.truncated:
        read += ", [yellow]truncated[/]"
    console.print(f"[bold]{analysis.model.id}[/] read {read}")
    names = SHOWN_OF_A_TEXT if analysis.turns is None else SHOWN_OF_A_TEXT + SHOWN_OF_TURNS
    values = analysis.metrics.model_dump()
    table = _table("metric", ">mean over layers", ">first layer", ">last layer", "unit")
    first, last = (analysis.layers[at].model_dump() for at in (0, -1))
    for name in names:
        row = [number(source.get(name)) for source in (values, first, last)]
        table.add_row(name.replace("_", " "), f"[bold]{row[0]}[/]", row[1], row[2], f"[dim]{UNITS[name]}[/]")
    console.print(table)


def show_who_attends_to_whom(analysis: Analysis) -> None:
    """Speakers by speakers: the share of a speaker's attention to content that goes to another's turns.

    The mean over layers of the flow between speakers; scaffold is left out and rows sum to 1.
    """
    if analysis.flow is None:
        return
    speakers = analysis.speakers
    table = _table("|who attends", *(f">to {name}" for name in speakers))
    table.caption = "shares of the attention on content, mean over layers"
    for name, row in zip(speakers, speaker_shares(analysis.flow.speakers.layers), strict=True):
        shown = [Text("–" if share is None else f"{share:.1%}", style=_shade(share)) for share in row]
        table.add_row(Text(name), *shown)
    console.print(table)


def speaker_shares(layers: Sequence[Sequence[Sequence[float | None]]]) -> list[list[float | None]]:
    """S x S: the mean over layers of S x (S+1) matrices, without their first column, each row made to sum to 1.

    Where a pair has no value in any layer it has none, and it is left out of its row's sum.
    """
    shares = []
    for rows in zip(*layers, strict=True):  # one row of every layer
        means = [_mean([value for value in column if value is not None]) for column in zip(*rows, strict=True)][1:]
        total = sum(mean for mean in means if mean is not None)
        shares.append([None if mean is None or total <= 0 else mean / total for mean in means])
    return shares


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def show_analyses(analyses: Sequence[AnalysisEntry], most: int = 20) -> None:
    """Several documents by their metrics, as many as one looks through."""
    headings = [">" + name.replace("_", "\n") for name in SHOWN_OF_SEVERAL]
    table = _table("|document", ">tokens", ">turns", *headings)
    for entry in analyses[:most]:
        values = entry.metrics.model_dump()
        turns = "–" if entry.turns is None else str(entry.turns)
        cells = [number(values[name]) for name in SHOWN_OF_SEVERAL]
        name = entry.external_id or entry.id
        shown = name if len(name) <= MOST_NAME else f"...{name[3 - MOST_NAME :]}"  # of a path the end tells most
        table.add_row(Text(shown), f"{entry.tokens:,}", turns, *cells)
    if len(analyses) > most:
        table.caption = f"{len(analyses) - most} more are measured; `hearken export` writes all"
    console.print(table)


def show_side_by_side(analyses: Sequence[Analysis], causal: Mapping[str, bool]) -> None:
    """One document under several models, where the models differ most; `causal` says which of them read one way."""
    table = _table("metric", *(f">{analysis.model.id}" for analysis in analyses), "unit")
    ways = ["back only" if causal[analysis.model.id] else "both ways" for analysis in analyses]
    table.add_row("reads", *ways, "")
    values = [analysis.metrics.model_dump() for analysis in analyses]
    for name in SHOWN_SIDE_BY_SIDE:
        cells = [number(each.get(name)) for each in values]
        table.add_row(name.replace("_", " "), *cells, f"[dim]{UNITS[name]}[/]")
    console.print(table)


def show_comparison(comparison: Comparison) -> None:
    """Groups by metrics, each a mean with its interval over documents; then the clearest differences and caveats."""
    study = comparison.study
    assert study is not None  # it has succeeded
    groups = [group.name for group in study.groups]
    table = _table("|metric", *(f">{name}" for name in groups))
    for name in SHOWN_OF_A_COMPARISON:
        cells = study.overall.get(name)
        if cells is not None:
            row = [_interval(cells.get(group)) for group in groups]
            table.add_row(f"{name.replace('_', ' ')}\n[dim]{UNITS[name]}[/]", *row)
    sizes = ", ".join(_documents(group) for group in study.groups)
    table.caption = f"means over documents with {comparison.request.confidence:.0%} intervals; documents: {sizes}"
    console.print(table)
    _show_clearest_differences(study.pairs)
    for warned in study.warnings:
        console.print(f"[yellow]note[/] {warned.message}", style="dim")


def show_hits(answer: SearchAnswer) -> None:
    """What is nearest, the nearest first."""
    table = _table(">score", "domain", "name", "begins")
    for hit in answer.items:
        name = hit.external_id or hit.analysis_id
        place = name if hit.turn is None else f"{name} turn {hit.turn}"
        table.add_row(
            number(hit.score), hit.domain or "", place, Text(" ".join(hit.snippet.split()), overflow="ellipsis")
        )
    console.print(table if answer.items else "nothing is stored that could be near")
    if answer.profile is not None and answer.profile.missing:
        console.print(f"{answer.profile.missing} more have no profile yet and are left out; ask again later")


def show_jobs(jobs: Sequence[Job]) -> None:
    """Jobs, newest first."""
    table = _table("|job", "kind", "state", ">done", ">failed", "|created (UTC)")
    for job in jobs:
        counts = job.progress
        created = f"{job.created_at.astimezone(UTC):%m-%d %H:%M:%S}"
        table.add_row(job.id, job.kind, job.state, f"{counts.done}/{counts.total}", str(counts.failed), created)
    console.print(table if jobs else "no jobs yet")
    for job in jobs:
        if job.state == JobState.FAILED:
            console.print(f"{job.id} failed: {job.message or job.reason}", markup=False)


def _table(*columns: str) -> Table:
    """A quiet table. A heading that begins with ``>`` is of numbers, with ``|`` of words that are never broken."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, caption_justify="left")
    for column in columns:
        justify: Literal["left", "right"] = "right" if column.startswith(">") else "left"
        table.add_column(column.lstrip(">|"), justify=justify, no_wrap=column[0] in ">|")
    return table


def _shade(share: float | None) -> str:
    if share is None:
        return "dim"
    return "bold green" if share >= 0.5 else "green" if share >= 0.25 else ""


def _show_clearest_differences(pairs: Sequence[PairTest], most: int = 5) -> None:
    overall = [pair for pair in pairs if pair.layer is None and pair.metric in SHOWN_OF_A_COMPARISON]
    clear = [
        (pair, pair.delta, pair.p_adjusted)
        for pair in overall
        if pair.delta is not None and pair.p_adjusted is not None and pair.p_adjusted < 0.05
    ]
    clear.sort(key=lambda one: -abs(one[1]))
    console.print(f"{len(clear)} of {len(overall)} pairwise differences above have an adjusted p below 0.05")
    for pair, delta, p in clear[:most]:
        higher, lower = (pair.a, pair.b) if delta > 0 else (pair.b, pair.a)
        console.print(
            f"  {pair.metric.replace('_', ' ')} is higher in [bold]{higher}[/] than in [bold]{lower}[/]: "
            f"Cliff's delta {abs(delta):.2f}, adjusted p {_chance(p)}"
        )


def _interval(cell: Mean | None) -> str:
    if cell is None or cell.mean is None:
        return "–"
    if cell.low is None:
        return number(cell.mean)
    return f"[bold]{number(cell.mean)}[/]\n[dim]{number(cell.low)}–{number(cell.high)}[/]"


def _documents(group: GroupSummary) -> str:
    return f"{group.name} {group.documents}" + (f" ({group.skipped_total} skipped)" if group.skipped_total else "")


def _chance(p: float) -> str:
    """A p as people write it; far below a thousandth its digits mean nothing."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
