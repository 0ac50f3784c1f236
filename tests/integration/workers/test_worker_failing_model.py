"""What fails as a model opens or reads is the model's state; one document that it fails on is that document's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from seeded_work import add_job
from sqlalchemy import Engine, create_engine, delete, func, select, text
from sqlalchemy.exc import OperationalError
from tiny_models import tiny_model

from models.settings import ModelEntry, Settings
from models.tables import model, model_version, work_item
from workers.dispatch import Dispatcher
from workers.measuring.model_registry import ModelRegistry
from workers.process import WorkerProcess

pytestmark = pytest.mark.xdist_group("measuring")

MODEL = "fragile"
WIDTH = 40
SEEDS = count(1)
SHORT, LONG = "Are you coming?", "Are you coming to the lake tonight? " * 6


@pytest.fixture
def fragile(engine: Engine, celery_broker: str, tmp_path: Path) -> Dispatcher:
    """A worker with one small model, of which each test breaks something."""
    del celery_broker
    entries = (ModelEntry(id=MODEL, path=tiny_model(tmp_path, "qwen2"), default=True),)
    return Dispatcher(WorkerProcess(engine, Settings(threads=1)), ModelRegistry(engine, entries, 4096), engine)


def outcomes(engine: Engine, job_id: str) -> list[tuple[str, str | None]]:
    with engine.connect() as connection:
        wanted = select(work_item.c.state, work_item.c.reason).where(work_item.c.job_id == job_id)
        return [(row[0], row[1]) for row in connection.execute(wanted.order_by(work_item.c.id))]


def state_of(engine: Engine) -> Any:
    with engine.connect() as connection:
        return connection.execute(select(model).where(model.c.id == MODEL)).one()


def break_on(worker: Dispatcher, fails: Any) -> None:
    network = worker.models.open(MODEL).model.network

    def check(_module: Any, _given: Any, keywords: dict[str, Any]) -> None:
        if fails(keywords["input_ids"]):
            raise RuntimeError("the size of tensor a must match the size of tensor b")

    network.register_forward_pre_hook(check, with_kwargs=True)


def test_a_network_that_fails_on_any_text_of_a_length_is_refused_with_its_reason(
    engine: Engine, fragile: Dispatcher
) -> None:
    break_on(fragile, lambda ids: ids.shape[1] > 40)
    with engine.begin() as connection:
        job_id = add_job(connection, [{"text": SHORT}, {"text": LONG}], model=MODEL)
    for _ in range(2):
        fragile.answer_model(MODEL)
    assert outcomes(engine, job_id) == [("done", None), ("failed", "capture-failed")]
    told = state_of(engine)
    assert (told.state, told.reason) == ("refused", "capture-failed")
    assert "whatever it says (RuntimeError: the size of tensor a" in told.message


def test_a_network_that_fails_on_one_document_goes_on_with_the_others(engine: Engine, fragile: Dispatcher) -> None:
    tokenizer = fragile.models.open(MODEL).model.tokenizer
    odd = tokenizer.backend_tokenizer.encode("日").ids[0]
    break_on(fragile, lambda ids: bool((ids == odd).any()))
    with engine.begin() as connection:
        job_id = add_job(connection, [{"text": SHORT}, {"text": "日"}], model=MODEL)
    fragile.answer_model(MODEL)
    assert outcomes(engine, job_id) == [("done", None), ("failed", "measuring-failed")]
    assert state_of(engine).state == "ready"


def test_where_every_model_is_refused_what_waits_fails_and_the_worker_is_useless(
    engine: Engine, celery_broker: str, tmp_path: Path
) -> None:
    del celery_broker
    entries = (
        ModelEntry(id="first", path=tiny_model(tmp_path / "first", "qwen2"), default=True),
        ModelEntry(id="second", path=tiny_model(tmp_path / "second", "qwen2")),
    )
    for entry in entries:
        assert entry.path is not None
        (entry.path / "model.safetensors").unlink()
    worker = Dispatcher(WorkerProcess(engine, Settings(threads=1)), ModelRegistry(engine, entries, 4096), engine)
    with engine.begin() as connection:
        jobs = [add_job(connection, [{"text": SHORT}] * 2, model=entry.id) for entry in entries]
    worker.answer_model("first")
    assert worker.useless
    worker.fail_what_waits()
    assert [outcomes(engine, job_id) for job_id in jobs] == [[("failed", "model-unsafe-weights")] * 2] * 2


def test_a_model_that_fails_after_others_were_served_ends_no_worker(engine: Engine, fragile: Dispatcher) -> None:
    break_on(fragile, lambda ids: ids.shape[1] > 40)
    with engine.begin() as connection:
        add_job(connection, [{"text": LONG}], model=MODEL)
    fragile.answer_model(MODEL)
    assert state_of(engine).state == "refused"
    assert not fragile.useless


@pytest.fixture
def impatient(engine: Engine, celery_broker: str, tmp_path: Path) -> Iterator[Dispatcher]:
    """A worker with weights of its own, so that nothing is indexed yet. It waits a tenth of a second for any lock."""
    del celery_broker
    path = tiny_model(tmp_path, "qwen2", hidden=WIDTH, seed=next(SEEDS))
    entries = (ModelEntry(id=MODEL, path=path, default=True),)
    connected = create_engine(engine.url, connect_args={"options": "-c lock_timeout=100"})
    yield Dispatcher(WorkerProcess(connected, Settings(threads=1)), ModelRegistry(connected, entries, 4096), connected)
    connected.dispose()


@contextmanager
def vectors_elsewhere(engine: Engine) -> Iterator[None]:
    """The table of what is searched has another name, so that nothing can be made known."""
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE vector_index RENAME TO elsewhere"))
    try:
        yield
    finally:
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE elsewhere RENAME TO vector_index"))


@contextmanager
def vectors_locked(engine: Engine) -> Iterator[None]:
    """Somebody holds the table of what is searched: the model waits, and PostgreSQL says so by an OperationalError."""
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE vector_index IN ACCESS EXCLUSIVE MODE"))
        yield


@contextmanager
def readiness_refused(engine: Engine) -> Iterator[None]:
    """The very last statement, by which the model is said to be ready, fails."""
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE model ADD CONSTRAINT never_ready CHECK (state <> 'ready') NOT VALID"))
    try:
        yield
    finally:
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE model DROP CONSTRAINT never_ready"))


@pytest.mark.parametrize(
    ("trouble", "error"), [(vectors_elsewhere, "ProgrammingError"), (readiness_refused, "IntegrityError")]
)
def test_a_model_whose_vectors_or_row_cannot_be_made_is_unavailable_until_they_can(
    engine: Engine, impatient: Dispatcher, trouble: Any, error: str
) -> None:
    versions = select(func.count()).where(model_version.c.dimension == WIDTH)
    with engine.begin() as connection:
        connection.execute(delete(model))
        known = connection.execute(versions).scalar_one()
        job_id = add_job(connection, [{"text": SHORT}, {"text": SHORT + " Yes."}], model=MODEL)
    with trouble(engine):
        impatient.answer_model(MODEL)
        told = state_of(engine)
    assert (told.state, told.reason, told.facts) == ("unavailable", "model-unavailable", None)
    assert f"({error})" in told.message
    assert outcomes(engine, job_id) == [("failed", "model-unavailable")] * 2
    assert not impatient.models.is_open(MODEL)
    with engine.begin() as connection:
        assert connection.execute(versions).scalar_one() == known + 1
        again = add_job(connection, [{"text": SHORT}], model=MODEL)
    impatient.answer_model(MODEL)
    assert outcomes(engine, again) == [("done", None)]
    assert (state_of(engine).state, state_of(engine).reason) == ("ready", None)


def test_a_lock_that_is_not_given_is_no_fault_of_the_model_nor_of_what_waits_for_it(
    engine: Engine, impatient: Dispatcher
) -> None:
    with engine.begin() as connection:
        connection.execute(delete(model))
        job_id = add_job(connection, [{"text": SHORT}, {"text": SHORT + " Yes."}], model=MODEL)
    with vectors_locked(engine), pytest.raises(OperationalError, match="lock timeout"):
        impatient.answer_model(MODEL)
    assert state_of(engine).state == "loading"
    assert outcomes(engine, job_id) == [("queued", None)] * 2
    assert not impatient.models.is_open(MODEL)
    impatient.answer_model(MODEL)
    assert outcomes(engine, job_id) == [("done", None)] * 2
    assert (state_of(engine).state, state_of(engine).reason) == ("ready", None)


def test_a_database_that_is_away_is_no_fault_of_the_model(engine: Engine, fragile: Dispatcher) -> None:
    fragile.models.engine = create_engine(engine.url.set(database="nowhere"))
    with pytest.raises(OperationalError):
        fragile.models.open(MODEL)
    fragile.models.engine.dispose()
    fragile.models.engine = engine
    assert fragile.models.open(MODEL).model_id == MODEL
    assert state_of(engine).state == "ready"
