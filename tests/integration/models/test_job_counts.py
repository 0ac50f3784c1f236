"""Counts of finished jobs and of data sets are kept, and views of them read neither items nor documents."""

import json
from typing import Any

import pytest
from seeded_analyses import add_analyses
from sqlalchemy import Connection, Engine, insert, update

from models.identifiers import new_identifier
from models.queries.queue.job_counts import keep_counts
from models.queries.queue.job_state import settle_jobs
from models.queries.reading.datasets import counted, find_dataset
from models.queries.reading.jobs import find_job, job_view
from models.queries.writing.relabelling import relabel_document
from models.tables import LOCAL_TENANT, analysis, dataset, document, job

COUNT = 21
COUNTS = ("done", "failed", "cancelled", "cached", "tokens_measured")


@pytest.fixture
def connection(engine: Engine) -> Any:
    with engine.connect() as connection:
        yield connection
        connection.rollback()


def counts_of(connection: Connection, job_id: str) -> dict[str, Any]:
    row = find_job(connection, LOCAL_TENANT, job_id)
    assert row is not None
    return {name: row._mapping[name] for name in COUNTS}


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for inner in plan.get("Plans", ()) for node in nodes(inner))]


def test_a_finished_job_keeps_its_counts(connection: Connection) -> None:
    job_id = add_analyses(connection, COUNT)
    before = counts_of(connection, job_id)
    assert (before["done"], before["cached"]) == (COUNT, COUNT // 7)
    assert before["tokens_measured"] == sum(n + 10 for n in range(1, COUNT + 1) if n % 7)
    keep_counts(connection, job_id)
    assert counts_of(connection, job_id) == before
    connection.execute(analysis.delete().where(analysis.c.job_id == job_id))
    assert counts_of(connection, job_id) == before


def test_they_are_written_down_when_the_last_item_settles(connection: Connection) -> None:
    job_id = add_analyses(connection, COUNT)
    connection.execute(update(job).where(job.c.id == job_id).values(state="running", finished_at=None))
    settle_jobs(connection, [job_id])
    kept = connection.execute(job.select().where(job.c.id == job_id)).one()
    assert kept.state == "succeeded"
    assert kept.counts == counts_of(connection, job_id)


def test_a_view_of_it_reads_no_items(connection: Connection) -> None:
    job_id = add_analyses(connection, COUNT)
    keep_counts(connection, job_id)
    query = job_view().where(job.c.id == job_id)
    said = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
    [plan] = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {said}").scalar_one()
    passed_over = ("work_item", "analysis", "measurement")
    read = [node for node in nodes(plan["Plan"]) if node.get("Relation Name") in passed_over]
    assert read
    assert {node["Actual Loops"] for node in read} == {0}, json.dumps(plan)


def test_a_data_set_counts_a_document_under_its_new_domain(connection: Connection) -> None:
    job_id = add_analyses(connection, 4)
    dataset_id = new_identifier("ds")
    connection.execute(insert(dataset).values(id=dataset_id, tenant_id=LOCAL_TENANT, name="calls", sha256="0", bytes=1))
    mine = document.c.id.like(f"{job_id}-doc-%")
    connection.execute(update(document).where(mine).values(dataset_id=dataset_id))
    counts = dict(zip(("documents", "domains"), connection.execute(counted(dataset_id)).one(), strict=True))
    assert counts == {"documents": 4, "domains": {"prose": 2}}
    connection.execute(update(dataset).where(dataset.c.id == dataset_id).values(counts))

    def domains(number: int, domain: str | None) -> dict[str, int]:
        relabel_document(connection, LOCAL_TENANT, f"an_{job_id}-doc-{number}", {"domain": domain})
        row = find_dataset(connection, LOCAL_TENANT, dataset_id)
        assert row is not None
        assert row.domains == connection.execute(counted(dataset_id)).one().domains
        return dict(row.domains)

    assert domains(1, "talk") == {"prose": 1, "talk": 1}
    assert domains(2, "talk") == {"prose": 1, "talk": 2}
    assert domains(3, None) == {"talk": 2}
    assert domains(3, None) == {"talk": 2}
