"""Attack: a broker that forgets everything, hangs or cuts its connections. The work is done: it is in the database."""

import os
import signal

import pytest
from polling import until
from seeded_work import MODEL, add_job, job_row, words
from sqlalchemy import delete
from worker_fleet import Fleet

from models.tables import outbox

pytestmark = pytest.mark.xdist_group("fleet")  # one fleet is enough for two processors


def test_a_flushed_broker_loses_nothing(workers: Fleet) -> None:
    with workers.engine.begin() as connection:
        jobs = [add_job(connection, [words(70, 7000 + seed)]) for seed in range(40)]
        connection.execute(delete(outbox))  # as if every wake-up had been sent
    workers.broker.flushall()
    assert [row.state for row in workers.finished(jobs)] == ["succeeded"] * 40
    assert workers.broker.llen(f"model:{MODEL}") <= 1


def test_wakeups_are_not_piled_up_while_work_waits(workers: Fleet) -> None:
    with workers.engine.begin() as connection:
        job_id = add_job(connection, [words(240, 8000 + seed) for seed in range(40)])
    lengths: set[int] = set()
    while job_row(workers.engine, job_id).finished_at is None:
        lengths.add(workers.broker.llen(f"model:{MODEL}"))
    assert lengths, "the queue was looked at while work waited"
    assert max(lengths) <= 4


def test_work_that_is_accepted_while_the_broker_hangs_is_done_when_it_answers_again(workers: Fleet) -> None:
    log = workers.folder / "beat.log"
    before = len(log.read_text())
    os.kill(workers.redis_server.pid, signal.SIGSTOP)
    try:
        with workers.engine.begin() as connection:
            jobs = [add_job(connection, [words(60, 9000 + seed)]) for seed in range(10)]
        until(lambda: "the broker cannot be reached" in log.read_text()[before:], "the sweeper's word that it hangs")
    finally:
        os.kill(workers.redis_server.pid, signal.SIGCONT)
    assert [row.state for row in workers.finished(jobs)] == ["succeeded"] * 10


def test_workers_whose_connections_are_cut_come_back(workers: Fleet) -> None:
    workers.broker.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    with workers.engine.begin() as connection:
        jobs = [add_job(connection, [words(60, 9100 + seed)]) for seed in range(10)]
    assert [row.state for row in workers.finished(jobs)] == ["succeeded"] * 10
