"""Summaries of comparisons, claimed and leased like items.

The order of locks goes on from that of `job_state`: a comparison's row is locked after its job's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Text, exists, func, literal, select, update

from models.queries.queue.claims import UNLEASED, new_lease_token
from models.queries.queue.job_state import lock_jobs, settle_jobs
from models.queries.queue.outbox import write_wakeups
from models.states import SummaryState
from models.tables import comparison, job


@dataclass(frozen=True, slots=True)
class ClaimedSummary:
    """A comparison whose documents are all settled. `request` is a models.schemas.comparisons.ComparisonRequest."""

    id: str
    job_id: str
    token: int
    request: dict[str, Any]


def claim_summary(connection: Connection, worker_id: str, lease_seconds: float) -> ClaimedSummary | None:
    """Take the oldest comparison that waits for its summary."""
    waiting = (
        select(comparison.c.id)
        .where(comparison.c.state == literal(SummaryState.QUEUED, Text, literal_execute=True))
        .order_by(comparison.c.created_at, comparison.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    token = new_lease_token(connection)
    row = connection.execute(
        update(comparison)
        .where(comparison.c.id == waiting.scalar_subquery())
        .values(
            state=SummaryState.RUNNING,
            lease_token=token,
            leased_until=func.now() + timedelta(seconds=lease_seconds),
            worker_id=worker_id,
        )
        .returning(comparison.c.id, comparison.c.job_id, comparison.c.request)
    ).one_or_none()
    return None if row is None else ClaimedSummary(row.id, row.job_id, token, row.request)


def summaries_wait(connection: Connection) -> bool:
    """Whether a comparison waits for its summary."""
    queued = exists().where(comparison.c.state == literal(SummaryState.QUEUED, Text, literal_execute=True))
    return bool(connection.execute(select(queued)).scalar_one())


def renew_summaries(connection: Connection, tokens: Sequence[int], lease_seconds: float) -> None:
    """Extend these leases."""
    held = (
        select(comparison.c.id)
        .where(comparison.c.state == SummaryState.RUNNING, comparison.c.lease_token.in_(tokens))
        .with_for_update(skip_locked=True)
    )
    connection.execute(
        update(comparison)
        .where(comparison.c.id.in_(held.scalar_subquery()))
        .values(leased_until=func.now() + timedelta(seconds=lease_seconds))
    )


def summary_wanted(connection: Connection, claimed: ClaimedSummary) -> bool:
    """Whether the summary is still this claim's and its job is not to be cancelled."""
    wanted = select(comparison.c.id).where(
        comparison.c.id == claimed.id,
        comparison.c.state == SummaryState.RUNNING,
        comparison.c.lease_token == claimed.token,
        comparison.c.job_id == job.c.id,
        job.c.cancel_requested_at.is_(None),
    )
    return connection.execute(wanted).one_or_none() is not None


def give_back_summaries(connection: Connection, tokens: Sequence[int]) -> None:
    """Queue the summaries under these tokens again, and write a wake-up."""
    returned = connection.execute(
        update(comparison)
        .where(comparison.c.state == SummaryState.RUNNING, comparison.c.lease_token.in_(tokens))
        .values(state=SummaryState.QUEUED, **UNLEASED)
    )
    if returned.rowcount:
        write_wakeups(connection, [None])


def fail_summary(connection: Connection, claimed: ClaimedSummary, reason: str, message: str) -> bool:
    """The summary cannot be made: the job fails with this reason. False when the claim was lost."""
    if not end_summary(connection, claimed, {"state": SummaryState.FAILED}):
        return False
    connection.execute(update(job).where(job.c.id == claimed.job_id).values(reason=reason, message=message))
    settle_jobs(connection, [claimed.job_id])
    return True


def end_summary(connection: Connection, claimed: ClaimedSummary, values: dict[str, Any]) -> bool:
    """End the claim, with these values for the comparison's row; False, with nothing changed, when it was lost."""
    lock_jobs(connection, [claimed.job_id])
    ended = connection.execute(
        update(comparison)
        .where(
            comparison.c.id == claimed.id,
            comparison.c.state == SummaryState.RUNNING,
            comparison.c.lease_token == claimed.token,
        )
        .values(**values, **UNLEASED)
    )
    return ended.rowcount == 1
