"""What a worker does beside the forward: `python -m benchmarks.service.pipeline [--documents 4000] [--out FOLDER]`.

First the pipeline alone, between a stand-in device whose forward sleeps and stand-ins of rendering and storing that
keep the interpreter busy for a known share of their time. Then a whole worker on a real database with real
conversations, and a device that answers at once with what the packaged encoder once found: how many documents a second
its own processes carry for each core that they use. Last, on a machine without a GPU, threads beside the forward and
the real forward.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

from sqlalchemy import Engine, create_engine, insert, select, text

from attention.measure import analysis
from attention.measure.analysis import FoundPasses
from attention.measure.batches import passes
from attention.measure.capture import CaptureOptions, PassMeasures
from attention.measure.pass_memory import CPU_TOKENS
from attention.model.model import Model
from attention.text.documents import Rendered
from benchmarks.machine import described, machine
from benchmarks.service.conversations import TOKENS, TURNS, conversation, rendered
from benchmarks.service.family import HERE, processor_seconds, spent_between
from benchmarks.service.stack import MODEL
from hearken.local import PostgresServer, RedisServer, temporary_folder
from models.identifiers import new_identifier
from models.settings import ModelEntry, Settings
from models.tables import BACKGROUND, LOCAL_TENANT, document, job, work_item
from models.work import WorkOptions, content_digest, request_key
from workers import dispatch
from workers.app import app
from workers.dispatch import Dispatcher, pipeline_for
from workers.measuring import claim_run
from workers.measuring.helpers import HelperProcesses
from workers.measuring.model_registry import ModelRegistry
from workers.measuring.pipeline import Pipeline, SideBySide, TurnByTurn, prepared_ahead, run
from workers.measuring.rendering import ModelReader, read_documents
from workers.process import WorkerProcess

RESULTS = Path(__file__).parents[1] / "results"
GPU_BUDGET = 131_072
"""Tokens of a pass on a GPU, which holds more than a claim of 256 of these conversations."""
FORWARD_SECONDS = 0.05
CLAIMS = 60
_seeds = count(100_000)


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


# A whole worker


class AnsweringDevice:
    """Stands in for a device: after `seconds` for each document it gives what the encoder found in one like it.

    Every conversation has the same turns of the same lengths, so that what was found in some fits any others.
    """

    known: ClassVar[dict[int, list[PassMeasures]]] = {}

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.idle = self.busy = 0.0
        self._free_at: float | None = None

    def prepare(self, model: Model, documents: int) -> None:
        """Measure so many once, as a pass of a GPU would."""
        if documents in self.known:
            return
        own = [rendered(model, next(_seeds)) for _ in range(documents)]
        self.known[documents] = list(analysis.measure_passes(model, own, token_budget=GPU_BUDGET).measures)

    def begin(
        self, model: Model, documents: Sequence[Rendered], *, token_budget: int, options: CaptureOptions | None = None
    ) -> "Pending":
        """In place of `begin_analysis`."""
        self.prepare(model, len(documents))
        now = time.perf_counter()
        if self._free_at is not None:
            self.idle += max(0.0, now - self._free_at)
        begins = max(now, self._free_at or now)
        seconds = self.seconds * len(documents)
        self._free_at = begins + seconds
        self.busy += seconds
        lengths = [len(window) for each in documents for window in each.all_windows]
        found = FoundPasses(
            documents,
            options or CaptureOptions(),
            passes(lengths, token_budget),
            self.known[len(documents)],
            [1000 * seconds],
        )
        return Pending(self._free_at, found)

    def start_over(self) -> None:
        """Forget how long it was busy and waited."""
        self.idle = self.busy = 0.0
        self._free_at = None


@dataclass(frozen=True, slots=True)
class Pending:
    """In place of `PendingAnalysis`."""

    ends: float
    found: FoundPasses

    def finish(self, not_before: float = 0.0) -> FoundPasses:
        """See `PendingAnalysis`."""
        del not_before
        time.sleep(max(0.0, self.ends - time.perf_counter()))
        return self.found


@dataclass(frozen=True, slots=True)
class Carried:
    """What a worker carried: documents a second, and milliseconds on the processors for each."""

    rate: float
    worker_ms: float
    postgres_ms: float
    waited: float

    @property
    def of_a_core(self) -> float:
        """Documents a second for each core that the worker's own processes use."""
        return 1000 / self.worker_ms


def plant(engine: Engine, documents: int) -> None:
    """A batch job of so many conversations."""
    job_id = new_identifier("job")
    options = WorkOptions()
    stated = options.model_dump(mode="json")
    contents = [conversation(next(_seeds)) for _ in range(documents)]
    digests = [content_digest(each) for each in contents]
    mine = {"tenant_id": LOCAL_TENANT}
    rows = [
        {"id": new_identifier("doc"), **mine, "position": place, "content": content, "content_sha256": digest,
         "characters": 1_000}
        for place, (content, digest) in enumerate(zip(contents, digests, strict=True))
    ]  # fmt: skip
    items = [
        {**mine, "job_id": job_id, "document_id": row["id"], "model_id": MODEL, "options": stated,
         "request_key": request_key(digest, options, None), "priority": BACKGROUND, "estimated_tokens": TOKENS}
        for row, digest in zip(rows, digests, strict=True)
    ]  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(job).values(id=job_id, **mine, kind="batch", request={}, total=documents))
        connection.execute(insert(document), rows)
        connection.execute(insert(work_item), items)
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("ANALYZE"))


class Bench:
    """A database with a worker in this process."""

    def __init__(self, postgres: PostgresServer) -> None:
        self.engine = create_engine(postgres.url, pool_size=10)
        entry = ModelEntry(id=MODEL, packaged=True, default=True)
        self.models = ModelRegistry(self.engine, (entry,), token_budget=GPU_BUDGET)

    def carried(
        self, documents: int, pipeline: Callable[[int], Pipeline], *, helpers: int = 0, device: AnsweringDevice | None
    ) -> Carried:
        """Have a worker do a job of so many, beside this device or with the encoder itself."""
        made = HelperProcesses(helpers, self.engine) if helpers else None
        settings = Settings(threads=os.cpu_count() if device is None else 1)
        worker = Dispatcher(WorkerProcess(self.engine, settings), self.models, self.engine, made)
        budget = CPU_TOKENS if device is None else GPU_BUDGET
        loaded = self.models.open(MODEL)
        self.models.budgets[MODEL] = budget
        try:
            with (
                in_place_of_the_encoder(device),
                patch.object(dispatch, "pipeline_for", lambda _, number: pipeline(number)),
            ):
                if device is not None:
                    for number in (256, documents % 256):
                        if number:
                            device.prepare(loaded.model, number)
                    plant(self.engine, min(documents, 512))
                    worker.answer_model(MODEL)
                    device.start_over()
                plant(self.engine, documents)
                before, worked = processor_seconds(), time.process_time()
                begun = time.perf_counter()
                worker.answer_model(MODEL)
                seconds = time.perf_counter() - begun
                others = spent_between(before, processor_seconds())
                used = time.process_time() - worked + others.get(HERE, 0.0)
        finally:
            if made is not None:
                made.close()
        self._check(documents)
        waited = 0.0 if device is None else device.idle / (device.idle + device.busy or 1.0)
        return Carried(documents / seconds, 1000 * used / documents, 1000 * others["postgres"] / documents, waited)

    def _check(self, documents: int) -> None:
        with self.engine.connect() as connection:
            left = connection.execute(select(work_item.c.state, work_item.c.id).where(work_item.c.state != "done"))
            if wrong := left.all():
                raise RuntimeError(f"{len(wrong)} of {documents} documents were not measured: {wrong[:3]}")


@contextmanager
def in_place_of_the_encoder(device: AnsweringDevice | None) -> Any:
    """The device answers in place of the encoder, where there is one."""
    if device is None:
        yield
    else:
        with patch.object(claim_run, "begin_analysis", device.begin):
            yield


# Threads and the interpreter


def reading_in_threads(model: Model, documents: int = 256) -> float:
    """How many times as fast two threads render as one: 2 where neither keeps the interpreter from the other."""
    works = [(conversation(next(_seeds)), WorkOptions()) for _ in range(documents)]
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
        "| worker | device | documents a second | ms of its own processes | documents a second and core | ms of "
        "PostgreSQL | the device waits |",
        "|---|---|---|---|---|---|---|",
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
        found = bench.carried(documents, pipeline, helpers=helpers, device=AnsweringDevice(seconds))
        device = f"{1000 * seconds:g} ms a document" if seconds else "answers at once"
        waits = f"{100 * found.waited:.1f}%" if seconds else ""
        lines.append(
            f"| {name} | {device} | {found.rate:.0f} | {found.worker_ms:.2f} | {found.of_a_core:.0f} | "
            f"{found.postgres_ms:.2f} | {waits} |"
        )
        print(lines[-1], flush=True)
    return lines


def beside_the_forward(bench: Bench, documents: int, rounds: int = 3) -> str:
    """Threads against turn by turn where the forward is on the same processors."""
    ratios = []
    for number in range(rounds):
        ways: list[Callable[[int], Pipeline]] = [lambda _: TurnByTurn(), lambda _: SideBySide()]
        rates = [bench.carried(documents, way, device=None).rate for way in (ways if number % 2 else ways[::-1])]
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
    from migrations.run import upgrade

    with temporary_folder() as folder, PostgresServer(folder) as postgres, RedisServer(folder) as broker:
        os.environ["HEARKEN_DATABASE_URL"] = postgres.url
        app.conf.broker_url = broker.url
        upgrade(postgres.url)
        bench = Bench(postgres)
        together = reading_in_threads(bench.models.open(MODEL).model)
        print(f"two threads render {together:.2f} times as fast as one", flush=True)
        rows = rows_of(bench, chosen.documents)
        cpu = beside_the_forward(bench, min(128, chosen.documents))
        bench.engine.dispose()
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
