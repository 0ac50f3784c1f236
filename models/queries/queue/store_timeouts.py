"""Documents whose store takes too long even alone: they wait a while, so that others go first, and fail in the end.

Whether a document or the database is slow is told by what else was stored: a document is charged only where others
were stored since its last time.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, case, func, select, update

from models.queries.queue.claims import TO_CANCEL, UNLEASED, lock_held
from models.queries.queue.job_state import settle_jobs
from models.states import ItemState
from models.tables import measurement, work_item

STORING_FAILED = "storing-failed"
_MESSAGE = (
    "Storing this document's results by itself took longer than the database may take {times} times, while other "
    "documents were stored. Send a shorter document, or ask the operator for the worker's log."
)


def give_back_timed_out(connection: Connection, token: int, item_ids: Sequence[int], *, allowed: int) -> bool:
    """Queue items of the claim again whose store, alone, took too long; whether the database stored others meanwhile.

    If so each is charged, and fails at `allowed` times. They are claimed alone from now on, after a pause (see
    `claims.REST`), after which the sweeper wakes a worker for them. Items of cancelled jobs are cancelled.
    """
    held = lock_held(connection, token, item_ids)
    if not held:
        return True
    blamed = connection.execute(
        select(func.bool_or(_stored_since(func.coalesce(work_item.c.timed_out_at, work_item.c.started_at)))).where(
            work_item.c.id.in_(held)
        )
    ).scalar_one()
    times = work_item.c.timeouts + (1 if blamed else 0)
    to_fail = times >= allowed
    returned = connection.execute(
        update(work_item)
        .where(work_item.c.id.in_(held))
        .values(
            state=case((TO_CANCEL, ItemState.CANCELLED), (to_fail, ItemState.FAILED), else_=ItemState.QUEUED),
            reason=case((~TO_CANCEL & to_fail, STORING_FAILED)),
            message=case((~TO_CANCEL & to_fail, _MESSAGE.format(times=allowed))),
            finished_at=case((TO_CANCEL | to_fail, func.now())),
            started_at=None,
            timeouts=times,
            timed_out_at=func.clock_timestamp(),
            alone=True,
            **UNLEASED,
        )
        .returning(work_item.c.job_id)
    ).scalars()
    settle_jobs(connection, list(returned))
    return bool(blamed)


def _stored_since(moment: ColumnElement[object]) -> ColumnElement[bool]:
    """Whether anything was stored since then. The newest measurement tells: its own was rolled back."""
    newest = select(measurement.c.created_at).order_by(measurement.c.id.desc()).limit(1).scalar_subquery()
    return func.coalesce(newest > moment, False)
