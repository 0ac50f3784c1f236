"""Attack: whoever administers the database cancels the workers' stores, again and again. No document is charged."""

from collections.abc import Iterator

import pytest
from polling import until
from seeded_work import add_job, states, words
from sqlalchemy import select, text
from worker_fleet import Fleet

from models.tables import work_item

pytestmark = pytest.mark.xdist_group("fleet")  # one fleet is enough for two processors

CANCELLATIONS = 8
DOCUMENTS = 12
CANCEL = text(
    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' "
    "AND query LIKE 'COPY \"analysis\"%' AND wait_event = 'PgSleep'"
)
DROP = text("DROP TRIGGER IF EXISTS take_long ON analysis")


@pytest.fixture
def endless_stores(workers: Fleet) -> Iterator[None]:
    """Every store waits within its last COPY."""
    with workers.engine.begin() as connection:
        connection.execute(
            text(
                "CREATE OR REPLACE FUNCTION take_long() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN IF current_setting('application_name') = 'hearken worker' AND "
                "to_regclass('let_go') IS NULL THEN PERFORM pg_sleep(30); END IF; RETURN NULL; END $$"
            )
        )
        connection.execute(
            text("CREATE TRIGGER take_long BEFORE INSERT ON analysis FOR EACH STATEMENT EXECUTE FUNCTION take_long()")
        )
    yield
    with workers.engine.begin() as connection:
        connection.execute(DROP)
        connection.execute(text("DROP TABLE IF EXISTS let_go"))


@pytest.mark.usefixtures("endless_stores")
def test_stores_that_are_cancelled_are_done_again_and_no_document_fails(workers: Fleet) -> None:
    with workers.engine.begin() as connection:
        job_id = add_job(connection, [words(12 + 4 * number, 5000 + number) for number in range(DOCUMENTS)])

    def cancelled() -> int:
        with workers.engine.begin() as connection:
            return len(connection.execute(CANCEL).all())

    total = 0
    while total < CANCELLATIONS:
        total += until(cancelled, "a store to cancel", 180)
    assert states(workers.engine, job_id).keys() <= {"queued", "running"}
    with workers.engine.begin() as connection:
        connection.execute(text("CREATE TABLE let_go ()"))  # the next stores pass; one that waits is cancelled still
    until(lambda: cancelled() or states(workers.engine, job_id).get("done"), "the last store", 60)
    (row,) = workers.finished([job_id], 60)
    assert row.state == "succeeded"
    assert states(workers.engine, job_id) == {"done": DOCUMENTS}
    with workers.engine.connect() as connection:
        charged = select(work_item.c.alone, work_item.c.losses, work_item.c.timeouts)
        assert set(connection.execute(charged.where(work_item.c.job_id == job_id)).all()) == {(False, 0, 0)}
