"""A worker whose rendering and storing run beside the measuring, in helpers: same numbers, and nothing held or lost."""

import logging
import multiprocessing
import os
import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from seeded_work import MODEL, add_job, job_row, states, unique_text, words
from sqlalchemy import Engine, func, select, text, update
from sqlalchemy.exc import OperationalError

from attention.definitions import METRIC_NAMES
from models.queries.queue.cancellation import cancel_jobs
from models.settings import Settings
from models.tables import analysis, measurement, measurement_layer, outbox, turn_embedding, work_item
from models.work import WorkOptions
from workers import dispatch
from workers.dispatch import Dispatcher, pipeline_for
from workers.measuring import claim_stream, shared_memory
from workers.measuring.claim_run import ClaimRun
from workers.measuring.helpers import HelperProcesses
from workers.measuring.pipeline import SideBySide, TurnByTurn
from workers.process import WorkerProcess

SPEAKERS = ("Ana", "Bo", "Cy")


@pytest.fixture(scope="module")
def helpers(engine: Engine, module_database_url: str) -> Iterator[HelperProcesses]:
    """Two helpers on the module's database."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HEARKEN_DATABASE_URL", module_database_url)
        made = HelperProcesses(2, engine)
        yield made
        made.close()


@pytest.fixture
def busy_worker(engine: Engine, worker: Dispatcher, helpers: HelperProcesses) -> Dispatcher:
    """A worker with two helpers and small claims, so that several follow one another."""
    return Dispatcher(WorkerProcess(engine, Settings(threads=1, claim_documents=8)), worker.models, engine, helpers)


def talk(number: int) -> dict[str, Any]:
    return {"turns": [{"speaker": name, "text": f"{name} says that it is late, {number}."} for name in SPEAKERS]}


def talks(engine: Engine, first: int, count: int) -> str:
    """A job with so many conversations."""
    with engine.begin() as connection:
        return add_job(connection, [talk(number) for number in range(first, first + count)])


def numbers_of(engine: Engine, job_id: str) -> list[dict[str, Any]]:
    """Everything that is stored of a job's documents, in their order."""
    found = []
    with engine.connect() as connection:
        chosen = select(analysis, measurement).join_from(analysis, measurement).where(analysis.c.job_id == job_id)
        for row in connection.execute(chosen.order_by(analysis.c.work_item_id)).mappings():
            of = row["measurement_id"]
            layers = connection.execute(select(measurement_layer).where(measurement_layer.c.measurement_id == of))
            turns = connection.execute(select(turn_embedding).where(turn_embedding.c.measurement_id == of))
            found.append(
                {
                    "whole": [row[name] for name in METRIC_NAMES],
                    "flow": [layer.flow for layer in sorted(layers, key=lambda each: each.layer)],
                    "turns": [list(turn.embedding) for turn in sorted(turns, key=lambda each: each.turn)],
                }
            )
    return found


def test_side_by_side_is_for_devices_and_helpers() -> None:
    assert isinstance(pipeline_for("cpu", 0), TurnByTurn)
    for pipeline in (pipeline_for("cuda", 0), pipeline_for("cpu", 2), pipeline_for("cuda:0,1", 3)):
        assert isinstance(pipeline, SideBySide)
        pipeline.close()


def test_helpers_give_the_numbers_that_the_worker_gives_by_itself(
    engine: Engine, worker: Dispatcher, busy_worker: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    contents = [talk(number) for number in range(30)]
    with engine.begin() as connection:
        by_helpers = add_job(connection, contents)
    busy_worker.answer_model(MODEL)
    assert states(engine, by_helpers) == {"done": 30}
    assert job_row(engine, by_helpers).state == "succeeded"
    first = numbers_of(engine, by_helpers)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM analysis"))
        connection.execute(text("DELETE FROM measurement"))
        alone = add_job(connection, contents)
    worker.answer_model(MODEL)
    second = numbers_of(engine, alone)
    assert len(first) == len(second) == 30
    for one, other in zip(first, second, strict=True):
        for name, values in one.items():
            np.testing.assert_allclose(np.array(values, float), np.array(other[name], float), rtol=2e-5, atol=1e-6)
    passes = [record.getMessage() for record in caplog.records if record.getMessage().startswith("pass ")]
    assert len(passes) >= 4 + 1  # claims of eight documents, and then one of all


def test_what_cannot_be_read_fails_alone_and_equal_work_is_done_once(engine: Engine, busy_worker: Dispatcher) -> None:
    same = talk(1000)
    contents: list[Any] = [talk(1001), "   ", same, same, *(talk(number) for number in range(1002, 1020))]
    with engine.begin() as connection:
        job_id = add_job(connection, contents, tokens=[40] * len(contents))
    busy_worker.answer_model(MODEL)
    assert states(engine, job_id) == {"done": len(contents) - 1, "failed": 1}
    with engine.connect() as connection:
        chosen = select(analysis.c.cached, func.count()).where(analysis.c.job_id == job_id).group_by(analysis.c.cached)
        assert dict(connection.execute(chosen).all()) == {False: len(contents) - 2, True: 1}
        (failed,) = connection.execute(
            select(work_item.c.reason).where(work_item.c.job_id == job_id, work_item.c.state == "failed")
        ).scalars()
    assert failed == "document-empty"


def test_a_helper_that_dies_takes_nothing_along(
    engine: Engine, busy_worker: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = talks(engine, 2000, 24)
    measure = ClaimRun.begin
    killed: list[int] = []

    def kill_first(self: ClaimRun, group: Any) -> Any:
        if not killed:
            for child in multiprocessing.active_children():
                killed.append(child.pid or 0)
                os.kill(child.pid or 0, signal.SIGKILL)
        return measure(self, group)

    monkeypatch.setattr(ClaimRun, "begin", kill_first)
    busy_worker.answer_model(MODEL)
    assert killed
    assert states(engine, job_id) == {"done": 24}


def test_where_helpers_cannot_share_memory_the_worker_stores_by_itself(
    engine: Engine, busy_worker: Dispatcher, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shared_memory._Block, "place", "/nonexistent")
    job_id = talks(engine, 2500, 24)
    busy_worker.answer_model(MODEL)
    assert states(engine, job_id) == {"done": 24}
    assert "the worker stores it itself" in caplog.text


def test_a_job_that_is_cancelled_on_the_way_is_measured_no_further_and_nothing_is_held(
    engine: Engine, busy_worker: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim_stream, "CHECK_SECONDS", 0.0)
    job_id = talks(engine, 3000, 64)
    look = busy_worker.allow_preemption
    looked: list[int] = []

    def cancel_then_look(priority: int) -> None:
        looked.append(priority)
        if len(looked) == 2:
            with engine.begin() as connection:
                cancel_jobs(connection, [job_id])
        look(priority)

    monkeypatch.setattr(busy_worker, "allow_preemption", cancel_then_look)
    busy_worker.answer_model(MODEL)
    found = states(engine, job_id)
    assert found.keys() == {"done", "cancelled"}
    assert 8 <= found["done"] <= 40
    assert job_row(engine, job_id).state == "cancelled"
    assert busy_worker.process._held_tokens == set()


def test_a_worker_that_is_to_end_gives_back_what_it_holds_ahead(
    engine: Engine, busy_worker: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = talks(engine, 4000, 64)
    begin = ClaimRun.begin

    def end_on_the_second(self: ClaimRun, group: Any) -> Any:
        busy_worker.process._stop.set()
        return begin(self, group)

    monkeypatch.setattr(ClaimRun, "begin", end_on_the_second)
    busy_worker.answer_model(MODEL)
    found = states(engine, job_id)
    assert found.keys() == {"done", "queued"}
    assert found["done"] == 8
    with engine.connect() as connection:
        charged = select(func.count()).where(work_item.c.job_id == job_id, work_item.c.alone | (work_item.c.losses > 0))
        assert connection.execute(charged).scalar_one() == 0
    assert busy_worker.process._held_tokens == set()


def test_a_document_that_lost_a_worker_is_measured_with_nothing_ahead_of_it_and_nothing_behind(
    engine: Engine, busy_worker: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine.begin() as connection:
        job_id = add_job(connection, [talk(number) for number in range(5000, 5024)])
        first = select(func.min(work_item.c.id) + 9).where(work_item.c.job_id == job_id).scalar_subquery()
        connection.execute(update(work_item).where(work_item.c.id == first).values(alone=True))
    begin = ClaimRun.begin
    beside: list[int] = []

    def counting(self: ClaimRun, group: Any) -> Any:
        if self.alone:
            with engine.connect() as connection:
                running = select(func.count()).where(work_item.c.job_id == job_id, work_item.c.state == "running")
                beside.append(connection.execute(running).scalar_one())
        return begin(self, group)

    monkeypatch.setattr(ClaimRun, "begin", counting)
    busy_worker.answer_model(MODEL)
    assert states(engine, job_id) == {"done": 24}
    assert beside == [1]


def test_a_culprit_fails_alone_where_storing_it_fails(
    engine: Engine, busy_worker: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = [talk(number) for number in range(6000, 6008)]
    with engine.begin() as connection:
        job_id = add_job(connection, contents)
        culprit = connection.execute(
            select(func.min(work_item.c.id) + 3).where(work_item.c.job_id == job_id)
        ).scalar_one()
    store = busy_worker.helpers.store

    def failing(order: Any) -> None:
        if any(each.item.id == culprit for each in order.items):
            raise ValueError("planted")
        store(order)

    monkeypatch.setattr(busy_worker.helpers, "store", failing)
    busy_worker.answer_model(MODEL)
    assert states(engine, job_id) == {"done": 7, "failed": 1}


def test_interactive_work_that_arrives_meanwhile_is_answered_before_the_batch(
    engine: Engine, busy_worker: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim_stream, "CHECK_SECONDS", 0.0)
    batch = talks(engine, 7000, 64)
    look = busy_worker.allow_preemption
    arrived: list[str] = []

    def arrive(priority: int) -> None:
        if not arrived:
            with engine.begin() as connection:
                arrived.append(add_job(connection, [unique_text()], priority=100, kind="analysis"))
        look(priority)

    monkeypatch.setattr(busy_worker, "allow_preemption", arrive)
    busy_worker.answer_model(MODEL)
    assert job_row(engine, arrived[0]).finished_at < job_row(engine, batch).finished_at
    assert states(engine, batch) == {"done": 64}


def test_others_get_their_turn_when_a_stream_has_lasted_long_enough(
    engine: Engine, worker: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "FAIR_SECONDS", 0.0)
    worker.process.settings.claim_documents = 4
    with engine.begin() as connection:
        job_id = add_job(connection, [words(20, number) for number in range(8000, 8016)])
    waits = iter([False, True])
    monkeypatch.setattr(worker, "others_wait", lambda _model: next(waits))
    worker.answer_model(MODEL)
    assert states(engine, job_id) == {"done": 8, "queued": 8}
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(outbox)).scalar_one() > 0


def test_nothing_is_rendered_or_stored_twice_over_when_the_log_is_quiet(
    engine: Engine, busy_worker: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = talks(engine, 9000, 40)
    with caplog.at_level(logging.WARNING, logger="workers"):
        busy_worker.answer_model(MODEL)
    assert states(engine, job_id) == {"done": 40}
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_what_is_to_be_measured_untrained_is_not_held_where_the_rest_of_its_claim_breaks_off(
    engine: Engine, worker: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = talks(engine, 10_000, 4)
    with engine.begin() as connection:
        first = select(func.min(work_item.c.id)).where(work_item.c.job_id == job_id).scalar_subquery()
        options = WorkOptions(control="untrained").model_dump(mode="json")
        connection.execute(update(work_item).where(work_item.c.id == first).values(options=options))

    def away(*_: Any) -> Any:
        raise OperationalError("planted", None, Exception("planted"))

    monkeypatch.setattr(ClaimRun, "measure", away)
    with pytest.raises(OperationalError, match="planted"):
        worker.answer_model(MODEL)
    assert states(engine, job_id) == {"queued": 4}
    assert worker.process._held_tokens == set()
