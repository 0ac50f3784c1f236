"""Attack: a document that kills whichever worker measures it. It fails alone; its neighbours are never charged."""

import os
import signal
import threading

import pytest
from polling import until
from seeded_work import add_job, states, words
from sqlalchemy import select
from worker_fleet import Fleet

from models.tables import work_item

pytestmark = pytest.mark.xdist_group("fleet")  # one fleet is enough for two processors


def test_a_poison_document_fails_alone_and_its_neighbours_finish(workers: Fleet) -> None:
    with workers.engine.begin() as connection:
        poison = add_job(connection, [words(60, 3000)])
        innocent = add_job(connection, [words(60, 3001 + seed) for seed in range(20)])
        item = connection.execute(select(work_item.c.id).where(work_item.c.job_id == poison)).scalar_one()
    ended = threading.Event()
    deaths: set[int] = set()

    def poisoned() -> None:
        while not ended.wait(0.005):
            with workers.engine.connect() as connection:
                row = connection.execute(
                    select(work_item.c.worker_id).where(work_item.c.id == item, work_item.c.state == "running")
                ).one_or_none()
            victim = row and workers.alive().get(row.worker_id)
            if victim and victim not in deaths:
                os.kill(victim, signal.SIGKILL)
                deaths.add(victim)

    killer = threading.Thread(target=poisoned)
    killer.start()
    try:
        (failed,) = workers.finished([poison], 120)
        (succeeded,) = workers.finished([innocent], 120)
    finally:
        ended.set()
        killer.join()
    assert (failed.state, failed.reason) == ("failed", "worker-lost")
    assert succeeded.state == "succeeded"
    assert states(workers.engine, innocent) == {"done": 20}
    assert "2 times" in failed.message
    assert 2 <= len(deaths) <= 3  # once among others, if it was, and twice alone, as this fleet is set
    with workers.engine.connect() as connection:
        losses = select(work_item.c.losses).where(work_item.c.job_id == innocent)
        assert set(connection.execute(losses).scalars()) == {0}
    until(lambda: len(workers.alive()) == 2, "both workers, started again")
