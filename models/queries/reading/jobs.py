"""Jobs as clients see them: progress counted from the work items, and failures.

A query that says so has several statements; the service calls it by `Database.read`, on one snapshot.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, Select, Text, bindparam, func, select, true, tuple_

from models.queries.queue.job_counts import FINAL, analyses_of_job, items_of_job
from models.states import ItemState
from models.tables import comparison, document, job, work_item

Position = tuple[datetime, str]
"""Where a page of a list ends: the last row's time of making, and its id."""


def job_view() -> Select[Any]:
    """Every job with its counts, the tokens measured for it, and what it made. For `find_job` and `list_jobs`.

    Where the counts are kept, neither its items nor its analyses are read.
    """
    items, made = items_of_job(job.c.counts.is_(None)), analyses_of_job(job.c.counts.is_(None))
    counted = {name: each for counts in (items, made) for name, each in counts.c.items()}
    columns = [
        func.coalesce(job.c.counts[name].as_integer(), each).label(name) if name in FINAL else each
        for name, each in counted.items()
    ]
    until = func.coalesce(job.c.finished_at, func.clock_timestamp())
    return (
        select(
            *(each for each in job.c if each.name != "counts"),
            *columns,
            func.extract("epoch", until - job.c.started_at).label("seconds"),
            comparison.c.id.label("comparison_id"),
        )
        .join_from(job, items, onclause=true())
        .join(made, onclause=true())
        .outerjoin(comparison, comparison.c.job_id == job.c.id)
    )


def find_job(connection: Connection, tenant_id: str, job_id: str) -> Row[Any] | None:
    """The tenant's job of this id, as `job_view` shows it."""
    return connection.execute(_view_of_one(), {"tenant": tenant_id, "job": job_id}).one_or_none()


@cache  # making such a statement takes longer than executing it
def _view_of_one() -> Select[Any]:
    tenant_id, job_id = bindparam("tenant", type_=Text), bindparam("job", type_=Text)
    return job_view().where(job.c.tenant_id == tenant_id, job.c.id == job_id)


def list_jobs(
    connection: Connection, tenant_id: str, *, kind: str | None, state: str | None, after: Position | None, limit: int
) -> Sequence[Row[Any]]:
    """The tenant's jobs, newest first, `limit` of them after the position. Several statements."""
    chosen = select(job.c.id).where(job.c.tenant_id == tenant_id)
    if kind is not None:
        chosen = chosen.where(job.c.kind == kind)
    if state is not None:
        chosen = chosen.where(job.c.state == state)
    if after is not None:
        chosen = chosen.where(tuple_(job.c.created_at, job.c.id) < after)
    chosen = chosen.order_by(job.c.created_at.desc(), job.c.id.desc()).limit(limit)
    page = list(connection.execute(chosen).scalars())
    return connection.execute(
        job_view().where(job.c.id.in_(page)).order_by(job.c.created_at.desc(), job.c.id.desc())
    ).all()


def job_state(connection: Connection, tenant_id: str, job_id: str) -> Row[Any] | None:
    """Kind, state, reason and message of a job, without the cost of counting its items."""
    columns: tuple[Any, ...] = (job.c.kind, job.c.state, job.c.reason, job.c.message)
    return connection.execute(select(*columns).where(job.c.tenant_id == tenant_id, job.c.id == job_id)).one_or_none()


def list_failures(
    connection: Connection, tenant_id: str, job_id: str, *, after: int | None, limit: int
) -> Sequence[Row[Any]] | None:
    """The failed items of the tenant's job, newest first, `limit` of them after the item id; None without such a job.

    Several statements.
    """
    if job_state(connection, tenant_id, job_id) is None:
        return None
    failed: Select[Any] = (
        select(
            work_item.c.id,
            work_item.c.document_id,
            document.c.dataset_id,
            document.c.position,
            document.c.external_id,
            document.c.domain,
            work_item.c.model_id,
            work_item.c.reason,
            work_item.c.message,
            work_item.c.finished_at,
        )
        .join_from(work_item, document, isouter=True)
        .where(work_item.c.job_id == job_id, work_item.c.state == ItemState.FAILED)
    )
    if after is not None:
        failed = failed.where(work_item.c.id < after)
    return connection.execute(failed.order_by(work_item.c.id.desc()).limit(limit)).all()
