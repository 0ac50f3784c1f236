"""Cancelling jobs."""

from collections.abc import Sequence

from sqlalchemy import Connection, func, select, update

from models.queries.queue.job_state import settle_jobs
from models.session_limits import allow_long_statements
from models.states import ItemState
from models.tables import job, work_item


def cancel_jobs(connection: Connection, job_ids: Sequence[str], reason: tuple[str, str] | None = None) -> None:
    """Cancel unfinished jobs: what is queued at once, what runs when its worker next looks. Finished jobs stay.

    `reason` is a problem type's name and a message, kept with the items that are cancelled here.
    """
    open_items = (
        select(work_item.c.id)
        .where(work_item.c.job_id.in_(job_ids), work_item.c.state == ItemState.QUEUED)
        .order_by(work_item.c.id)
        .with_for_update()
        .subquery()
    )
    name, message = reason or (None, None)
    allow_long_statements(connection)
    connection.execute(
        update(work_item)
        .where(work_item.c.id.in_(select(open_items.c.id)))
        .values(state=ItemState.CANCELLED, finished_at=func.now(), reason=name, message=message)
    )
    locked = select(job.c.id).where(job.c.id.in_(job_ids)).order_by(job.c.id).with_for_update(key_share=True).subquery()
    connection.execute(
        update(job)
        .where(job.c.id.in_(select(locked.c.id)), job.c.finished_at.is_(None))
        .values(cancel_requested_at=func.coalesce(job.c.cancel_requested_at, func.now()))
    )
    settle_jobs(connection, job_ids)
