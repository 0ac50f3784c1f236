"""Deletion of what a client made. A measurement is deleted with its last use; a job's counts stay.

Locks in the one order: work items by id, jobs, then measurements by id. Whether a measurement is still used is asked
after its lock is held, by a statement of its own, which sees what others have committed meanwhile.
"""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, column, delete, exists, func, insert, select, table, text

from models.errors import StillInUse, found
from models.queries.queue.notifications import notify
from models.session_limits import allow_long_statements
from models.tables import analysis, comparison, dataset, document, job, work_item

_ORPHANS = table("orphan", column("id"))
_CREATE_ORPHANS = text("CREATE TEMPORARY TABLE orphan (id bigint PRIMARY KEY) ON COMMIT DROP")
_LOCK_ORPHANS = text(
    "SELECT count(*) FROM (SELECT m.id FROM measurement m JOIN orphan USING (id) ORDER BY m.id FOR UPDATE OF m) AS held"
)
_DELETE_ORPHANS = text(
    "DELETE FROM measurement m USING orphan o WHERE m.id = o.id "
    "AND NOT EXISTS (SELECT FROM analysis a WHERE a.measurement_id = m.id)"
)


def delete_analysis(connection: Connection, tenant_id: str, analysis_id: str) -> None:
    """One analysis, and its document where that came with the request and nothing else uses it.

    Raises `NotFound`; `StillInUse` while its job is unfinished.
    """
    stored = connection.execute(
        select(analysis.c.job_id, analysis.c.document_id, job.c.finished_at)
        .join_from(analysis, job)
        .where(analysis.c.tenant_id == tenant_id, analysis.c.id == analysis_id)
    ).one_or_none()
    row = found(stored, "analysis", analysis_id)
    if row.finished_at is None:
        raise StillInUse(f"The analysis {analysis_id}", row.job_id)
    _note_orphans(connection, select(analysis.c.measurement_id).where(analysis.c.id == analysis_id))
    connection.execute(delete(analysis).where(analysis.c.id == analysis_id))
    used = exists().where(analysis.c.document_id == document.c.id)
    connection.execute(delete(document).where(document.c.id == row.document_id, document.c.dataset_id.is_(None), ~used))
    connection.execute(_DELETE_ORPHANS)


def delete_job(connection: Connection, tenant_id: str, job_id: str) -> None:
    """A job in whatever state, with its analyses, its comparison and the documents that came with it.

    A worker that measures for it just now finds nothing left to store. Raises `NotFound`.
    """
    allow_long_statements(connection)
    items = select(work_item.c.id).where(work_item.c.job_id == job_id, work_item.c.tenant_id == tenant_id)
    held = items.order_by(work_item.c.id).with_for_update().subquery()
    connection.execute(select(func.count()).select_from(held))
    stored = select(job.c.id).where(job.c.tenant_id == tenant_id, job.c.id == job_id).with_for_update()
    found(connection.execute(stored).one_or_none(), "job", job_id)
    _note_orphans(connection, select(analysis.c.measurement_id).where(analysis.c.job_id == job_id))
    documents = select(work_item.c.document_id).where(work_item.c.job_id == job_id)
    connection.execute(delete(document).where(document.c.id.in_(documents), document.c.dataset_id.is_(None)))
    connection.execute(delete(job).where(job.c.id == job_id))
    connection.execute(_DELETE_ORPHANS)
    notify(connection, [job_id])


def delete_comparison(connection: Connection, tenant_id: str, comparison_id: str) -> None:
    """A comparison with its job, its analyses and its files. Raises `NotFound`."""
    job_id = connection.execute(
        select(comparison.c.job_id).where(comparison.c.tenant_id == tenant_id, comparison.c.id == comparison_id)
    ).scalar_one_or_none()
    delete_job(connection, tenant_id, found(job_id, "comparison", comparison_id))


def delete_dataset(connection: Connection, tenant_id: str, dataset_id: str) -> None:
    """A data set, its documents and every analysis of them. Results of comparisons stay.

    Raises `NotFound`; `StillInUse` while an unfinished job needs it.
    """
    allow_long_statements(connection)
    stored = select(dataset.c.id).where(dataset.c.tenant_id == tenant_id, dataset.c.id == dataset_id).with_for_update()
    found(connection.execute(stored).one_or_none(), "data set", dataset_id)
    mine: ColumnElement[bool] = document.c.dataset_id == dataset_id
    unfinished = connection.execute(
        select(job.c.id)
        .where(
            job.c.finished_at.is_(None),
            exists()
            .where(work_item.c.job_id == job.c.id, work_item.c.document_id == document.c.id, mine)
            .select_from(work_item.join(document, work_item.c.document_id == document.c.id)),
        )
        .limit(1)
    ).scalar_one_or_none()
    if unfinished is not None:
        raise StillInUse(f"The data set {dataset_id}", unfinished)
    _note_orphans(connection, select(analysis.c.measurement_id).join_from(analysis, document).where(mine))
    connection.execute(delete(dataset).where(dataset.c.id == dataset_id))
    connection.execute(_DELETE_ORPHANS)


def _note_orphans(connection: Connection, measurement_ids: Select[Any]) -> None:
    """Note and lock the measurements that may be orphaned, because their last use is deleted."""
    connection.execute(_CREATE_ORPHANS)
    connection.execute(insert(_ORPHANS).from_select(["id"], measurement_ids.distinct()))
    connection.execute(_LOCK_ORPHANS)
