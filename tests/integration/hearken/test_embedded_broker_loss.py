"""A worker whose broker was away as a task ended asks it for work again."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery
from polling import until
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from hearken.local import RedisServer, temporary_folder
from models.queries.queue.outbox import SUMMARIES
from workers.app import ANSWER


@pytest.fixture
def broker() -> Iterator[RedisServer]:
    """A Redis of this test's own, which it may kill."""
    with temporary_folder() as folder, RedisServer(folder) as server:
        yield server


@pytest.fixture
def worker(broker: RedisServer, database_url: str, tmp_path: Path) -> Iterator[Path]:
    """A running `hearken worker`; its log."""
    log = tmp_path / "worker.log"
    settings = {"HEARKEN_DATABASE_URL": database_url, "HEARKEN_BROKER_URL": broker.url}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "hearken", "worker"],
            env=os.environ | settings,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    yield log
    process.terminate()
    try:
        assert process.wait(40) == 0
    finally:
        process.kill()
        process.wait()


def test_a_worker_that_could_not_acknowledge_takes_the_next_wakeup(
    worker: Path, broker: RedisServer, database_url: str
) -> None:
    engine = create_engine(database_url, poolclass=NullPool)
    until(lambda: " ready." in worker.read_text(), "a worker that is ready")
    with engine.begin() as connection:
        connection.execute(text("lock table comparison, job in access exclusive mode"))
        wake(broker)
        until(lambda: waiting_for_a_lock(database_url) == 1, "a task in the middle of its work")
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)
        until(lambda: broker.poll() is not None, "the end of the broker")
    until(lambda: "ConnectionError" in worker.read_text(), "an acknowledgement that fails")
    broker.start()
    before = worker.read_text().count("succeeded in")
    wake(broker)
    until(lambda: worker.read_text().count("succeeded in") > before, "a task after the loss")


def wake(broker: RedisServer) -> None:
    """Say that there may be a summary to make."""
    client = Celery(broker=broker.url)
    client.conf.task_create_missing_queues = True
    client.send_task(ANSWER, args=[SUMMARIES], queue=SUMMARIES, ignore_result=True)
    client.close()


def waiting_for_a_lock(database_url: str) -> int:
    """Sessions that wait for a lock on this database."""
    engine = create_engine(database_url, poolclass=NullPool)
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    with engine.connect() as connection:
        return int(connection.execute(text(waiting)).scalar_one())
