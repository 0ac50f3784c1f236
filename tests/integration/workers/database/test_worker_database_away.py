"""While the database cannot do what it does at other times, work is given back untouched, and goes on when it can."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from polling import until
from seeded_work import MODEL, add_job, states, words
from sqlalchemy import Engine, create_engine, insert, select, text

from models.database_errors import sqlstate_of
from models.queries.queue.inquiries import ask
from models.tables import BACKGROUND, LOCAL_TENANT, inquiry, work_item
from workers.dispatch import Dispatcher
from workers.sweeper import sweep

pytestmark = pytest.mark.xdist_group("measuring")


@contextmanager
def raising(engine: Engine, state: str, event: str, condition: str = "TRUE") -> Iterator[None]:
    """The database raises this on every row of `event`, such as INSERT ON analysis, under the condition."""
    table = event.split()[-1]
    each = f"FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION refuse('{state}')"
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = TG_ARGV[0]; END $$"
            )
        )
        connection.execute(text(f"CREATE TRIGGER refuse BEFORE {event} {each}"))
    try:
        yield
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"DROP TRIGGER IF EXISTS refuse ON {table}"))


def job_of(engine: Engine, documents: int, first: int) -> str:
    with engine.begin() as connection:
        return add_job(connection, [words(20, first + number) for number in range(documents)], tokens=[30] * documents)


def held_by_nobody(engine: Engine, job_id: str) -> set[Any]:
    """What is charged to the items of a job of which all are in the queue."""
    assert states(engine, job_id).keys() == {"queued"}
    columns = (
        work_item.c.lease_token,
        work_item.c.worker_id,
        work_item.c.alone,
        work_item.c.losses,
        work_item.c.timeouts,
    )
    with engine.connect() as connection:
        return {tuple(row) for row in connection.execute(select(*columns).where(work_item.c.job_id == job_id))}


FIRST = count(10_000, 10)
UNTOUCHED = {(None, None, False, 0, 0)}


@pytest.mark.parametrize("state", ["08006", "40P01", "53100", "53200", "55P03", "57014", "57P03", "58030", "25006"])
@pytest.mark.parametrize("table", ["measurement", "measurement_layer", "analysis"])
def test_documents_whose_store_meets_it_are_given_back_and_stored_later(
    engine: Engine, worker: Dispatcher, state: str, table: str
) -> None:
    job_id = job_of(engine, 3, next(FIRST))
    with (
        raising(engine, state, f"INSERT ON {table}"),
        pytest.raises(Exception, match="planted") as raised,
    ):
        worker.answer_model(MODEL)
    assert sqlstate_of(raised.value) == state
    assert held_by_nobody(engine, job_id) == UNTOUCHED
    assert worker.process._held_tokens == set()
    worker.answer_model(MODEL)
    assert states(engine, job_id) == {"done": 3}


def test_a_document_that_the_database_cannot_take_for_what_it_is_fails_alone(
    engine: Engine, worker: Dispatcher
) -> None:
    job_id = job_of(engine, 3, 8000)
    with engine.connect() as connection:
        items = select(work_item.c.document_id).where(work_item.c.job_id == job_id).order_by(work_item.c.id)
        culprit = connection.execute(items).scalars().all()[1]
    with raising(engine, "22P05", "INSERT ON analysis", f"NEW.document_id = '{culprit}'"):
        worker.answer_model(MODEL)
    assert states(engine, job_id) == {"done": 2, "failed": 1}
    with engine.connect() as connection:
        failed = select(work_item.c.document_id, work_item.c.reason).where(
            work_item.c.job_id == job_id, work_item.c.state == "failed"
        )
        assert [tuple(row) for row in connection.execute(failed)] == [(culprit, "measuring-failed")]


def test_work_that_cannot_be_given_back_yet_is_kept_until_it_can(
    engine: Engine, worker: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="workers")
    worker.models.open(MODEL)
    job_id = job_of(engine, 3, 8100)
    raised: list[BaseException] = []

    def answer() -> None:
        try:
            worker.answer_model(MODEL)
        except Exception as error:
            raised.append(error)

    with raising(engine, "53100", "INSERT ON analysis"):
        with raising(engine, "53200", "UPDATE ON work_item", "NEW.state = 'queued'"):
            answering = threading.Thread(target=answer)
            answering.start()
            until(lambda: "cannot be given back yet" in caplog.text, "an attempt to give work back")
            assert states(engine, job_id) == {"running": 3}
            assert worker.process._held_tokens != set()
        answering.join(30)
    assert [sqlstate_of(error) for error in raised] == ["53100"]
    assert held_by_nobody(engine, job_id) == UNTOUCHED
    assert worker.process._held_tokens == set()


def asked(engine: Engine, about: str) -> str:
    with engine.begin() as connection:
        name, _ = ask(connection, LOCAL_TENANT, MODEL, "embedding", {"content": {"text": about}}, timedelta(seconds=60))
        return name


def state_of(engine: Engine, inquiry_id: str) -> tuple[str, int | None]:
    with engine.connect() as connection:
        row = connection.execute(select(inquiry).where(inquiry.c.id == inquiry_id)).one()
        return row.state, row.lease_token


def test_an_inquiry_is_given_back_and_answered_later(engine: Engine, worker: Dispatcher) -> None:
    waiting = asked(engine, "Are you coming to the lake?")
    with (
        raising(engine, "53100", "UPDATE ON inquiry", "NEW.state = 'done'"),
        pytest.raises(Exception, match="planted"),
    ):
        worker.answer_model(MODEL)
    assert state_of(engine, waiting) == ("queued", None)
    worker.answer_model(MODEL)
    assert state_of(engine, waiting) == ("done", None)


@pytest.mark.parametrize("state", ["53100", "42P01"])
def test_an_error_with_more_urgent_work_is_none_of_what_it_preempts(
    engine: Engine, worker: Dispatcher, caplog: pytest.LogCaptureFixture, state: str
) -> None:
    waiting = asked(engine, f"Is it late, {state}?")
    with raising(engine, state, "UPDATE ON inquiry", "NEW.state IN ('done', 'failed')"):
        worker.allow_preemption(BACKGROUND)
    assert "more urgent work was given back" in caplog.text
    assert state_of(engine, waiting) == ("queued", None)
    worker.allow_preemption(BACKGROUND)
    assert state_of(engine, waiting) == ("done", None)


def test_a_step_of_a_sweep_that_waits_for_a_lock_leaves_the_others_to_be_done(
    engine: Engine, worker: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    del worker
    with engine.begin() as connection:
        connection.execute(
            insert(inquiry).values(
                id="iq_expired",
                tenant_id=LOCAL_TENANT,
                model_id=MODEL,
                kind="embedding",
                request={},
                expires_at=text("now() - interval '1 s'"),
            )
        )
    impatient = create_engine(engine.url, connect_args={"options": "-c lock_timeout=100"})
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE measurement IN ACCESS EXCLUSIVE MODE"))
        sweep(impatient)
    impatient.dispose()
    assert "measurements without a profile wait for the next sweep" in caplog.text
    with engine.connect() as connection:
        assert connection.execute(select(inquiry.c.id).where(inquiry.c.id == "iq_expired")).first() is None
