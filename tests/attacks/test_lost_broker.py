"""The broker forgets everything: the work is in the database, and the sweeper knocks again."""

from seeded_work import MODEL, add_job, job_row, words
from sqlalchemy import delete
from worker_fleet import Fleet

from models.tables import outbox


def test_a_flushed_broker_loses_nothing(workers: Fleet) -> None:
    with workers.engine.begin() as connection:
        jobs = [add_job(connection, [words(70, 7000 + seed)]) for seed in range(40)]
        connection.execute(delete(outbox))  # as if every knock had been sent
    workers.broker.flushall()
    assert [row.state for row in workers.finished(jobs)] == ["succeeded"] * 40
    assert workers.broker.llen(f"model:{MODEL}") <= 1


def test_knocks_are_not_piled_up_while_work_waits(workers: Fleet) -> None:
    with workers.engine.begin() as connection:
        job_id = add_job(connection, [words(240, 8000 + seed) for seed in range(40)])
    longest = 0
    while job_row(workers.engine, job_id).finished_at is None:
        longest = max(longest, workers.broker.llen(f"model:{MODEL}"))
    assert longest <= 4
