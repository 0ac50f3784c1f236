"""What a worker does beside the forward: `python -m benchmarks.service.pipeline [--documents 4000] [--out FOLDER]`.

First the pipeline alone, between a stand-in device whose forward sleeps and stand-ins of rendering and storing that
keep the interpreter busy for a known share of their time. Then a whole worker on a real database with real
conversations, and a device that answers at once with what the packaged encoder once found: how many documents a second
its own processes carry for each core that they use. Last, on a machine without a GPU, threads beside the forward and
the real forward.
"""

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from attention.measure.pass_memory import CPU_TOKENS
from attention.model.model import Model
from benchmarks.machine import described, machine
from benchmarks.service.conversations import TOKENS, TURNS, conversation
from benchmarks.service.stack import MODEL
from benchmarks.service.worker import GPU_BUDGET, AnsweringDevice, Bench, new_seeds, running_bench
from models.work import WorkOptions
from workers.dispatch import pipeline_for
from workers.measuring.pipeline import Pipeline, SideBySide, TurnByTurn, prepared_ahead, run
from workers.measuring.rendering import ModelReader, read_documents

RESULTS = Path(__file__).parents[1] / "results"
FORWARD_SECONDS = 0.05
CLAIMS = 60


# The pipeline alone


def work_for(seconds: float, held: float) -> None:
    """Take so long, and keep the interpreter for this share of it."""
    end = time.thread_time() + seconds * held
    while time.thread_time() < end:
        pass
    time.sleep(seconds * (1 - held))


def device_waits(pipeline: Pipeline, aside: Callable[[], object], claims: int = CLAIMS) -> float:
    """The share of its time that a device waits whose forward takes `FORWARD_SECONDS`, `aside` before and after it."""
    left = iter(range(claims))
    span: list[float] = []

    def prepare() -> int | None:
        number = next(left, None)
        if number is not None:
            aside()
        return number

    def forwards() -> Any:
        for number in prepared_ahead(pipeline, prepare, alone=lambda _: False):
            span.append(time.perf_counter())
            time.sleep(FORWARD_SECONDS)
            span.append(time.perf_counter())
            yield number

    run(pipeline, forwards(), lambda _: aside())
    pipeline.close()
    forward = sum(end - begin for begin, end in zip(span[::2], span[1::2], strict=True))
    return 1 - forward / (span[-1] - span[0])


def stand_ins() -> list[tuple[str, float]]:
    """What is beside a device of 50 ms a claim, and the share of time that it waits."""
    each = 0.6 * FORWARD_SECONDS
    mixed = partial(work_for, each, 0.8)
    python = partial(work_for, each, 1.0)
    found = [
        ("turn by turn, 80% of it Python", device_waits(TurnByTurn(), mixed)),
        ("threads, 80% of it Python", device_waits(pipeline_for("cuda", 0), mixed)),
        ("threads, all of it Python", device_waits(pipeline_for("cuda", 0), python)),
    ]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for warm in [pool.submit(python) for _ in range(8)]:
            warm.result()
        waited = device_waits(pipeline_for("cuda", 2), lambda: pool.submit(python).result())
    found.append(("two processes, all of it Python", waited))
    return found


# Threads and the interpreter


def reading_in_threads(model: Model, documents: int = 256) -> float:
    """How many times as fast two threads render as one: 2 where neither keeps the interpreter from the other."""
    works = [(conversation(seed), WorkOptions()) for seed in new_seeds(documents)]
    reader = ModelReader.of(model)
    read_documents(reader, works)

    def timed(threads: int) -> float:
        with ThreadPoolExecutor(threads) as pool:
            begun = time.perf_counter()
            for future in [pool.submit(read_documents, reader, works) for _ in range(2 * threads)]:
                future.result()
            return (time.perf_counter() - begun) / threads

    return timed(1) / timed(2)


def rows_of(bench: Bench, documents: int) -> list[str]:
    """The lines about whole workers."""
    lines = [
        "| worker | device | documents a second | ms of the worker | ms of its helpers | documents a second and core | "
        "ms of PostgreSQL | the device waits |",
        "|---|---|---|---|---|---|---|---|",
    ]
    beside = partial(pipeline_for, "cuda")
    cases: list[tuple[str, Callable[[int], Pipeline], int, float]] = [
        ("threads", beside, 0, 0.0),
        ("1 helper", beside, 1, 0.0),
        ("2 helpers", beside, 2, 0.0),
        ("threads", beside, 0, 0.005),
        ("2 helpers", beside, 2, 0.005),
    ]
    for name, pipeline, helpers, seconds in cases:
        found = bench.carried(documents, pipeline, helpers=helpers, device=AnsweringDevice(seconds), budget=GPU_BUDGET)
        device = f"{1000 * seconds:g} ms a document" if seconds else "answers at once"
        waits = f"{100 * found.waited:.1f}%" if seconds else ""
        lines.append(
            f"| {name} | {device} | {found.rate:.0f} | {found.own_ms:.2f} | {found.helpers_ms:.2f} | "
            f"{found.of_a_core:.0f} | {found.postgres_ms:.2f} | {waits} |"
        )
        print(lines[-1], flush=True)
    return lines


def beside_the_forward(bench: Bench, documents: int, rounds: int = 3) -> str:
    """Threads against turn by turn where the forward is on the same processors."""
    ratios = []
    for number in range(rounds):
        ways: list[Callable[[int], Pipeline]] = [lambda _: TurnByTurn(), lambda _: SideBySide()]
        rates = [
            bench.carried(documents, way, device=None, budget=CPU_TOKENS).rate
            for way in (ways if number % 2 else ways[::-1])
        ]
        alone, threads = rates if number % 2 else rates[::-1]
        ratios.append(threads / alone)
        print(f"threads {threads:.1f}, turn by turn {alone:.1f}", flush=True)
    ratios.sort()
    return (
        f"Where the forward is on the same processors, threads carry {ratios[len(ratios) // 2]:.2f} times what turn by "
        f"turn does ({ratios[0]:.2f} to {ratios[-1]:.2f} in {rounds} pairs of {documents} documents)."
    )


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=4_096)
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    about = machine()
    alone = stand_ins()
    for name, waited in alone:
        print(f"{name}: {100 * waited:.1f}%", flush=True)
    with running_bench() as bench:
        together = reading_in_threads(bench.models.open(MODEL).model)
        print(f"two threads render {together:.2f} times as fast as one", flush=True)
        rows = rows_of(bench, chosen.documents)
        cpu = beside_the_forward(bench, min(128, chosen.documents))
    lines = [
        "# A worker's pipeline",
        "",
        f"{described(about)}.",
        "",
        f"A device whose forward sleeps {1000 * FORWARD_SECONDS:.0f} ms a claim, rendering and storing of "
        f"{600 * FORWARD_SECONDS:.0f} ms each, {CLAIMS} claims; wanted with threads and 80% of it Python, and with "
        "processes and all of it Python: at most 3%.",
        "",
        "| beside the forward | the device waits |",
        "|---|---|",
        *(f"| {name} | {100 * waited:.1f}% |" for name, waited in alone),
        "",
        f"A whole worker, conversations of {TOKENS} tokens in {TURNS} turns as the packaged encoder's size has them, "
        f"{chosen.documents:,} documents a line, on a device that gives what the encoder once found; PostgreSQL beside "
        "it on the same machine. Wanted: 400 documents a second and core of its own processes.",
        "",
        *rows,
        "",
        f"Two threads render {together:.2f} times as fast as one. {cpu}",
    ]
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "pipeline.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
