"""What the sweeper does: it queues orphaned work again, deletes expired rows and settles stuck jobs.

Work is orphaned when its lease runs out: its worker was lost. Every function takes a bounded number of rows and passes
over those that others hold, so that sweepers may run side by side.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, and_, case, delete, exists, func, or_, select, update

from models.queries.queue.cancellation import cancel_jobs
from models.queries.queue.claims import RUNNING, TO_CANCEL, UNLEASED, work_waits
from models.queries.queue.inquiry_claims import inquiries_wait
from models.queries.queue.job_state import has_items, lock_jobs, settle_jobs
from models.queries.queue.outbox import queue_of, write_wakeups
from models.queries.queue.summary_claims import summaries_wait
from models.states import OPEN_ITEMS, OPEN_SUMMARIES, InquiryState, ItemState, SummaryState
from models.tables import comparison, idempotency, inquiry, job, model, sign_in, work_item, worker

BATCH = 500
WORKER_LOST = "worker-lost"
ITEM_LOST = (
    "The worker was lost {losses} times while it measured this document alone. Send a shorter document, or ask the "
    "operator for the worker's log."
)
SUMMARY_LOST = (
    "The worker was lost {losses} times while it made this summary. Compare fewer documents, or ask the operator for "
    "the worker's log."
)


def return_orphaned_items(connection: Connection, losses_alone: int) -> int:
    """Queue orphaned items again; returns how many.

    An item that lost its worker among others is claimed alone from now on and is charged nothing. One that was alone is
    charged a loss, and fails at `losses_alone` of them. Items of cancelled jobs are cancelled.
    """
    expired = (
        select(work_item.c.id)
        .where(work_item.c.state == RUNNING, work_item.c.leased_until < func.now())
        .order_by(work_item.c.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    lost = list(connection.execute(expired).scalars())
    if not lost:
        return 0
    losses = work_item.c.losses + case((work_item.c.alone, 1), else_=0)
    to_fail = losses >= losses_alone
    returned = connection.execute(
        update(work_item)
        .where(work_item.c.id.in_(lost))
        .values(
            state=case((TO_CANCEL, ItemState.CANCELLED), (to_fail, ItemState.FAILED), else_=ItemState.QUEUED),
            reason=case((~TO_CANCEL & to_fail, WORKER_LOST)),
            message=case((~TO_CANCEL & to_fail, ITEM_LOST.format(losses=losses_alone))),
            finished_at=case((or_(TO_CANCEL, to_fail), func.now())),
            started_at=None,
            losses=losses,
            alone=True,
            **UNLEASED,
        )
        .returning(work_item.c.job_id, work_item.c.model_id, work_item.c.state)
    ).all()
    write_wakeups(connection, (row.model_id for row in returned if row.state == ItemState.QUEUED))
    settle_jobs(connection, [row.job_id for row in returned])
    return len(lost)


def return_orphaned_inquiries(connection: Connection) -> int:
    """Queue orphaned inquiries again that somebody still waits for; returns how many."""
    returned = connection.execute(
        update(inquiry)
        .where(
            inquiry.c.state == InquiryState.RUNNING,
            inquiry.c.leased_until < func.now(),
            inquiry.c.expires_at > func.now(),
        )
        .values(state=InquiryState.QUEUED, **UNLEASED)
        .returning(inquiry.c.model_id)
    )
    model_ids = list(returned.scalars())
    write_wakeups(connection, model_ids)
    return len(model_ids)


def return_orphaned_summaries(connection: Connection, losses_allowed: int) -> int:
    """Queue orphaned summaries again; at `losses_allowed` losses the comparison fails. Returns how many."""
    expired = and_(comparison.c.state == SummaryState.RUNNING, comparison.c.leased_until < func.now())
    lock_jobs(connection, list(connection.execute(select(comparison.c.job_id).where(expired)).scalars()))
    to_fail = comparison.c.losses + 1 >= losses_allowed
    returned = connection.execute(
        update(comparison)
        .where(expired)
        .values(
            state=case((to_fail, SummaryState.FAILED), else_=SummaryState.QUEUED),
            losses=comparison.c.losses + 1,
            **UNLEASED,
        )
        .returning(comparison.c.job_id, comparison.c.state)
    ).all()
    failed = [row.job_id for row in returned if row.state == SummaryState.FAILED]
    if len(failed) < len(returned):
        write_wakeups(connection, [None])
    connection.execute(
        update(job)
        .where(job.c.id.in_(failed))
        .values(reason=WORKER_LOST, message=SUMMARY_LOST.format(losses=losses_allowed))
    )
    settle_jobs(connection, [row.job_id for row in returned])
    return len(returned)


def cancel_overdue_jobs(connection: Connection) -> list[str]:
    """Cancel the jobs whose `Cancel-After` has passed; returns their ids."""
    overdue = select(job.c.id).where(
        job.c.cancel_after.is_not(None),
        job.c.finished_at.is_(None),
        job.c.cancel_after <= func.now(),
        job.c.cancel_requested_at.is_(None),
    )
    jobs = list(connection.execute(overdue.order_by(job.c.id).limit(BATCH)).scalars())
    if jobs:
        cancel_jobs(connection, jobs)
    return jobs


def settle_stuck_jobs(connection: Connection) -> int:
    """Settle unfinished jobs of which no item is open any more; returns how many there were.

    Jobs that wait for a summary which is on its way are left alone. A sweep looks at a random batch of the open jobs.
    """
    summary = exists().where(comparison.c.job_id == job.c.id, comparison.c.state.in_(OPEN_SUMMARIES))
    unfinished = select(job.c.id).where(job.c.finished_at.is_(None), ~summary).order_by(func.random()).limit(BATCH)
    jobs = [
        job_id
        for job_id in connection.execute(unfinished).scalars().all()
        if not has_items(connection, job_id, OPEN_ITEMS)
    ]
    settle_jobs(connection, jobs)
    return len(jobs)


def queues_with_work(connection: Connection) -> list[str]:
    """The queues that have work, whether or not a wake-up for it is on its way."""
    models = connection.execute(select(model.c.id).order_by(model.c.id)).scalars().all()
    queues = [
        queue_of(model_id)
        for model_id in models
        if work_waits(connection, [model_id]) or inquiries_wait(connection, [model_id])
    ]
    if summaries_wait(connection) or inquiries_wait(connection, [None]):
        queues.append(queue_of(None))
    return queues


def delete_expired(connection: Connection, *, idempotency_hours: float, worker_seconds: float) -> dict[str, int]:
    """Delete expired rows, and workers without a heartbeat for `worker_seconds`; counts each kind."""
    silent = worker.c.heartbeat_at < func.now() - timedelta(seconds=worker_seconds)
    old: dict[str, Any] = {
        "idempotency keys": delete(idempotency).where(
            idempotency.c.created_at < func.now() - timedelta(hours=idempotency_hours)
        ),
        "inquiries": delete(inquiry).where(inquiry.c.expires_at < func.now()),
        "signed-in browsers": delete(sign_in).where(sign_in.c.expires_at < func.now()),
        "workers": delete(worker).where(silent),
    }
    return {name: connection.execute(statement).rowcount for name, statement in old.items()}
