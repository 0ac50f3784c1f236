"""A whole worker in this process, on a real database with real conversations: what it carries, and what that takes."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, ClassVar, Protocol
from unittest.mock import patch

from sqlalchemy import Engine, create_engine, insert, select, text

from attention.measure import analysis
from attention.measure.analysis import FoundPasses
from attention.measure.batches import passes
from attention.measure.capture import CaptureOptions, PassMeasures
from attention.model.model import Model
from attention.text.documents import Rendered
from benchmarks.service.conversations import TOKENS, conversation, rendered
from benchmarks.service.family import HERE, processor_seconds, spent_between
from benchmarks.service.stack import MODEL
from hearken.local import PostgresServer, RedisServer, temporary_folder
from models.identifiers import new_identifier
from models.settings import ModelEntry, Settings
from models.tables import BACKGROUND, LOCAL_TENANT, document, job, work_item
from models.work import WorkOptions, content_digest, request_key
from workers import dispatch
from workers.app import app
from workers.dispatch import Dispatcher
from workers.measuring import claim_run
from workers.measuring.helpers import HelperProcesses
from workers.measuring.model_registry import ModelRegistry
from workers.measuring.pipeline import Pipeline
from workers.process import WorkerProcess

GPU_BUDGET = 131_072
"""Tokens of a pass on a GPU, which holds more than a claim of 256 of these conversations."""
PACKAGED = ModelEntry(id=MODEL, packaged=True, default=True)
_seeds = count(100_000)


def new_seeds(number: int) -> list[int]:
    """Seeds of so many conversations that nobody had before."""
    return [next(_seeds) for _ in range(number)]


class Device(Protocol):
    """Where a worker's forward passes are made."""

    @property
    def busy(self) -> float:
        """Seconds in which it made some."""

    @property
    def idle(self) -> float:
        """Seconds between them."""

    def prepare(self, model: Model, documents: int) -> None:
        """Be ready for a pass over so many."""

    def begin(
        self, model: Model, documents: Sequence[Rendered], *, token_budget: int, options: CaptureOptions | None = None
    ) -> Any:
        """In place of `begin_analysis`."""

    def start_over(self) -> None:
        """Forget how long it was busy and idle."""


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
        """See `Device`: measure so many once, as a pass of a GPU would."""
        if documents in self.known:
            return
        own = [rendered(model, seed) for seed in new_seeds(documents)]
        self.known[documents] = list(analysis.measure_passes(model, own, token_budget=GPU_BUDGET).measures)

    def begin(
        self, model: Model, documents: Sequence[Rendered], *, token_budget: int, options: CaptureOptions | None = None
    ) -> "Pending":
        """See `Device`."""
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
        """See `Device`."""
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
    own_ms: float
    helpers_ms: float
    postgres_ms: float
    waited: float

    @property
    def of_a_core(self) -> float:
        """Documents a second for each core that the worker's own processes use."""
        return 1000 / (self.own_ms + self.helpers_ms)


def plant(engine: Engine, documents: int, model_id: str = MODEL) -> None:
    """A batch job of so many conversations."""
    job_id = new_identifier("job")
    options = WorkOptions()
    stated = options.model_dump(mode="json")
    contents = [conversation(seed) for seed in new_seeds(documents)]
    digests = [content_digest(each) for each in contents]
    mine = {"tenant_id": LOCAL_TENANT}
    rows = [
        {"id": new_identifier("doc"), **mine, "position": place, "content": content, "content_sha256": digest,
         "characters": 1_000}
        for place, (content, digest) in enumerate(zip(contents, digests, strict=True))
    ]  # fmt: skip
    items = [
        {**mine, "job_id": job_id, "document_id": row["id"], "model_id": model_id, "options": stated,
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

    def __init__(self, postgres: PostgresServer, entries: Sequence[ModelEntry] = (PACKAGED,)) -> None:
        self.engine = create_engine(postgres.url, pool_size=10)
        self.models = ModelRegistry(self.engine, tuple(entries), token_budget=None)

    def carried(
        self,
        documents: int,
        pipeline: Callable[[int], Pipeline],
        *,
        helpers: int = 0,
        device: Device | None,
        budget: int | None = None,
        model_id: str = MODEL,
    ) -> Carried:
        """Have a worker do a job of so many, on this device or with the encoder itself."""
        made = HelperProcesses(helpers, self.engine) if helpers else None
        settings = Settings(threads=os.cpu_count() if device is None else 1)
        worker = Dispatcher(WorkerProcess(self.engine, settings), self.models, self.engine, made)
        loaded = self.models.open(model_id)
        if budget is not None:
            self.models.budgets[model_id] = budget
        try:
            with (
                in_place_of_the_encoder(device),
                patch.object(dispatch, "pipeline_for", lambda _, number: pipeline(number)),
            ):
                if device is not None:
                    for number in (256, documents % 256):
                        if number:
                            device.prepare(loaded.model, number)
                    plant(self.engine, min(documents, 512 + 256 * helpers), model_id)
                    worker.answer_model(model_id)
                    device.start_over()
                plant(self.engine, documents, model_id)
                before, worked = processor_seconds(), time.process_time()
                begun = time.perf_counter()
                worker.answer_model(model_id)
                seconds = time.perf_counter() - begun
                used = time.process_time() - worked
                others = spent_between(before, processor_seconds())
        finally:
            if made is not None:
                made.close()
        self._check(documents)
        waited = 0.0 if device is None else device.idle / (device.idle + device.busy or 1.0)
        each = 1000 / documents
        return Carried(
            documents / seconds, used * each, others.get(HERE, 0.0) * each, others["postgres"] * each, waited
        )

    def _check(self, documents: int) -> None:
        with self.engine.connect() as connection:
            left = connection.execute(select(work_item.c.state, work_item.c.id).where(work_item.c.state != "done"))
            if wrong := left.all():
                raise RuntimeError(f"{len(wrong)} of {documents} documents were not measured: {wrong[:3]}")


@contextmanager
def running_bench(entries: Sequence[ModelEntry] = (PACKAGED,)) -> Iterator[Bench]:
    """A bench on a database and a broker of its own, which are gone afterwards."""
    from migrations.run import upgrade

    with temporary_folder() as folder, PostgresServer(folder) as postgres, RedisServer(folder) as broker:
        os.environ["HEARKEN_DATABASE_URL"] = postgres.url
        app.conf.broker_url = broker.url
        upgrade(postgres.url)
        bench = Bench(postgres, entries)
        try:
            yield bench
        finally:
            bench.engine.dispose()


@contextmanager
def in_place_of_the_encoder(device: Device | None) -> Iterator[None]:
    """The device answers in place of the encoder, where there is one."""
    if device is None:
        yield
    else:
        with patch.object(claim_run, "begin_analysis", device.begin):
            yield
