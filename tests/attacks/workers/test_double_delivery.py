"""Attack: the same wake-ups, delivered many times over, and messages of others. Every document is measured once."""

import json
import re
from itertools import count

import pytest
from polling import until
from seeded_work import MODEL, add_job, states, words
from sqlalchemy import func, select
from worker_fleet import Fleet

from models.tables import analysis
from workers.app import ANSWER, app

pytestmark = pytest.mark.xdist_group("fleet")  # one fleet is enough for two processors


def test_wakeups_delivered_fifty_times_store_nothing_twice(workers: Fleet) -> None:
    with workers.engine.begin() as connection:
        jobs = [add_job(connection, [words(50, 4000 + seed)]) for seed in range(64)]
    with app.connection_for_write(url=workers.environment["HEARKEN_BROKER_URL"]) as broker:
        producer = app.amqp.Producer(broker)
        for _ in range(50):
            app.send_task(ANSWER, args=[f"model:{MODEL}"], queue=f"model:{MODEL}", producer=producer)
    assert [row.state for row in workers.finished(jobs)] == ["succeeded"] * 64
    until(lambda: workers.broker.llen(f"model:{MODEL}") == 0, "a queue without wake-ups")
    with workers.engine.connect() as connection:
        rows = connection.execute(select(func.count()).where(analysis.c.job_id.in_(jobs))).scalar_one()
    assert rows == 64
    assert all(states(workers.engine, job_id) == {"done": 1} for job_id in jobs)


def test_what_arrives_together_shares_forward_passes(workers: Fleet) -> None:
    before = workers.logs()
    with workers.engine.begin() as connection:
        jobs = [add_job(connection, [words(50, 5000 + seed)], kind="analysis", priority=100) for seed in range(64)]
    workers.finished(jobs)
    passes = until(
        lambda: (found := workers.passes(before)) and _documents(found) >= 64 and found, "the log of 64 documents"
    )
    assert _documents(passes) == 64
    assert max(int(one["jobs"]) for one in passes) >= 16
    assert len(passes) <= 8
    assert all(re.fullmatch(r"\d+\.\d%", one["padded"]) for one in passes)


def test_a_message_that_is_not_ours_is_refused_without_harm(workers: Fleet) -> None:
    before = workers.logs()
    for _ in workers.alive():
        workers.broker.rpush("summaries", json.dumps({"body": "bm9uc2Vuc2U=", "headers": {}, "properties": {}}))
    until(lambda: workers.broker.llen("summaries") == 0, "workers that take the messages")
    numbers = count(6000)

    def every_worker_measures() -> bool:
        with workers.engine.begin() as connection:
            jobs = [add_job(connection, [words(50, next(numbers))]) for _ in before]
        assert [row.state for row in workers.finished(jobs)] == ["succeeded"] * len(jobs)
        return all("] pass " in text[len(before[name]) :] for name, text in workers.logs().items())

    until(every_worker_measures, "a pass of each worker, that took a message and that did not")
    assert workers.broker.hlen("unacked") == 0


def _documents(passes: list[dict[str, str]]) -> int:
    return sum(int(one["documents"]) for one in passes)
