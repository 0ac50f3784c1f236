"""Settling: bringing a job's state into line with its work items.

Locks are always taken in this order, so that no two transactions wait for each other: work items by id, then jobs by
id. Job rows are locked `FOR NO KEY UPDATE`, which leaves foreign keys to them free.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from models.queries.queue.job_counts import keep_counts
from models.queries.queue.notifications import notify
from models.queries.queue.outbox import write_wakeups
from models.states import OPEN_ITEMS, OPEN_SUMMARIES, UNFINISHED, ItemState, JobState, SummaryState
from models.tables import comparison, job, work_item

BEGUN = (ItemState.RUNNING, ItemState.DONE, ItemState.FAILED)
"""A job with an item in one of these has been started by a worker."""


def settle_jobs(connection: Connection, job_ids: Sequence[str]) -> None:
    """Move each job to the state that its work items and summary imply, in the caller's transaction.

    A job whose last open item is settled succeeds, fails (when nothing succeeded) or is cancelled; a comparison moves
    to `summarizing` instead, its summary is queued and a wake-up for it written. Whoever waits for one of the
    jobs is notified when the transaction commits. Locks the jobs in the order of their ids. Safe to repeat.
    """
    jobs = lock_jobs(connection, job_ids)
    unfinished = [row for row in jobs if row.state in UNFINISHED]
    done = _of_one_done_item(connection, [row.id for row in unfinished if row.total == 1 and row.kind != "comparison"])
    if done:
        _finish(connection, done, JobState.SUCCEEDED)
    for row in unfinished:
        if row.id not in done:
            _settle(connection, row)
    notify(connection, [row.id for row in jobs])


def lock_jobs(connection: Connection, job_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """Lock the jobs that still exist, in the order of their ids."""
    if not job_ids:
        return []
    return connection.execute(
        select(job).where(job.c.id.in_(sorted(set(job_ids)))).order_by(job.c.id).with_for_update(key_share=True)
    ).all()


def has_items(connection: Connection, job_id: str, states: Sequence[str]) -> bool:
    """Whether the job has an item in one of these states.

    Asked in the order of the index on job and state; an EXISTS may read the whole table where a job is large.
    """
    first = (
        select(work_item.c.id)
        .where(work_item.c.job_id == job_id, work_item.c.state.in_(states))
        .order_by(work_item.c.job_id, work_item.c.state)
        .limit(1)
    )
    return connection.execute(first).first() is not None


def mark_started(connection: Connection, job_ids: Sequence[str]) -> None:
    """Queued jobs of which an item was claimed are now running. Skips rows that another transaction holds.

    What is skipped is set right when the first of its items settles.
    """
    waiting = (
        select(job.c.id)
        .where(job.c.id.in_(job_ids), job.c.state == JobState.QUEUED)
        .order_by(job.c.id)
        .with_for_update(key_share=True, skip_locked=True)
    )
    connection.execute(
        update(job)
        .where(job.c.id.in_(waiting.scalar_subquery()))
        .values(state=JobState.RUNNING, started_at=func.coalesce(job.c.started_at, func.now()))
    )


def _of_one_done_item(connection: Connection, job_ids: Sequence[str]) -> list[str]:
    """Of these jobs of one item those whose item is done: most jobs by far, which need nothing asked of each."""
    if not job_ids:
        return []
    done = select(work_item.c.job_id).where(work_item.c.job_id.in_(job_ids), work_item.c.state == ItemState.DONE)
    return list(connection.execute(done.order_by(work_item.c.job_id)).scalars())


def _settle(connection: Connection, row: Row[Any]) -> None:
    if has_items(connection, row.id, OPEN_ITEMS):
        _settle_open(connection, row)
        return
    by_state = select(work_item.c.state, func.count()).where(work_item.c.job_id == row.id).group_by(work_item.c.state)
    counts: dict[str, int] = dict(connection.execute(by_state).all())
    cancelling = row.cancel_requested_at is not None and (
        counts.get(ItemState.CANCELLED, 0) or row.kind == "comparison"
    )
    if cancelling:
        _end(connection, row, JobState.CANCELLED)
    elif not counts.get(ItemState.DONE, 0):
        _end(connection, row, JobState.FAILED, *_why_nothing_succeeded(connection, row))
    elif row.kind == "comparison":
        _settle_comparison(connection, row)
    else:
        _end(connection, row, JobState.SUCCEEDED)


def _settle_open(connection: Connection, row: Row[Any]) -> None:
    """The job has begun as soon as any of its items was claimed."""
    if row.state == JobState.QUEUED and has_items(connection, row.id, BEGUN):
        connection.execute(
            update(job)
            .where(job.c.id == row.id)
            .values(state=JobState.RUNNING, started_at=func.coalesce(job.c.started_at, func.now()))
        )


def _settle_comparison(connection: Connection, row: Row[Any]) -> None:
    summary = connection.execute(select(comparison.c.state).where(comparison.c.job_id == row.id)).scalar_one_or_none()
    if summary == SummaryState.WAITING:
        connection.execute(
            update(job)
            .where(job.c.id == row.id)
            .values(state=JobState.SUMMARIZING, started_at=func.coalesce(job.c.started_at, func.now()))
        )
        connection.execute(update(comparison).where(comparison.c.job_id == row.id).values(state=SummaryState.QUEUED))
        write_wakeups(connection, [None])
    elif summary == SummaryState.DONE:
        _end(connection, row, JobState.SUCCEEDED)
    elif summary == SummaryState.CANCELLED:
        _end(connection, row, JobState.CANCELLED)
    elif summary in (SummaryState.FAILED, None):
        _end(connection, row, JobState.FAILED, row.reason, row.message)


def _why_nothing_succeeded(connection: Connection, row: Row[Any]) -> tuple[str, str]:
    """The commonest reason among the failed items: for a job of one document, that document's own."""
    first = connection.execute(
        select(work_item.c.reason, func.min(work_item.c.message), func.count())
        .where(work_item.c.job_id == row.id, work_item.c.state == ItemState.FAILED)
        .group_by(work_item.c.reason)
        .order_by(func.count().desc(), work_item.c.reason)
        .limit(1)
    ).one_or_none()
    if first is None:
        return "no-documents", "The job has no documents to measure."
    reason, message, count = first
    if row.total == 1:
        return reason, message
    return reason, f"None of the {row.total} documents could be measured; {count} failed like this: {message}"


def _end(
    connection: Connection, row: Row[Any], state: JobState, reason: str | None = None, message: str | None = None
) -> None:
    """Finish one job, and keep the counts of one with several items."""
    _finish(connection, [row.id], state, reason, message)
    if row.total != 1:
        keep_counts(connection, row.id)


def _finish(
    connection: Connection,
    job_ids: Sequence[str],
    state: JobState,
    reason: str | None = None,
    message: str | None = None,
) -> None:
    connection.execute(
        update(job)
        .where(job.c.id.in_(job_ids))
        .values(
            state=state,
            reason=reason,
            message=message,
            started_at=func.coalesce(job.c.started_at, func.now()),
            finished_at=func.now(),
        )
    )
    if state != JobState.SUCCEEDED:
        unfinished = comparison.c.state.in_((SummaryState.WAITING, *OPEN_SUMMARIES))
        connection.execute(
            update(comparison)
            .where(comparison.c.job_id.in_(job_ids), unfinished)
            .values(state=SummaryState(state), lease_token=None, leased_until=None, worker_id=None)
        )
