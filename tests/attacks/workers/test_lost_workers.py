"""Attack: workers killed or stopped in the middle of their work. Nothing is lost and nothing is stored twice."""

import os
import signal

import psutil
import pytest
from polling import until
from seeded_work import add_job, states, words
from sqlalchemy import func, select
from worker_fleet import Fleet

from models.tables import analysis, measurement, work_item

pytestmark = pytest.mark.xdist_group("fleet")  # one fleet is enough for two processors


def test_killing_every_worker_in_mid_batch_loses_nothing_and_stores_nothing_twice(workers: Fleet) -> None:
    texts = [words(100 + seed % 60, 1000 + seed) for seed in range(40)]
    with workers.engine.begin() as connection:
        jobs = [add_job(connection, texts[start : start + 8]) for start in range(0, 40, 8)]
    killed: set[int] = set()
    for _ in range(2):
        victim = until(lambda: next(iter(set(holders(workers).values()) - killed), None), "a worker in mid-batch")
        os.kill(victim, signal.SIGKILL)
        killed.add(victim)

    assert [row.state for row in workers.finished(jobs)] == ["succeeded"] * 5
    assert [states(workers.engine, job_id) for job_id in jobs] == [{"done": 8}] * 5
    with workers.engine.connect() as connection:
        mine = analysis.c.job_id.in_(jobs)
        assert connection.execute(select(func.count()).where(mine)).scalar_one() == 40
        numbers = select(func.count(analysis.c.measurement_id.distinct())).where(mine)
        assert connection.execute(numbers).scalar_one() == 40
        equal = select(measurement.c.work_key).group_by(measurement.c.tenant_id, measurement.c.work_key)
        assert connection.execute(equal.having(func.count() > 1)).all() == []
        charged = select(func.max(work_item.c.losses)).where(work_item.c.job_id.in_(jobs))
        assert connection.execute(charged).scalar_one() <= 1


def test_a_worker_asked_to_stop_ends_its_pass_and_gives_the_rest_back_at_once(workers: Fleet) -> None:
    with workers.engine.begin() as connection:
        job_id = add_job(connection, [words(230 + seed % 20, 2000 + seed) for seed in range(40)])
    child = until(lambda: next(iter(holders(workers).values()), None), "a worker in mid-batch")
    name = next(name for name, part in workers.parts.items() if part.pid == psutil.Process(child).ppid())
    part = workers.parts.pop(name)
    part.terminate()
    assert part.wait(15) == 0
    assert child not in holders(workers).values()
    workers.start_worker(name)
    (row,) = workers.finished([job_id])
    assert row.state == "succeeded"
    with workers.engine.connect() as connection:
        alone = select(func.count()).where(work_item.c.job_id == job_id, work_item.c.alone)
        assert connection.execute(alone).scalar_one() == 0


def holders(workers: Fleet) -> dict[str, int]:
    """The living workers that hold a claim: worker id to process id."""
    with workers.engine.connect() as connection:
        held = select(work_item.c.worker_id).where(work_item.c.state == "running").distinct()
        ids = set(connection.execute(held).scalars())
    return {worker_id: pid for worker_id, pid in workers.alive().items() if worker_id in ids}
