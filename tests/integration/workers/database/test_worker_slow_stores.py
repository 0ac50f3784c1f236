"""A store that takes too long: a batch is stored one by one, and one document fails only where others are stored."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from seeded_work import MODEL, add_job, job_row, states, words
from sqlalchemy import Engine, func, select, text, update

from models.database_errors import StatementTimedOut
from models.queries.queue import claims
from models.settings import Settings, settings
from models.tables import work_item
from workers.dispatch import Dispatcher
from workers.measuring.helpers import HelperProcesses
from workers.process import WorkerProcess

pytestmark = pytest.mark.xdist_group("measuring")

LIMIT = 0.4


@pytest.fixture(autouse=True)
def short_stores(
    monkeypatch: pytest.MonkeyPatch, engine: Engine, module_database_url: str, worker: Dispatcher
) -> Iterator[None]:
    """Storing may take a part of a second; the model is open before."""
    worker.models.open(MODEL)
    monkeypatch.setenv("HEARKEN_STORE_SECONDS", str(LIMIT))
    monkeypatch.setenv("HEARKEN_LOCK_SECONDS", str(LIMIT / 2))
    monkeypatch.setenv("HEARKEN_DATABASE_URL", module_database_url)
    settings.cache_clear()
    yield
    settings.cache_clear()
    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER IF EXISTS slow ON analysis"))


def slow(engine: Engine, documents: Sequence[str] | None, seconds: float = 60.0) -> None:
    """Storing an analysis of one of these documents, or of any, takes so long."""
    condition = "" if documents is None else f"WHEN (NEW.document_id IN ({', '.join(map(repr, documents))}))"
    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER IF EXISTS slow ON analysis"))
        connection.execute(
            text(
                "CREATE OR REPLACE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN PERFORM pg_sleep(TG_ARGV[0]::float8); RETURN NEW; END $$"
            )
        )
        connection.execute(
            text(
                f"CREATE TRIGGER slow BEFORE INSERT ON analysis FOR EACH ROW {condition} "
                f"EXECUTE FUNCTION be_slow('{seconds}')"
            )
        )


def job_of(engine: Engine, count: int, first: int) -> tuple[str, list[Any]]:
    """A job of so many texts of one length, and its items in their order."""
    with engine.begin() as connection:
        job_id = add_job(connection, [words(20, first + number) for number in range(count)], tokens=[30] * count)
    return job_id, items_of(engine, job_id)


def items_of(engine: Engine, job_id: str) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(select(work_item).where(work_item.c.job_id == job_id).order_by(work_item.c.id)))


@contextmanager
def no_rest() -> Iterator[None]:
    """What was slow is claimed again at once."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(claims, "REST", timedelta(0))
        yield


def test_a_batch_that_takes_too_long_is_stored_one_by_one_and_nobody_is_charged(
    engine: Engine, worker: Dispatcher
) -> None:
    job_id, _ = job_of(engine, 6, 0)
    slow(engine, None, LIMIT / 3)
    worker.answer_model(MODEL)
    assert states(engine, job_id) == {"done": 6}
    assert {(item.alone, item.timeouts, item.losses) for item in items_of(engine, job_id)} == {(False, 0, 0)}


def test_a_document_that_is_too_slow_three_times_while_others_are_stored_fails_with_the_reason(
    engine: Engine, worker: Dispatcher
) -> None:
    job_id, items = job_of(engine, 5, 100)
    slow(engine, [items[2].document_id])
    worker.answer_model(MODEL)
    assert states(engine, job_id) == {"done": 4, "queued": 1}
    waiting = items_of(engine, job_id)[2]
    assert (waiting.alone, waiting.timeouts, waiting.losses) == (True, 1, 0)

    worker.answer_model(MODEL)  # it rests, so that others go first
    assert items_of(engine, job_id)[2] == waiting
    for _ in range(2):  # nothing else is stored after the second time: then it may be the database
        with no_rest(), pytest.raises(StatementTimedOut):
            worker.answer_model(MODEL)
        assert (items_of(engine, job_id)[2].state, items_of(engine, job_id)[2].timeouts) == ("queued", 2)

    other, _ = job_of(engine, 1, 200)
    worker.answer_model(MODEL)
    assert states(engine, other) == {"done": 1}
    with no_rest():
        worker.answer_model(MODEL)
    failed = items_of(engine, job_id)[2]
    assert (failed.state, failed.reason, failed.timeouts) == ("failed", "storing-failed", 3)
    assert "3 times, while other documents were stored" in failed.message
    assert job_row(engine, job_id).state == "succeeded"


def test_where_the_database_is_slow_for_all_nobody_is_charged_and_all_is_stored_once_it_is_not(
    engine: Engine, worker: Dispatcher
) -> None:
    job_id, _ = job_of(engine, 4, 300)
    slow(engine, None)
    for _ in range(5):
        with no_rest(), pytest.raises(StatementTimedOut):
            worker.answer_model(MODEL)
    assert states(engine, job_id) == {"queued": 4}
    assert {(item.timeouts, item.losses) for item in items_of(engine, job_id)} == {(0, 0)}
    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER slow ON analysis"))
    with no_rest():
        worker.answer_model(MODEL)
    assert states(engine, job_id) == {"done": 4}


def test_a_slow_document_of_a_cancelled_job_is_cancelled(engine: Engine, worker: Dispatcher) -> None:
    job_id, items = job_of(engine, 3, 400)
    slow(engine, [items[1].document_id])
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE OR REPLACE FUNCTION cancel_it() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN UPDATE job SET cancel_requested_at = now() WHERE id = NEW.job_id; RETURN NEW; END $$"
            )
        )
        connection.execute(
            text(
                "CREATE TRIGGER cancelling AFTER INSERT ON analysis FOR EACH ROW "
                f"WHEN (NEW.document_id = '{items[0].document_id}') EXECUTE FUNCTION cancel_it()"
            )
        )
    worker.answer_model(MODEL)
    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER cancelling ON analysis"))
    assert items_of(engine, job_id)[1].state == "cancelled"
    assert job_row(engine, job_id).finished_at is not None


@pytest.mark.slow
def test_a_helper_tells_a_slow_store_from_one_that_somebody_cancelled(engine: Engine, worker: Dispatcher) -> None:
    helpers = HelperProcesses(1, engine)
    with_helper = Dispatcher(WorkerProcess(engine, Settings(threads=1)), worker.models, engine, helpers)
    job_id, items = job_of(engine, 3, 500)
    slow(engine, [items[1].document_id])
    try:
        with_helper.answer_model(MODEL)
    finally:
        helpers.close()
    assert states(engine, job_id) == {"done": 2, "queued": 1}
    assert items_of(engine, job_id)[1].timeouts == 1
    with engine.begin() as connection:
        connection.execute(update(work_item).where(work_item.c.job_id == job_id).values(timed_out_at=None))
        connection.execute(text("DROP TRIGGER slow ON analysis"))
    worker.answer_model(MODEL)
    assert states(engine, job_id) == {"done": 3}
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).where(work_item.c.state == "running")).scalar_one() == 0
