"""A worker that runs out of the GPU's memory makes smaller passes from then on, and loses no document."""

import logging
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from seeded_work import MODEL, add_job, job_row, states, words
from sqlalchemy import Engine

from attention.measure.analysis import FoundPasses, measure_passes
from attention.measure.batches import passes
from attention.model.memory_budget import pass_tokens
from attention.model.model import Model
from attention.text.documents import Rendered
from models.settings import ModelEntry, Settings
from workers.dispatch import Dispatcher
from workers.measuring import claim_run, model_registry
from workers.measuring.model_registry import ModelRegistry
from workers.process import WorkerProcess

pytestmark = pytest.mark.xdist_group("measuring")


@pytest.fixture
def new_worker(engine: Engine, celery_broker: str, caplog: pytest.LogCaptureFixture) -> Dispatcher:
    caplog.set_level(logging.INFO, logger="workers")
    del celery_broker
    models = ModelRegistry(engine, (ModelEntry(id=MODEL, packaged=True, default=True),), token_budget=16_384)
    return Dispatcher(WorkerProcess(engine, Settings(threads=1)), models, engine)


def hold(monkeypatch: pytest.MonkeyPatch, most: int) -> list[int]:
    """Let passes of more than `most` padded tokens run out of memory; gives the list of those that did."""
    tried: list[int] = []

    def measured(model: Model, documents: Sequence[Rendered], *, token_budget: int, **options: Any) -> FoundPasses:
        lengths = [len(window) for document in documents for window in document.windows]
        largest = max(max(lengths[n] for n in rows) * len(rows) for rows in passes(lengths, token_budget))
        if largest > most:
            tried.append(largest)
            raise torch.OutOfMemoryError("planted")
        return measure_passes(model, documents, token_budget=token_budget, **options)

    monkeypatch.setattr(claim_run, "measure_passes", measured)
    return tried


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.getMessage().startswith("out of memory")]


def test_the_budget_is_halved_until_passes_fit_and_that_is_remembered(
    engine: Engine, new_worker: Dispatcher, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried = hold(monkeypatch, 1024)
    new_worker.models.open(MODEL)
    new_worker.models.budgets[MODEL] = 4096
    with engine.begin() as connection:
        job_id = add_job(connection, [words(200, seed) for seed in range(24)])
    new_worker.answer_model(MODEL)
    assert states(engine, job_id) == {"done": 24}
    assert new_worker.models.budgets[MODEL] == 1024
    assert (len(tried), len(warnings(caplog))) == (2, 2)
    with engine.begin() as connection:
        again = add_job(connection, [words(200, seed) for seed in range(24, 40)])
    new_worker.answer_model(MODEL)
    assert states(engine, again) == {"done": 16}
    assert len(tried) == 2


def test_a_window_that_does_not_fit_alone_fails_its_document_and_no_other(
    engine: Engine, new_worker: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(monkeypatch, 256)
    new_worker.models.open(MODEL)
    new_worker.models.budgets[MODEL] = 512
    with engine.begin() as connection:
        job_id = add_job(connection, [words(330, 50), words(40, 51), words(40, 52)])
    for _ in range(2):  # documents of unlike lengths are claimed apart
        new_worker.answer_model(MODEL)
    assert states(engine, job_id) == {"done": 2, "failed": 1}
    assert job_row(engine, job_id).state == "succeeded"


def test_workers_of_one_machine_share_what_is_free(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_registry, "free_memory", lambda _device: 512 << 20)
    entries = (ModelEntry(id=MODEL, packaged=True, default=True),)
    alone, among_four = (
        ModelRegistry(engine, entries, token_budget=1 << 20, sharers=lambda count=count: count) for count in (1, 4)
    )
    opened = alone.open(MODEL).model
    among_four.open(MODEL)
    assert alone.budgets[MODEL] == pass_tokens(opened, 512 << 20, 1 << 20)
    assert among_four.budgets[MODEL] == pass_tokens(opened, 128 << 20, 1 << 20)
    assert among_four.budgets[MODEL] < alone.budgets[MODEL]
