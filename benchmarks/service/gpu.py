"""A whole worker on this machine's GPU: `python -m benchmarks.service.gpu [--model FOLDER ...] [--documents 4096]`.

Conversations of a job are claimed, rendered, measured on the GPU, folded and stored, by a worker with more and more
helpers. Beside it stands the engine alone, which has the same conversations rendered and stores nothing.
"""

import argparse
import time
from collections.abc import Sequence
from functools import partial
from itertools import cycle
from pathlib import Path

import torch

from attention.measure.analysis import PendingAnalysis, begin_analysis
from attention.measure.capture import CaptureOptions
from attention.model.model import Model
from attention.text.documents import Rendered
from benchmarks.machine import described, machine
from benchmarks.service.conversations import TOKENS, TURNS, rendered
from benchmarks.service.pipeline import RESULTS
from benchmarks.service.worker import PACKAGED, Bench, new_seeds, running_bench
from models.settings import ModelEntry
from workers.dispatch import pipeline_for

CLAIM = 256


class WatchedGpu:
    """The GPU, with an event in its queue before and after each group's passes."""

    def __init__(self) -> None:
        self._events: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    @property
    def busy(self) -> float:
        """Seconds from the first to the last launch's end of each group, added up."""
        torch.cuda.synchronize()
        return float(sum(begin.elapsed_time(end) for begin, end in self._events)) / 1000

    @property
    def idle(self) -> float:
        """The other seconds between the first group's begin and the last one's end."""
        torch.cuda.synchronize()
        return float(self._events[0][0].elapsed_time(self._events[-1][1])) / 1000 - self.busy

    def prepare(self, model: Model, documents: int) -> None:
        """See `Device`; compiles what passes of this size need."""
        own = [rendered(model, seed) for seed in new_seeds(documents)]
        for _ in range(2):
            begin_analysis(model, own, token_budget=documents * TOKENS).finish()

    def begin(
        self, model: Model, documents: Sequence[Rendered], *, token_budget: int, options: CaptureOptions | None = None
    ) -> PendingAnalysis:
        """See `Device`."""
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        begin.record()
        pending = begin_analysis(model, documents, token_budget=token_budget, options=options)
        end.record()
        self._events.append((begin, end))
        return pending

    def start_over(self) -> None:
        """See `Device`."""
        self._events = []


def engine_alone(model: Model, budget: int, documents: int) -> float:
    """Documents a second of passes one queued behind the other, of conversations that are rendered already."""
    size = min(CLAIM, budget // TOKENS)
    groups = cycle([[rendered(model, seed) for seed in new_seeds(size)] for _ in range(4)])
    before: PendingAnalysis | None = None
    done, begun = 0, time.perf_counter()
    while done < documents:
        group = next(groups)
        queued = begin_analysis(model, group, token_budget=budget)
        if before is not None:
            before.finish()
        before = queued
        done += len(group)
    assert before is not None
    before.finish()
    return done / (time.perf_counter() - begun)


def rows_of(bench: Bench, model_id: str, documents: int, helpers: Sequence[int]) -> list[str]:
    """The lines about one model."""
    loaded = bench.models.open(model_id)
    budget = bench.models.budget(model_id)
    engine_alone(loaded.model, budget, 4 * CLAIM)
    alone = engine_alone(loaded.model, budget, 16 * CLAIM)
    lines = []
    for number in helpers:
        found = bench.carried(
            documents, partial(pipeline_for, "cuda"), helpers=number, device=WatchedGpu(), model_id=model_id
        )
        lines.append(
            f"| {model_id} | {number} | {found.rate:,.0f} | {alone:,.0f} | {found.rate / alone:.2f} | "
            f"{100 * found.waited:.1f}% | {found.own_ms:.2f} | {found.helpers_ms:.2f} | {found.of_a_core:.0f} | "
            f"{found.postgres_ms:.2f} |"
        )
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, action="append", default=[], help="a folder, in place of the encoder")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--documents", type=int, default=4_096)
    parser.add_argument("--helpers", type=int, nargs="+", default=[0, 1, 2, 4, 8])
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    entries = [
        ModelEntry(id=path.name, path=path, dtype=chosen.dtype, default=not number)
        for number, path in enumerate(chosen.model)
    ]
    about = machine()
    lines = [
        "# A worker on a GPU",
        "",
        f"{about['gpu']}; {described(about)}.",
        "",
        f"Conversations of {TOKENS} tokens in {TURNS} turns, {chosen.documents:,} a line, {chosen.dtype}; PostgreSQL "
        "beside the worker on the same machine. Milliseconds are of processors, for each document.",
        "",
        "| model | helpers | documents a second | the engine alone | of it | the GPU waits between groups | ms of the "
        "worker | ms of its helpers | documents a second and core of both | ms of PostgreSQL |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    with running_bench(entries or [PACKAGED.model_copy(update={"dtype": chosen.dtype})]) as bench:
        for model_id in bench.models.ids:
            lines += rows_of(bench, model_id, chosen.documents, chosen.helpers)
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "gpu-worker.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
