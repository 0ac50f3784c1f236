"""Attack: a worker is stopped in the middle of its store, while it holds locks. It holds nobody up for long."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from polling import until
from seeded_work import add_job, states, words
from sqlalchemy import select, text
from worker_fleet import Fleet

from models.queries.writing.deletion import delete_job
from models.tables import LOCAL_TENANT, work_item

pytestmark = pytest.mark.xdist_group("fleet")  # one fleet is enough for two processors

MOST_SECONDS = 5.0
BETWEEN_STATEMENTS = ("analysis", "TRUE", {"text": words(40, 6000)})
WITHIN_A_COPY = (
    "measurement_layer",
    "NEW.layer = 0",
    {"turns": [{"speaker": "AB"[number % 2], "text": f"Number {number}."} for number in range(400)]},
)
"""Its flow is more than a connection holds, so that what is left of it is not sent before the worker goes on."""


@contextmanager
def sleeping_store(workers: Fleet, table: str, condition: str) -> Iterator[None]:
    """Whoever stores a row of the table, under the condition, waits for the server for a moment."""
    with workers.engine.begin() as connection:
        connection.execute(
            text(
                "CREATE OR REPLACE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN PERFORM pg_sleep(0.5); RETURN NEW; END $$"
            )
        )
        connection.execute(
            text(
                f"CREATE TRIGGER doze BEFORE INSERT ON {table} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION doze()"
            )
        )
    try:
        yield
    finally:
        with workers.engine.begin() as connection:
            connection.execute(text(f"DROP TRIGGER doze ON {table}"))


@pytest.mark.parametrize("where", [BETWEEN_STATEMENTS, WITHIN_A_COPY], ids=["between_statements", "within_a_copy"])
def test_a_worker_frozen_in_its_store_holds_other_writers_up_for_seconds_only(workers: Fleet, where: Any) -> None:
    table, condition, content = where
    asleep = text(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep' "
        f"AND query LIKE 'COPY \"{table}\"%'"
    )
    with sleeping_store(workers, table, condition):
        with workers.engine.begin() as connection:
            job_id = add_job(connection, [content])

        def storing() -> bool:
            with workers.engine.begin() as connection:
                return connection.execute(asleep).first() is not None

        until(storing, "a worker in its store", 180)
        with workers.engine.connect() as connection:
            holder = connection.execute(select(work_item.c.worker_id).where(work_item.c.job_id == job_id)).scalar_one()
        frozen = workers.alive()[holder]
        os.kill(frozen, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            with workers.engine.begin() as connection:
                delete_job(connection, LOCAL_TENANT, job_id)
            held_up = time.monotonic() - begun
        finally:
            os.kill(frozen, signal.SIGCONT)
    print(f"held up for {held_up:.2f} s")
    assert 0.5 < held_up < MOST_SECONDS
    with workers.engine.begin() as connection:
        after = add_job(connection, [words(30, 6100 + number) for number in range(4)])
    (row,) = workers.finished([after], 60)
    assert row.state == "succeeded"
    assert states(workers.engine, after) == {"done": 4}
