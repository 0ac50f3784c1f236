"""A worker in the test's own process, on the database that a module's tests share."""

import logging
from pathlib import Path

import pytest
from seeded_work import MODEL
from sqlalchemy import Engine, delete, update

from models.settings import ModelEntry, Settings
from models.tables import comparison, outbox, work_item
from workers.dispatch import Dispatcher
from workers.measuring.model_registry import ModelRegistry
from workers.process import WorkerProcess


@pytest.fixture(scope="module")
def models(engine: Engine, request: pytest.FixtureRequest) -> ModelRegistry:
    """The packaged model, opened once a module, and one that cannot be opened; budgets of the module's TOKEN_BUDGET."""
    entries = (ModelEntry(id=MODEL, packaged=True, default=True), ModelEntry(id="nowhere", path=Path("/nonexistent")))
    return ModelRegistry(engine, entries, token_budget=getattr(request.module, "TOKEN_BUDGET", 16_384))


@pytest.fixture
def worker(engine: Engine, models: ModelRegistry, celery_broker: str, caplog: pytest.LogCaptureFixture) -> Dispatcher:
    """A worker whose log is read, without any work that tests before have left."""
    caplog.set_level(logging.INFO, logger="workers")
    del celery_broker
    with engine.begin() as connection:
        connection.execute(delete(work_item).where(work_item.c.state.in_(("queued", "running"))))
        connection.execute(delete(outbox))
        connection.execute(update(comparison).where(comparison.c.state == "queued").values(state="cancelled"))
    return Dispatcher(WorkerProcess(engine, Settings(threads=1)), models, engine)
